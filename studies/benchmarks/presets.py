"""The learners of the literature and the package's own one, each with the same compute.

Fixed before the runs:

- Every table of a folder is tested once: three divisions by family (``table_folds.py``); a learner
  is trained on tables of the other two and on 2,000 random ones.
- Each learner with its default meta-parameters, 60 seconds of CPU of meta-training (5 with
  ``--quick``), seed 0: as many outer steps as fit. Outer rate 0.004, and 0.002 for ``in_context``,
  whose paper trains at lower rates than MAML's. Nothing is tuned; what tuning gives is told by
  ``search_pays.py`` and ``inner_loop.py``.
- Unlabelled, K = 1, 5, 20, up to 5 ways, 10 episodes per table and K.
- Reported: accuracy and log-loss (means over families), the difference from ``column_kernel`` with
  a 95 % interval by bootstrap over families, and outer steps. A learner that diverges is named and
  not scored.

    OMP_NUM_THREADS=1 python studies/benchmarks/presets.py --tables DIR
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from benchmark_page import origin, parser_for, publish, table
from fold_training import RATE, trained_for
from paired_tests import family_means, holm
from table_folds import all_tables, folds_by_family, tasks_of

from autometa.config import LEARNERS, SyntheticSource, learner_config_class
from autometa.evaluation import score_learner
from autometa.learners import DivergedError
from autometa.tables import load_source

_SECONDS, _QUICK_SECONDS = 60.0, 5.0
_SHOTS = (1, 5, 20)
_EPISODES = 10
_DIVISIONS = 3
_OWN = "column_kernel"
_RATES = {"in_context": 0.002}


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    return parser_for(__doc__, quick="one division, 5 seconds each").parse_args()


def scores(options: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, list[int]], list[str]]:
    """Returns scores by learner, the outer steps of each, and the learners that diverged."""
    tables = all_tables(options.tables)
    synthetic, _ = load_source(SyntheticSource(count=2000))
    seconds = _QUICK_SECONDS if options.quick else _SECONDS
    divisions = folds_by_family(tables, folds=_DIVISIONS)
    found, steps, diverged = [], defaultdict(list), []
    for tested in divisions[:1] if options.quick else divisions:
        names = {item.name for item in tested}
        training = [item for item in tables if item.name not in names]
        tasks = tasks_of(tested, ["unlabelled"], shots=_SHOTS, episodes=_EPISODES)
        for name in LEARNERS:
            config: Any = learner_config_class(name)()
            rate = _RATES.get(name, RATE)
            try:
                learner, number = trained_for(
                    seconds, config, training, synthetic, seed=0, outer_lr=rate
                )
            except DivergedError:
                diverged.append(name)
                continue
            steps[name].append(number)
            found.append(score_learner(learner, tasks, method=name).frame)
            print(f"{name}: {number} outer steps", file=sys.stderr, flush=True)
    return pd.concat(found), dict(steps), diverged


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    frame, steps, diverged = scores(options)
    means = family_means(frame)
    rows: list[list[str]] = []
    figures: dict[str, Any] = {}
    order = sorted(steps, key=lambda name: -means.loc[name]["accuracy"].mean())
    for name in order:
        cells = []
        for shot in _SHOTS:
            accuracy, loss = (means.loc[name, shot][column] for column in ("accuracy", "log_loss"))
            text = f"{100 * accuracy.mean():.1f} / {loss.mean():.3f}"
            if name != _OWN:
                gain = (100 * (accuracy - means.loc[_OWN, shot]["accuracy"])).dropna()
                [compared] = holm([gain.to_numpy()])
                text += (
                    f", {compared.mean:+.1f} ({compared.plain_low:+.1f} to "
                    f"{compared.plain_high:+.1f})"
                )
            cells.append(text)
            figures[f"{name} K={shot}"] = {"accuracy": accuracy.mean(), "log_loss": loss.mean()}
        rows.append([f"`{name}`", *cells, f"{np.mean(steps[name]):,.0f}"])
    lines = [
        "# The learners at equal compute, untuned",
        "",
        f"{origin('presets')} {frame['table'].nunique()} tables of {frame['family'].nunique()} "
        f"families. Accuracy in % / log-loss in nats, then points from `{_OWN}` with a 95 % "
        "interval over families.",
        "",
        *table(["learner", *(f"K={shot}" for shot in _SHOTS), "outer steps"], rows),
    ]
    if diverged:
        lines += ["", f"Diverged: {', '.join(diverged)}."]
    return publish("presets", lines, {"learners": figures, "steps": steps}, [], options)


if __name__ == "__main__":
    sys.exit(main())
