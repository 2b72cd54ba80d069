"""A table of what meta-parameters are worth: 64 configurations on twelve groups of families.

Fixed before the runs:

- The families of a folder are dealt to twelve groups (``table_folds.py``), and those of a group to
  two halves: one trains, together with 2,000 random tables, the other one is scored. Two groups
  share no table.
- Configurations: the package's default and 64 points of a scrambled Sobol sequence over the
  meta-parameters that ``fold_training.py`` searches of ``column_kernel``. Those that have no effect
  beside others are in the table with the value that was drawn.
- Each is meta-trained for 500 outer steps at rate 0.004, with seeds 0 and 1 of weights and batches,
  and scored after 100 and after 500: unlabelled, K = 1, 5, 20, up to 5 ways, 10 episodes per table
  and K, the same for all. Log-loss and accuracy are means over tables, families and K. A learner
  that diverges has none, and ranks last.
- Rows of ``results/benchmarks/surface.parquet``: group, seed, configuration, its parameters, rung,
  log_loss, accuracy, CPU seconds of training up to the rung.
- Reported: rank correlations of the log-loss between groups, between seeds of a group, and between
  rungs; regret of choices that another group's results lead to (``surface_page.py``).
- Groups that are done are kept in ``--work DIR``, so that a run can be gone on with; ``--groups``
  runs a part of them.

    OMP_NUM_THREADS=1 python studies/benchmarks/surface.py --tables DIR
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from benchmark_page import RESULTS, parser_for, publish
from fold_training import RATE, SEARCHED, default_config
from scipy.stats import qmc
from surface_page import page
from table_folds import all_tables, folds_by_family, tasks_of
from training_streams import TRAINING, stream

from autometa.config import LearnerConfig, SyntheticSource, learner_config_class
from autometa.episodes import TrainingEpisodes
from autometa.evaluation import EvaluationBatches, score_learner
from autometa.learners import DivergedError, OuterLoop, build_learner
from autometa.tables import ScaledTable, load_source

_LEARNER = "column_kernel"
_SPACE = SEARCHED[_LEARNER]
_CONFIGURATIONS = 64
_GROUPS = 12
_SEEDS = (0, 1)
_RUNGS = (100, 500)
_SHOTS = (1, 5, 20)
_EPISODES = 10
_KEPT_BYTES = 2**29


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = parser_for(__doc__, quick="two groups, 8 configurations, one seed, rungs 20 and 100")
    parser.add_argument("--work", type=Path, help="folder of finished groups")
    parser.add_argument("--groups", type=int, nargs="+", choices=range(_GROUPS))
    return parser.parse_args()


def configurations(count: int) -> list[LearnerConfig]:
    """Returns the default and so many points of the searched space, always the same."""
    points = qmc.Sobol(len(_SPACE), seed=0).random_base2(math.ceil(math.log2(count)))[:count]
    make = learner_config_class(_LEARNER)
    drawn = [
        make(**{name: _at(_SPACE[name], share) for name, share in zip(_SPACE, point, strict=True)})
        for point in points.tolist()
    ]
    return [default_config(), *drawn]


def _at(dimension: Mapping[str, Any], share: float) -> Any:
    """Returns the value of a dimension that has so large a share of it below."""
    if "choices" in dimension:
        return dimension["choices"][int(share * len(dimension["choices"]))]
    low, high = dimension["low"], dimension["high"]
    if isinstance(low, int):
        return low + int(share * (high + 1 - low))
    return float(low * (high / low) ** share)


def scored(
    config: LearnerConfig,
    episodes: TrainingEpisodes,
    held_out: EvaluationBatches,
    *,
    seed: int,
    rungs: Sequence[int],
) -> list[dict[str, Any]]:
    """Returns log-loss, accuracy and seconds of a configuration at every rung."""
    loop = OuterLoop(
        build_learner(config, seed=seed), episodes.batch, outer_steps=rungs[-1], outer_lr=RATE
    )
    seconds = 0.0
    found = []
    for rung in rungs:
        started = time.process_time()
        try:
            loop.run_until(rung)
        except DivergedError:
            values = {"log_loss": math.nan, "accuracy": math.nan}
            seconds += time.process_time() - started
        else:
            seconds += time.process_time() - started
            frame = score_learner(loop.averaged(), held_out, method=_LEARNER).frame
            by_family = frame.groupby(["shot", "family", "table"])[["log_loss", "accuracy"]].mean()
            values = by_family.groupby(["shot", "family"]).mean().mean().to_dict()
        found.append({"rung": rung, **values, "seconds": round(seconds, 3)})
    return found


def of_group(
    group: Sequence[ScaledTable],
    synthetic: Sequence[ScaledTable],
    *,
    count: int,
    seeds: Sequence[int],
    rungs: Sequence[int],
) -> pd.DataFrame:
    """Returns the rows of one group."""
    training, held_out = folds_by_family(group, folds=2)
    tasks = tasks_of(held_out, ["unlabelled"], shots=_SHOTS, episodes=_EPISODES)
    batches: dict[int | None, EvaluationBatches] = {}
    rows = []
    for seed in seeds:
        streams: dict[int | None, TrainingEpisodes] = {}
        for number, config in enumerate(configurations(count)):
            components = build_learner(config, seed=seed).components
            if components not in streams:
                streams[components] = stream(
                    training,
                    synthetic,
                    seed=seed,
                    components=components,
                    reuse=TRAINING.reuse,
                    kept_bytes=_KEPT_BYTES,
                )
            if components not in batches:
                batches[components] = EvaluationBatches(
                    tasks, components=components, kept_bytes=_KEPT_BYTES
                )
            params = {name: getattr(config, name) for name in _SPACE}
            for row in scored(
                config, streams[components], batches[components], seed=seed, rungs=rungs
            ):
                rows.append({"seed": seed, "configuration": number, **params, **row})
    return pd.DataFrame(rows)


def surface(options: argparse.Namespace, groups: Sequence[int]) -> pd.DataFrame:
    """Returns the rows of all groups, those of the work folder first."""
    dealt = folds_by_family(all_tables(options.tables), folds=_GROUPS)
    synthetic, _ = load_source(SyntheticSource(count=2000))
    frames = []
    for number in groups:
        file = options.work and options.work / f"group-{number}.parquet"
        if file is not None and file.exists():
            frames.append(pd.read_parquet(file))
            continue
        started = time.perf_counter()
        frame = of_group(
            dealt[number],
            synthetic,
            count=8 if options.quick else _CONFIGURATIONS,
            seeds=_SEEDS[:1] if options.quick else _SEEDS,
            rungs=(20, 100) if options.quick else _RUNGS,
        )
        frame.insert(0, "group", number)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(file.with_suffix(".part"))
            file.with_suffix(".part").replace(file)
        print(f"group {number}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    groups = options.groups or range(2 if options.quick else _GROUPS)
    frame = surface(options, groups)
    if not options.quick and len(groups) < _GROUPS:
        print(f"kept in {options.work}; run again for the page, with all groups")
        return 0
    if not options.quick:
        frame.to_parquet(RESULTS / "surface.parquet", index=False)
    lines, figures = page(frame, list(_SPACE), is_quick=options.quick)
    return publish("surface", lines, figures, [], options)


if __name__ == "__main__":
    sys.exit(main())
