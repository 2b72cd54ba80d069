"""What each part of ``column_kernel`` is worth: smoothing, gate, head, inner loop.

Fixed before the runs:

- Tables: those with role ``train`` in the folder's ``index.csv``, in three divisions by family; a
  learner is trained on two, with 2,000 random tables, and scored on the third. These tables chose
  the learner's parts, so that the figures describe it and claim nothing about other tables.
- 2,000 outer steps at 0.004, two seeds; setting unlabelled, K = 1, 3, 5, 10, 20, up to 5 ways, 10
  episodes per table and K.
- Reported: accuracy and log-loss as means over families, for the default and for learners that
  lack a part of it or have another, as differences from it with a 95 % interval by bootstrap over
  families (not corrected: it is a description); CPU time per outer step.

    OMP_NUM_THREADS=1 python studies/benchmarks/kernel_parts.py --tables DIR
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from benchmark_page import origin, parser_for, publish, table
from fold_training import RATE, trained
from paired_tests import family_means, holm
from table_folds import SHOTS, folds_by_family, tasks_of

from autometa.config import ColumnKernelConfig, FilesSource, SyntheticSource
from autometa.evaluation import score_learner
from autometa.tables import ScaledTable, load_source

_STEPS, _QUICK_STEPS = 2000, 200
_EPISODES = 10
_DIVISIONS = 3
_MOVED: Literal["head+scales"] = "head+scales"
_CONTENDERS = {
    "default": ColumnKernelConfig(),
    "no gate": ColumnKernelConfig(gate=False),
    "head by descent": ColumnKernelConfig(head="descent"),
    "scales adapt": ColumnKernelConfig(adapt=_MOVED),
    "smoothing": ColumnKernelConfig(smoothing=True),
    "smoothing, scales adapt": ColumnKernelConfig(smoothing=True, adapt=_MOVED),
    "no gate, head by descent, scales adapt": ColumnKernelConfig(
        adapt=_MOVED, gate=False, head="descent"
    ),
}


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    return parser_for(__doc__, quick="one division, one seed, 200 steps").parse_args()


def scores(tables: Sequence[ScaledTable], *, is_quick: bool) -> pd.DataFrame:
    """Returns accuracy, log-loss and milliseconds per step by contender, shot, family and table."""
    synthetic, _ = load_source(SyntheticSource(count=2000))
    steps = _QUICK_STEPS if is_quick else _STEPS
    found = []
    divisions = folds_by_family(tables, folds=_DIVISIONS)
    for held_out in divisions[:1] if is_quick else divisions:
        names = {item.name for item in held_out}
        training = [item for item in tables if item.name not in names]
        tasks = tasks_of(held_out, ["unlabelled"], episodes=_EPISODES)
        for seed in range(1 if is_quick else 2):
            for name, config in _CONTENDERS.items():
                started = time.process_time()
                learner = trained(config, training, synthetic, seed=seed, steps=steps)
                spent = 1e3 * (time.process_time() - started) / steps
                frame = score_learner(learner, tasks, method=name).frame
                found.append(frame.assign(seed=seed, milliseconds=spent))
    return pd.concat(found)


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    source = FilesSource(path=str(options.tables.resolve()), roles="index")
    tables, _ = load_source(source, role="train")
    frame = scores(tables, is_quick=options.quick)
    by_family = family_means(frame)
    milliseconds = frame.groupby("method")["milliseconds"].median()
    rows, figures = [], {}
    for name in _CONTENDERS:
        cells, differences = [], []
        for shot in SHOTS:
            own, default = (by_family.loc[method, shot] for method in (name, "default"))
            differences.append(100 * (own["accuracy"] - default["accuracy"]).to_numpy())
            cells.append(_cell(own, differences[-1], is_default=name == "default"))
        overall = np.mean([values_N.mean() for values_N in differences])
        rows.append([name, *cells, f"{overall:+.2f}", f"{milliseconds[name]:.1f}"])
        figures[name] = {
            "accuracy": {
                str(shot): float(by_family.loc[name, shot]["accuracy"].mean()) for shot in SHOTS
            },
            "log_loss": {
                str(shot): float(by_family.loc[name, shot]["log_loss"].mean()) for shot in SHOTS
            },
            "milliseconds": float(milliseconds[name]),
        }
    families = frame["family"].nunique()
    lines = [
        "# What the parts of `column_kernel` are worth",
        "",
        f"{origin('kernel_parts')} {frame['table'].nunique()} tables of {families} families, outer "
        f"rate {RATE:g}. Accuracy in % and log-loss in nats of the default; for the others points "
        "from it with a 95 % interval over families, and log-loss.",
        "",
        *table(["learner", *(f"K={shot}" for shot in SHOTS), "mean, points", "ms per step"], rows),
    ]
    return publish("kernel_parts", lines, {"contenders": figures}, [], options)


def _cell(own: Any, differences_N: Any, *, is_default: bool) -> str:
    accuracy, loss = 100 * own["accuracy"].mean(), own["log_loss"].mean()
    if is_default:
        return f"{accuracy:.1f} / {loss:.3f}"
    [compared] = holm([differences_N])
    interval = f"({compared.plain_low:+.1f} to {compared.plain_high:+.1f})"
    return f"{compared.mean:+.1f} {interval} / {loss:.3f}"


if __name__ == "__main__":
    sys.exit(main())
