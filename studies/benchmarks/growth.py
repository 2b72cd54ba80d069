"""How accuracy on unseen tables grows with the tables and the steps of meta-training.

Fixed before the runs:

- Every table of a folder is tested once: three divisions by family (``table_folds.py``); a learner
  is trained on tables of the other two and on 2,000 random ones. Of the training families, in a
  random order, the first are taken that give at least 0, 5, 20 and all real tables, so that a
  smaller set is a part of a larger one.
- The package's default learner, seed 0, outer rate 0.004; 250, 1,000, 4,000 and 16,000 outer steps.
- Unlabelled, K = 1, 5, 20, up to 5 ways, 30 episodes per table and K; baselines on the same ones.
- Reported: accuracy (mean over families and K) and log-loss by tables and steps, the difference
  from the largest training with its 95 % interval by bootstrap over families, and the accuracy of
  logistic regression and of the best single baseline beside them. Nothing is chosen.
- Scores of finished trainings are kept in ``--work DIR``, so that a run can be gone on with.

    OMP_NUM_THREADS=1 python studies/benchmarks/growth.py --tables DIR
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from benchmark_page import RESULTS, origin, parser_for, publish, table
from fold_training import RATE, default_config, trained
from paired_tests import holm
from picture import picture_lines, save_picture
from table_folds import EPISODES, all_tables, folds_by_family, tasks_of

from autometa.config import SyntheticSource
from autometa.evaluation import score_baselines, score_learner
from autometa.learners import BASELINES
from autometa.tables import ScaledTable, default_cache_dir, load_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZES = (0, 5, 20, 10_000)
_STEPS = (250, 1000, 4000, 16_000)
_SHOTS = (1, 5, 20)
_DIVISIONS = 3
_LEARNER = "learner"


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = parser_for(__doc__, quick="one division, two sizes, 100 and 400 steps")
    parser.add_argument("--workers", type=int, default=1, help="processes of the baselines")
    parser.add_argument("--work", type=Path, help="folder of finished trainings")
    return parser.parse_args()


def nested(tables: Sequence[ScaledTable], size: int) -> list[ScaledTable]:
    """Returns the tables of the first families, in a random order, that are at least so many."""
    families = sorted({item.family for item in tables})
    np.random.default_rng(0).shuffle(families)
    chosen: list[ScaledTable] = []
    for family in families:
        if len(chosen) >= size:
            break
        chosen += [item for item in tables if item.family == family]
    return chosen


def scores(options: argparse.Namespace) -> pd.DataFrame:
    """Returns accuracy and log-loss by method, size of training, steps, shot, family and table."""
    tables = all_tables(options.tables)
    synthetic, _ = load_source(SyntheticSource(count=2000))
    sizes, steps = ((0, 20), (100, 400)) if options.quick else (_SIZES, _STEPS)
    divisions = folds_by_family(tables, folds=_DIVISIONS)
    found = []
    for division, held_out in enumerate(divisions[:1] if options.quick else divisions):
        names = {item.name for item in held_out}
        others = [item for item in tables if item.name not in names]
        episodes = 4 if options.quick else EPISODES
        tasks = tasks_of(held_out, ["unlabelled"], shots=_SHOTS, episodes=episodes)
        baselines = score_baselines(tasks, default_cache_dir(), workers=options.workers)
        found.append(baselines.frame.assign(size=-1, steps=0))
        for size in sizes:
            training = nested(others, size)
            for number in steps:
                file = options.work and options.work / f"{division}-{size}-{number}.parquet"
                if file is None or not file.exists():
                    learner = trained(default_config(), training, synthetic, steps=number)
                    frame = score_learner(learner, tasks, method=_LEARNER).frame
                    print(f"{len(training)} tables, {number} steps", file=sys.stderr, flush=True)
                    if file is not None:
                        frame.to_parquet(file.with_suffix(".part"))
                        file.with_suffix(".part").replace(file)
                else:
                    frame = pd.read_parquet(file)
                found.append(frame.assign(size=min(size, _SIZES[-1]), steps=number))
    keys = ["method", "size", "steps", "shot", "family", "table"]
    return pd.concat(found).groupby(keys, as_index=False)[["accuracy", "log_loss"]].mean()


def by_family(frame: pd.DataFrame, column: str) -> pd.Series:
    """Returns means over tables and then shots, by method, size, steps and family."""
    keys = ["method", "size", "steps", "family"]
    return frame.groupby([*keys, "shot"])[column].mean().groupby(keys).mean()


def draw(figure: Figure, accuracy: pd.DataFrame, lines: Mapping[str, float]) -> None:
    """Draws accuracy over steps for each number of tables, and over tables for each of steps.

    Args:
        figure: to draw on.
        accuracy: in %, a row per number of tables and a column per number of steps.
        lines: accuracies to mark.
    """
    left, right = figure.subplots(1, 2, sharey=True)
    names = [size_name(size) for size in accuracy.index]
    shades = np.linspace(0.75, 0.0, len(names))
    for name, shade, (_, row) in zip(names, shades, accuracy.iterrows(), strict=True):
        colour = (0.12 + 0.7 * shade, 0.44 + 0.35 * shade, 0.71 - 0.3 * shade)
        left.plot(row.index, row.to_numpy(), "o-", color=colour, label=name)
    left.set_xscale("log")
    left.set_xlabel("outer steps")
    left.set_ylabel("accuracy (%), mean over families and K")
    left.legend(title="real tables in training", fontsize=8, title_fontsize=8)
    for steps in accuracy.columns:
        right.plot(names, accuracy[steps].to_numpy(), "o-", label=f"{steps:,} steps")
    right.set_xlabel("real tables in training")
    right.legend(fontsize=8)
    for name, value in lines.items():
        for axes in (left, right):
            axes.axhline(value, color="0.4", linestyle=":", linewidth=1)
        right.annotate(name, (0, value), va="bottom", fontsize=8)


def reading(accuracy: pd.Series, reference: float) -> str:
    """Returns what the table says.

    Args:
        accuracy: by size, steps and family, between 0 and 1.
        reference: accuracy of logistic regression, in %.
    """
    means = 100 * accuracy.groupby(["size", "steps"]).mean().unstack("steps")
    steps = list(means.columns)
    most, none, few = means.iloc[-1], means.iloc[0], means.iloc[1]
    return (
        f"Random tables alone already give {none.max() - reference:+.1f} points over logistic "
        f"regression, all real ones {most.max() - reference:+.1f}. With all of them "
        f"{steps[-2]:,} steps are {most.iloc[-2] - most.iloc[0]:+.1f} points from {steps[0]:,}, "
        f"and {steps[-1]:,} are {most.iloc[-1] - most.iloc[-2]:+.1f} from these. With {few.name} "
        f"real tables {steps[-1]:,} steps are {few.iloc[-1] - few.iloc[0]:+.1f} from {steps[0]:,}: "
        "a long training learns a short shelf by heart, so that tables, and not steps, are what is "
        "wanting."
    )


def size_name(size: object) -> str:
    """Returns the number of tables, or ``all``."""
    return "all" if size == _SIZES[-1] else str(size)


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    frame = scores(options)
    accuracy, loss = (by_family(frame, column) for column in ("accuracy", "log_loss"))
    sizes = sorted(set(frame["size"]) - {-1})
    steps = sorted(set(frame["steps"]) - {0})
    largest = 100 * accuracy[_LEARNER, sizes[-1], steps[-1]]
    rows: list[list[str]] = []
    figures: dict[str, Any] = {}
    for size in sizes:
        cells = []
        for number in steps:
            values = 100 * accuracy[_LEARNER, size, number]
            text = f"{values.mean():.1f} / {loss[_LEARNER, size, number].mean():.3f}"
            if (size, number) != (sizes[-1], steps[-1]):
                [compared] = holm([(values - largest).to_numpy()])
                text += (
                    f", {compared.mean:+.1f} ({compared.plain_low:+.1f} to "
                    f"{compared.plain_high:+.1f})"
                )
            cells.append(text)
            figures[f"{size_name(size)} tables, {number} steps"] = float(values.mean())
        rows.append([size_name(size), *cells])
    baselines = {name: float(100 * accuracy[name, -1, 0].mean()) for name in BASELINES}
    best = max(baselines, key=lambda name: baselines[name])
    lines = [
        "# How accuracy grows with meta-training",
        "",
        f"{origin('growth')} {frame['table'].nunique()} tables of {frame['family'].nunique()} "
        f"families, outer rate {RATE:g}. Accuracy in % / log-loss in nats, then points from the "
        "largest training with a 95 % interval over families.",
        "",
        *table(["real tables", *(f"{number:,} steps" for number in steps)], rows),
        "",
        f"On the same episodes: logistic regression {baselines['logistic_regression']:.1f}, the "
        f"best single baseline ({best}) {baselines[best]:.1f}.",
    ]
    lines += ["", reading(accuracy[_LEARNER], baselines["logistic_regression"])]
    if not options.quick:
        grid = pd.DataFrame(
            {
                number: {
                    size: figures[f"{size_name(size)} tables, {number} steps"] for size in sizes
                }
                for number in steps
            }
        )
        marked = {"logistic regression": baselines["logistic_regression"], best: baselines[best]}
        problem = save_picture(
            RESULTS / "growth.png", (10.0, 4.2), lambda figure: draw(figure, grid, marked)
        )
        lines += picture_lines("growth", "Accuracy over steps and tables", problem)
    return publish("growth", lines, {"accuracy": figures, "baselines": baselines}, [], options)


if __name__ == "__main__":
    sys.exit(main())
