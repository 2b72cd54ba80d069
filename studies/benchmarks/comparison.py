"""Figures that benchmarks report of a score sheet: the learner against LR, LDA and the best."""

from __future__ import annotations

from typing import Any

from autometa.evaluation import ScoreSheet
from autometa.search import LEARNER_METHOD

TARGETS = ("logistic_regression", "lda")
"""The baselines that a winner is to be above at each K."""


def figures(sheet: ScoreSheet) -> dict[str, Any]:
    """Returns log-loss gain, and accuracy with advantages and counts of tables at each K."""
    rows = []
    for shot in sorted(set(sheet.frame["shot"])):
        best = sheet.best_baseline(shot=shot, exclude=(LEARNER_METHOD,))
        row: dict[str, Any] = {
            "shot": int(shot),
            "accuracy": sheet.mean("accuracy", LEARNER_METHOD, shot=shot),
            "best_baseline": best,
        }
        for over in dict.fromkeys((*TARGETS, best)):
            advantage = sheet.advantage(LEARNER_METHOD, over, shot=shot)
            outcome = sheet.wins_losses(LEARNER_METHOD, over, shot=shot)
            row[over] = {
                "accuracy": sheet.mean("accuracy", over, shot=shot),
                "advantage": advantage.mean,
                "low": advantage.low,
                "high": advantage.high,
                "unit": advantage.unit,
                "wins": outcome.wins,
                "losses": outcome.losses,
            }
        rows.append(row)
    return {"gain_nats": sheet.value(LEARNER_METHOD), "shots": rows}


def comparison_lines(found: dict[str, Any]) -> list[str]:
    """Returns the Markdown table of figures."""
    lines = [
        "| K | accuracy | against | its accuracy | advantage in points (95 % CI) | wins / losses |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["shots"]:
        for over in dict.fromkeys((*TARGETS, row["best_baseline"])):
            cell = row[over]
            name = f"{over} (best)" if over == row["best_baseline"] else over
            lines.append(
                f"| {row['shot']} | {100 * row['accuracy']:.1f} | {name} | "
                f"{100 * cell['accuracy']:.1f} | {100 * cell['advantage']:+.1f} "
                f"({100 * cell['low']:+.1f} to {100 * cell['high']:+.1f}) | "
                f"{cell['wins']} / {cell['losses']} |"
            )
    return lines


def verdict(found: dict[str, Any]) -> tuple[str, list[str]]:
    """Returns the advantages over the targets in a line, and where the learner is not above."""
    missed = [
        f"{over} at K={row['shot']}"
        for row in found["shots"]
        for over in TARGETS
        if row[over]["advantage"] <= 0
    ]
    line = "; ".join(
        f"K={row['shot']}: "
        + ", ".join(f"{100 * row[over]['advantage']:+.2f} over {over}" for over in TARGETS)
        for row in found["shots"]
    )
    return line + (f"; NOT above {', '.join(missed)}" if missed else ""), missed
