"""What the episodes of an outer step cost beside its training, when drawn and when kept.

A batch is a function of the study's seed and of the step, and of nothing else, so that all
candidates are compared on the same batches, and a worker draws each of them once and keeps it.

Fixed before the runs:

- Batches as in a study: 8 tasks, up to 5 ways, from 2,000 synthetic tables and those of
  scikit-learn; with ``--tables DIR`` from those with role ``train`` in the folder's ``index.csv``
  instead of the latter. A study draws the shots of a batch from 1, 3, 5, 10 and 20; here each is
  measured for itself.
- Learners with their default meta-parameters: ``column_kernel``, which adapts head and scales, at
  widths 16, 48 and 128, and ``maml`` at width 64, which needs principal axes too.
- One thread, process CPU time, five rounds: in each, for each shot, 32 batches are drawn and asked
  for again, and every learner trains a step on each. Reported are medians per step, and the share
  of the episodes in episodes and training together: for the first candidate of a worker, which
  draws, and over ten candidates, nine of which find what the first has drawn.
- 400 batches come before, in which most real tables are first met and relabelled; what these cost
  is reported apart.
- Target: that share over ten candidates that train to the end is at most 10 % at every shot and
  width.
- Reported as well, without a target: the same where candidates are pruned by halving at an eighth,
  a quarter and half of the steps, which leaves fewer for the later batches: for ten candidates, and
  for fifteen, which are a worker's in the quickstart. And the same where ten candidates train
  2,000 steps each, and the batches beyond the memory of a worker, 384 MiB a stream at most, are
  drawn anew for each of them.

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
from autometa.learners import AbstractLearner, OuterLoop, build_learner
from autometa.search import one_thread
from autometa.search._data import kept_bytes

_SHOTS = (1, 3, 5, 10, 20)
_LEARNERS: tuple[LearnerConfig, ...] = (
    *(ColumnKernelConfig(width=width) for width in (16, 48, 128)),
    MamlConfig(width=64),
)
_CANDIDATES, _QUICKSTART_CANDIDATES = 10, 15
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

    def percent(self, candidates: float, kept_share: float = 1.0) -> float:
        """Returns the share of the episodes in all steps of the candidates of a worker.

        The first candidate draws; the others find the batches of a share of the steps. Pruned
        candidates count as the part of one that they train.
        """
        found = kept_share * (candidates - 1) / candidates
        episodes = found * self.kept + (1 - found) * self.draw
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


def shares(costs: dict[Case, Costs]) -> dict[Case, dict[str, float]]:
    """Returns the shares of the episodes in percent, by what they hold for."""
    steps, fitting = TRAINING.outer_steps, fitting_batches(costs)
    found = {}
    for case, cost in costs.items():
        some = cost.percent(_CANDIDATES, min(1.0, fitting[case.learner] / steps))
        all_kept = cost.percent(_CANDIDATES)
        found[case] = {
            "first": cost.percent(1),
            "ten": all_kept,
            "ten, halving": cost.percent(_HALVED * _CANDIDATES),
            "fifteen, halving": cost.percent(_HALVED * _QUICKSTART_CANDIDATES),
            f"ten of {steps:,} steps": some,
        }
    return found


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
    return [
        "# Episodes beside the training",
        "",
        f"{origin('episodes')} Milliseconds of CPU per outer step; shares of the episodes for the "
        "first candidate of a worker and over ten.",
        "",
        *target_table(targets),
        "",
        *table([*header, *(f"{name}, %" for name in names)], rows),
        "",
        f"In {kept_bytes() >> 20} MiB a worker keeps so many batches of mixed shots: {kept}. The "
        f"last column holds where each candidate trains {TRAINING.outer_steps:,} steps, and the "
        f"other batches are drawn anew. The first {_FIRST_BATCHES} batches of a worker, for which "
        f"real tables are relabelled, took {first:.2f} ms each.",
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
    worst = max(costs, key=lambda case: found[case]["ten"])
    where = f"shot {worst.shot}, {worst.learner}, width {worst.width}"
    name = f"share of the episodes over {_CANDIDATES} candidates, %"
    target = Target(name, _MOST_PERCENT, found[worst]["ten"], where, is_upper=True)
    figures = {
        "cases": [
            {**case._asdict(), **asdict(cost), "percent": found[case]}
            for case, cost in costs.items()
        ],
        "fitting_batches": fitting_batches(costs),
        "first_batches_milliseconds": first,
    }
    return publish("episodes", markdown(costs, [target], first), figures, [target], options)


if __name__ == "__main__":
    sys.exit(main())
