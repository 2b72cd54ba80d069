"""Which meta-parameters matter, and what the search gains: read off the studies of the folds.

``few_shot_tables.py`` leaves one study for each of its five folds. Of each:

- the fANOVA importance (Hutter et al., ICML 2014) of every searched meta-parameter for the value at
  the first rung, which all trials reach;
- the value of the default (trial 0) and of the best other trial, in nats below logistic
  regression's log-loss on the validation families, which have chosen it; and the means of both with
  fresh seeds where both were confirmed.

Reported: the mean over the folds, with the lowest and the highest. Nothing is run.

    python studies/benchmarks/fold_importances.py --tables DIR   (in the folder of few_shot_tables)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import optuna
import pandas as pd
from benchmark_page import RESULTS, origin, parser_for, publish, table
from picture import picture_lines, save_picture
from table_folds import FOLDS

from autometa.report import Evidence, gather
from autometa.storages import load_study, open_storage

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def evidence_of_folds(*, is_quick: bool) -> list[Evidence]:
    """Returns what is known of the study of each fold."""
    storage = open_storage(None, create=False)
    folds = range(1 if is_quick else FOLDS)
    return [gather(load_study(storage, f"few-shot-{fold}")) for fold in folds]


def shares_of(found: list[Evidence]) -> pd.DataFrame:
    """Returns the importance of each meta-parameter in %, a row per fold, largest mean first."""
    rows = []
    for evidence in found:
        [shares] = evidence.importances.values()
        rows.append({name: 100 * share for name, share in shares.items()})
    frame = pd.DataFrame(rows).fillna(0.0)
    return frame[frame.mean().sort_values(ascending=False).index]


def gains_of(evidence: Evidence) -> dict[str, float]:
    """Returns the values of the default and of the best other trial, first and confirmed."""
    values = evidence.trials.set_index("trial")["value"].dropna()
    best = max(
        (number for number in values.index if number != 0), key=lambda number: values[number]
    )
    confirmed = {number: float(np.mean(v)) for number, v in evidence.confirmed_values().items()}
    rivals = {number: value for number, value in confirmed.items() if number != 0}
    return {
        "default": float(values[0]),
        "best trial": float(values[best]),
        "default, fresh seeds": confirmed.get(0, float("nan")),
        "best other, fresh seeds": max(rivals.values(), default=float("nan")),
        "trials": float(evidence.progress.done),
    }


def draw(figure: Figure, shares: pd.DataFrame) -> None:
    """Draws the mean importances as bars, and the folds as dots."""
    axes = figure.subplots()
    order = list(shares.columns)[::-1]
    axes.barh(order, shares[order].mean(), color="#9ecae1")
    for place, name in enumerate(order):
        axes.plot(shares[name], [place] * len(shares), "k.", markersize=4)
    axes.set_xlabel("share of the variance at the first rung (%); dots: folds")


def main() -> int:
    """Reads the studies; returns the exit code."""
    options = parser_for(__doc__, quick="the first fold alone, no page").parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = evidence_of_folds(is_quick=options.quick)
    shares = shares_of(found)
    gains = [gains_of(evidence) for evidence in found]
    rows = [
        [str(name), f"{values.mean():.0f} %", f"{values.min():.0f} to {values.max():.0f} %"]
        for name, values in shares.items()
    ]
    gain_rows = [
        [str(fold), *("-" if np.isnan(value) else f"{value:.4g}" for value in gain.values())]
        for fold, gain in enumerate(gains)
    ]
    lines = [
        "# Which meta-parameters matter",
        "",
        f"{origin('fold_importances')} {len(found)} studies of `column_kernel`.",
        "",
        *table(["meta-parameter", "importance", "lowest and highest fold"], rows),
        "",
        "Values in nats, higher is better:",
        "",
        *table(["fold", *gains[0]], gain_rows),
    ]
    if not options.quick:
        problem = save_picture(
            RESULTS / "fold_importances.png", (7.0, 3.6), lambda figure: draw(figure, shares)
        )
        lines += picture_lines("fold_importances", "Importance of each meta-parameter", problem)
    figures = {"importances": shares.mean().to_dict(), "gains": gains}
    return publish("fold_importances", lines, figures, [], options)


if __name__ == "__main__":
    sys.exit(main())
