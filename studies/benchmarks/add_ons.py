"""Does it help to add pseudo-labels, classical experts, or further seeds to the learner?

Fixed before the runs:

- Folds by family over every table of a folder (``table_folds.py``): each table is tested once, by
  learners that have seen neither it nor its family. 2,000 random tables are added to training.
- ``alone``: the package's default learner, 6,000 outer steps, seed 0. ``pseudo-labels``,
  ``experts`` and both: as ``add_on_probabilities.py`` says, on that learner. ``four seeds``: the
  mean of the probabilities of seeds 0 to 3, at four times the training; ``longer``: seed 0 with
  four times the outer steps.
- Unlabelled, K = 1, 3, 5, 10, 20, up to 5 ways; of the 30 episodes per table and K of the benchmark
  of accuracy the first 10.
- Reported: accuracy and log-loss (means over families), and the difference from ``alone`` with a
  95 % interval by bootstrap over families, at each K and over all. What is below half a point over
  all K does not come into the package.
- Folds that are done are kept in ``--work DIR``, so that a run can be gone on with.

    OMP_NUM_THREADS=1 python studies/benchmarks/add_ons.py --tables DIR
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from add_on_probabilities import learner_probabilities, with_experts, with_pseudo_labels
from benchmark_page import origin, parser_for, publish, table
from fold_training import STEPS, default_config, trained
from paired_tests import family_means, holm
from table_folds import SHOTS, all_tables, folds_by_family, tasks_of

from autometa.config import SyntheticSource
from autometa.evaluation import EvaluationTask, score_probabilities
from autometa.evaluation._tasks import sheet_row
from autometa.learners import AbstractLearner
from autometa.tables import ScaledTable, load_source
from autometa.typing import FloatArray

_ALONE = "alone"
_EPISODES = 10
_SEEDS = (0, 1, 2, 3)
_LONGER = 4


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = parser_for(__doc__, quick="one fold, 2 episodes, 200 steps")
    parser.add_argument("--work", type=Path, help="folder of finished folds")
    return parser.parse_args()


def scores(options: argparse.Namespace) -> pd.DataFrame:
    """Returns accuracy and log-loss of every variant on every episode."""
    tables = all_tables(options.tables)
    synthetic, _ = load_source(SyntheticSource(count=2000))
    folds = folds_by_family(tables)
    found = []
    for number, tested in enumerate(folds[:1] if options.quick else folds):
        file = options.work and options.work / f"fold-{number}.parquet"
        if file is not None and file.exists():
            found.append(pd.read_parquet(file))
            continue
        names = {item.name for item in tested}
        training = [item for item in tables if item.name not in names]
        found.append(of_fold(training, tested, synthetic, is_quick=options.quick))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            found[-1].to_parquet(file.with_suffix(".part"))
            file.with_suffix(".part").replace(file)
        print(f"fold {number} done", file=sys.stderr, flush=True)
    return pd.concat(found, ignore_index=True)


def of_fold(
    training: Sequence[ScaledTable],
    tested: Sequence[ScaledTable],
    synthetic: Sequence[ScaledTable],
    *,
    is_quick: bool,
) -> pd.DataFrame:
    """Returns the scores on the tables of one fold."""
    steps = 200 if is_quick else STEPS
    seeds = [
        trained(default_config(), training, synthetic, seed=seed, steps=steps) for seed in _SEEDS
    ]
    longer = trained(default_config(), training, synthetic, steps=_LONGER * steps)
    return pd.DataFrame(
        sheet_row(task, episode, name, score_probabilities(probabilities_QW, labels_Q))
        for task in tasks_of(tested, ["unlabelled"], episodes=2 if is_quick else _EPISODES)
        for name, found in variants(seeds, longer, task).items()
        for episode, probabilities_QW in enumerate(found)
        for labels_Q in [task.episodes[episode].query_labels_Q]
    )


def variants(
    seeds: Sequence[AbstractLearner], longer: AbstractLearner, task: EvaluationTask
) -> Mapping[str, list[FloatArray]]:
    """Returns the probabilities of each variant on a task's episodes."""
    by_seed = [learner_probabilities(learner, task, task.episodes) for learner in seeds]
    alone = by_seed[0]
    pseudo = with_pseudo_labels(seeds[0], task)
    return {
        _ALONE: alone,
        "pseudo-labels": pseudo,
        "experts": with_experts(seeds[0], task, alone),
        "pseudo-labels and experts": with_experts(seeds[0], task, pseudo),
        "four seeds": [np.mean(members, 0) for members in zip(*by_seed, strict=True)],
        "longer": learner_probabilities(longer, task, task.episodes),
    }


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    frame = scores(options)
    means = family_means(frame)
    rows: list[list[str]] = []
    figures: dict[str, Any] = {}
    for name in frame["method"].unique():
        cells = []
        for shot in SHOTS:
            values = 100 * means.loc[name, shot]["accuracy"]
            loss = means.loc[name, shot]["log_loss"].mean()
            if name == _ALONE:
                cells.append(f"{values.mean():.1f} / {loss:.3f}")
            else:
                cells.append(_difference(values - 100 * means.loc[_ALONE, shot]["accuracy"], loss))
            figures[f"{name} K={shot}"] = {"accuracy": values.mean(), "log_loss": loss}
        overall = means.groupby(["method", "family"]).mean()
        gain = 100 * (overall.loc[name]["accuracy"] - overall.loc[_ALONE]["accuracy"])
        cells.append("" if name == _ALONE else _difference(gain, overall.loc[name].log_loss.mean()))
        rows.append([name, *cells])
    lines = [
        "# What may be added to the learner",
        "",
        f"{origin('add_ons')} {frame['table'].nunique()} tables of {frame['family'].nunique()} "
        "families. Accuracy in % / log-loss in nats of the learner alone; for the others points "
        "from it with a 95 % interval over families / log-loss.",
        "",
        *table(["", *(f"K={shot}" for shot in SHOTS), "all"], rows),
    ]
    return publish("add_ons", lines, {"variants": figures}, [], options)


def _difference(values: pd.Series, loss: float) -> str:
    [compared] = holm([values.to_numpy()])
    interval = f"{compared.plain_low:+.2f} to {compared.plain_high:+.2f}"
    return f"{compared.mean:+.2f} ({interval}) / {loss:.3f}"


if __name__ == "__main__":
    sys.exit(main())
