"""What the episodes of an outer step cost beside its training, when drawn and when kept.

A batch is a function of the study's seed and of the step, and of nothing else, so that all
candidates are compared on the same batches, and a worker draws each of them once and keeps it. It
comes from a rolling pool: the first steps bring a batch each, and then every eighth.

Fixed before the runs:

- Batches as in a study: 8 tasks, up to 5 ways, from 2,000 synthetic tables and those of
  scikit-learn; with ``--tables DIR`` from those with role ``train`` in the folder's ``index.csv``
  instead of the latter. A study draws the shots of a batch from 1, 3, 5, 10 and 20; here each is
  measured for itself.
- Learners with their default meta-parameters: ``column_kernel``, which fits its head in closed
  form, at widths 16, 48 and 128, and ``maml`` at width 64, which needs principal axes too.
- One thread, process CPU time, five rounds: in each, for each shot, 32 batches are drawn and asked
  for again, and every learner trains a step on each. Reported are medians of a batch drawn, a batch
  found and a step trained, and the share of the episodes in all of a candidate's time.
- 400 batches come before, in which most real tables are first met and relabelled. What these cost
  is reported apart, with the share of the episodes where all of a first candidate's batches cost as
  much, over the mean of the shots.
- Target: the share of the episodes is at most 10 % at every shot and width for the first candidate
  of a worker, which draws all of its batches, in 2,000 steps.
- Reported as well, without a target: the same for a first candidate that is pruned at the first
  rung, after an eighth of the steps; for ten candidates that are pruned by halving at an eighth, a
  quarter and half of the steps, of which those find what others have drawn; and for a first
  candidate whose every step draws (``training.reuse: 1``).

    OMP_NUM_THREADS=1 python studies/benchmarks/episodes.py --check
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from benchmark_page import Target, origin, publish, table, target_table
from training_streams import TRAINING, training_streams

from autometa.config import ColumnKernelConfig, LearnerConfig, MamlConfig
from autometa.episodes import EpisodeBatch, TrainingEpisodes
from autometa.episodes._rolling_pool import RollingPool
from autometa.learners import AbstractLearner, OuterLoop, build_learner
from autometa.search import one_thread
from autometa.search._data import kept_bytes

_SHOTS = (1, 3, 5, 10, 20)
_LEARNERS: tuple[LearnerConfig, ...] = (
    *(ColumnKernelConfig(width=width) for width in (16, 48, 128)),
    MamlConfig(width=64),
)
_CANDIDATES = 10
_HALVED = 1 / 8 + 1 / 2 * 1 / 8 + 1 / 4 * 1 / 4 + 1 / 8 * 1 / 2
"""Share of all steps that candidates train on average where each rung keeps one half of them."""
_MOST_PERCENT = 10.0
_FIRST_BATCHES = 400
_MEASURED_BYTES = 1 << 30  # all that is drawn here is kept


@dataclass(frozen=True)
class Costs:
    """Milliseconds of CPU per outer step, and bytes of a batch.

    Attributes:
        train: of adaptation, gradient and update, on batches that are there.
        draw: of a batch that is drawn.
        kept: of a batch that was kept.
        nbytes: what a batch takes in memory.
    """

    train: float
    draw: float
    kept: float
    nbytes: float

    def percent(self, drawn: float) -> float:
        """Returns the share of the episodes where so many batches are drawn per step."""
        episodes = self.kept + drawn * self.draw
        return 100 * episodes / (episodes + self.train)


class Case(NamedTuple):
    """A learner at one shot."""

    shot: int
    learner: str
    width: int


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, help="folder of real tables with an index.csv")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 8 batches at each shot")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def cpu_milliseconds(run: Callable[[], object], steps: int) -> float:
    """Returns what a run takes, per step."""
    start = time.process_time()
    run()
    return 1e3 * (time.process_time() - start) / steps


def measure(
    streams: dict[int | None, TrainingEpisodes], *, rounds: int, batches: int
) -> dict[Case, Costs]:
    """Returns the medians over rounds; ``batches``, of a shot in a round, are whole groups."""
    found: dict[Case, list[Costs]] = {}
    for index, (_, shot) in enumerate(product(range(rounds), _SHOTS)):
        start = _FIRST_BATCHES + index * batches
        steps = range(start, start + batches)
        drawn = {components: draw(stream, shot, steps) for components, stream in streams.items()}
        for config in _LEARNERS:
            learner = build_learner(config, seed=0)
            ready, fresh, kept = drawn[learner.components]
            nbytes = statistics.mean(batch.nbytes for batch in ready)
            case = Case(shot, config.name, config.width)
            costs = Costs(training_milliseconds(learner, ready), fresh, kept, nbytes)
            found.setdefault(case, []).append(costs)
    return {
        case: Costs(*map(statistics.median, zip(*map(astuple, costs), strict=True)))
        for case, costs in found.items()
    }


def draw(
    stream: TrainingEpisodes, shot: int, steps: range
) -> tuple[list[EpisodeBatch], float, float]:
    """Returns new batches of one shot, and milliseconds to draw one and to get it again."""
    # A stream keeps what it has drawn, by the step.
    with patch("autometa.episodes._training._SHOTS", (shot,)):
        fresh = asking_milliseconds(stream, steps)
    kept = asking_milliseconds(stream, steps)
    return [stream.batch(step) for step in steps], fresh, kept


def asking_milliseconds(stream: TrainingEpisodes, steps: range) -> float:
    """Returns what a stream takes for a batch of some steps."""
    return cpu_milliseconds(lambda: [stream.batch(step) for step in steps], len(steps))


def training_milliseconds(learner: AbstractLearner, batches: Sequence[EpisodeBatch]) -> float:
    """Returns what an outer step on one of the batches takes, after a pass that does not count."""
    loop = OuterLoop(
        learner,
        lambda step: batches[step % len(batches)],
        outer_steps=TRAINING.outer_steps,
        outer_lr=TRAINING.outer_lr,
    )
    loop.run_until(len(batches))
    return cpu_milliseconds(lambda: loop.run_until(2 * len(batches)), len(batches))


def fitting_batches(costs: dict[Case, Costs]) -> dict[str, int]:
    """Returns how many batches of mixed shots a worker keeps for each learner."""
    sizes: dict[str, list[float]] = {}
    for case, cost in costs.items():
        sizes.setdefault(case.learner, []).append(cost.nbytes)
    return {learner: int(kept_bytes() / statistics.mean(found)) for learner, found in sizes.items()}


def batches_drawn(steps: int) -> int:
    """Returns how many batches a first candidate draws in so many steps."""
    pool = RollingPool(reuse=TRAINING.reuse, seed=0)
    return len({pool.number(step) for step in range(steps)})


def shares(costs: dict[Case, Costs]) -> dict[Case, dict[str, float]]:
    """Returns the shares of the episodes in percent, by what they hold for."""
    steps, rung = TRAINING.outer_steps, TRAINING.rungs[0]
    drawn = batches_drawn(steps) / steps
    return {
        case: {
            "first": cost.percent(drawn),
            "first, pruned": cost.percent(batches_drawn(rung) / rung),
            "ten, halving": cost.percent(drawn / (_HALVED * _CANDIDATES)),
            "first, no reuse": cost.percent(1.0),
        }
        for case, cost in costs.items()
    }


def first_percent(costs: dict[Case, Costs], first: float) -> dict[str, float]:
    """Returns the share for a first candidate whose batches cost as much as a worker's first ones.

    By learner and width, over the mean of the shots.
    """
    steps = TRAINING.outer_steps
    drawn = batches_drawn(steps) / steps
    trains: dict[str, list[float]] = {}
    for case, cost in costs.items():
        trains.setdefault(f"{case.learner} {case.width}", []).append(cost.train)
    return {
        name: 100 * drawn * first / (drawn * first + statistics.mean(train))
        for name, train in trains.items()
    }


def markdown(costs: dict[Case, Costs], targets: Sequence[Target], first: float) -> list[str]:
    """Returns the benchmark's page."""
    found = shares(costs)
    rows = [
        [
            *map(str, case),
            *(f"{cost.train:.2f}", f"{cost.draw:.2f}", f"{cost.kept:.4f}"),
            *(f"{share:.1f}" for share in found[case].values()),
        ]
        for case, cost in costs.items()
    ]
    names = next(iter(found.values()))
    header = ["shot", "learner", "width", "train, ms", "draw, ms", "kept, ms"]
    kept = ", ".join(f"{count:,} for `{name}`" for name, count in fitting_batches(costs).items())
    percents = first_percent(costs, first).items()
    worker = ", ".join(f"{share:.1f} ({name})" for name, share in percents)
    steps, rung = TRAINING.outer_steps, TRAINING.rungs[0]
    return [
        "# Episodes beside the training",
        "",
        f"{origin('episodes')} Milliseconds of CPU per outer step, or per batch that is drawn; "
        "shares of the episodes in the time of candidates.",
        "",
        *target_table(targets),
        "",
        *table([*header, *(f"{name}, %" for name in names)], rows),
        "",
        f"A candidate of {steps:,} steps draws {batches_drawn(steps)} batches, one of {rung} steps "
        f"{batches_drawn(rung)}. In {kept_bytes() >> 20} MiB a worker keeps so many batches of "
        f"mixed shots: {kept}. The first {_FIRST_BATCHES} batches of a worker, for which real "
        f"tables are relabelled, took {first:.2f} ms each; where all batches of a candidate do, "
        f"episodes take so many percent: {worker}.",
    ]


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    rounds, batches = (2, 8) if options.quick else (5, 32)
    with one_thread():
        needed = dict.fromkeys(build_learner(config, seed=0).components for config in _LEARNERS)
        streams = training_streams(options.tables, needed, kept_bytes=_MEASURED_BYTES)
        steps = range(_FIRST_BATCHES)
        first = max(asking_milliseconds(stream, steps) for stream in streams.values())
        costs = measure(streams, rounds=rounds, batches=batches)
    found = shares(costs)
    worst = max(costs, key=lambda case: found[case]["first"])
    where = f"shot {worst.shot}, {worst.learner}, width {worst.width}"
    name = "share of the episodes for the first candidate of a worker, %"
    target = Target(name, _MOST_PERCENT, found[worst]["first"], where, is_upper=True)
    figures = {
        "cases": [
            {**case._asdict(), **asdict(cost), "percent": found[case]}
            for case, cost in costs.items()
        ],
        "fitting_batches": fitting_batches(costs),
        "first_batches_milliseconds": first,
        "first_candidate_percent": first_percent(costs, first),
    }
    return publish("episodes", markdown(costs, [target], first), figures, [target], options)


if __name__ == "__main__":
    sys.exit(main())
