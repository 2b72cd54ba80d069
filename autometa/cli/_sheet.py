"""A score sheet in words: accuracy by method and shot, and what the learner is worth against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autometa.cli._printing import aligned
from autometa.cli._progress import nats, points

if TYPE_CHECKING:
    from autometa.evaluation import ScoreSheet
    from autometa.typing import Setting

LEARNER = "autometa"
"""Name of the learner in score sheets."""

REFERENCE = "logistic_regression"
"""The baseline that log-loss is measured against, in the search and here."""


def setting_lines(
    sheet: ScoreSheet, setting: Setting, *, learner: str, drawn: str = ""
) -> list[str]:
    """Returns the lines about one setting of a sheet.

    Args:
        sheet: scores of the learner and the baselines on the tables of one role.
        setting: which of its settings.
        learner: name of the learner in the sheet.
        drawn: how the episodes were drawn (``export.drawing``).
    """
    part = sheet.select(setting=setting)
    shots = [shot for _, shot in part.cells()]
    frame = part.frame
    families = frame["family"].nunique()
    lines = [
        f"Accuracy in %, setting {setting}{drawn}: mean over "
        f"{_count(families, 'family', 'families')} ({_count(frame['table'].nunique(), 'table')}, "
        f"{_count(_episodes(part), 'episode')})",
        *aligned(
            ["method", *(f"K={shot}" for shot in shots)], _accuracy_rows(part, shots, learner)
        ),
        "",
    ]
    lines += [_advantage_line(part, shot, learner) for shot in shots]
    lines.append(_log_loss_line(part, learner))
    diverged = int(frame.loc[frame["method"] == learner, "diverged"].sum())
    if diverged:
        lines.append(f"{_count(diverged, 'episode')} diverged and scored as chance.")
    return lines


def sheet_json(sheet: ScoreSheet, *, learner: str) -> list[dict[str, Any]]:
    """Returns one mapping for each setting and shot: means of every method and the advantage."""
    cells = []
    for setting, shot in sheet.cells():
        part = sheet.select(setting=setting, shot=shot)
        best = part.best_baseline(exclude=(learner,))
        accuracy = part.advantage(learner, best)
        methods = {
            method: {
                metric: part.mean(metric, method)
                for metric in ("accuracy", "balanced_accuracy", "auroc", "log_loss", "brier")
            }
            for method in part.methods()
        }
        cells.append(
            {
                "setting": setting,
                "shot": shot,
                "tables": part.frame["table"].nunique(),
                "families": part.frame["family"].nunique(),
                "episodes": _episodes(part),
                "methods": methods,
                "best_baseline": best,
                "advantage": {
                    "accuracy": accuracy.mean,
                    "low": accuracy.low,
                    "high": accuracy.high,
                    "unit": accuracy.unit,
                    "n": accuracy.n,
                },
                "nats_below_logistic_regression": part.value(learner, over=REFERENCE),
            }
        )
    return cells


def _accuracy_rows(part: ScoreSheet, shots: Sequence[int], learner: str) -> list[list[str]]:
    others = [method for method in part.methods() if method != learner]
    others.sort(key=lambda method: -part.mean("accuracy", method))
    cells = {method: part.select(methods=[method]).cells() for method in (learner, *others)}
    rows = []
    for method, present in cells.items():
        having = {shot for _, shot in present}
        rows.append(
            [method]
            + [
                f"{100 * part.mean('accuracy', method, shot=shot):.1f}" if shot in having else "-"
                for shot in shots
            ]
        )
    families = [part.select(shot=shot).frame["family"].nunique() for shot in shots]
    if len(set(families)) > 1:
        rows.append(["(families)", *(str(count) for count in families)])
    return rows


def _advantage_line(part: ScoreSheet, shot: int, learner: str) -> str:
    best = part.best_baseline(shot=shot, exclude=(learner,))
    difference = part.advantage(learner, best, shot=shot)
    return (
        f"K={shot}: best baseline {best}; {learner} "
        f"{points(difference.mean, difference.low, difference.high)}, "
        f"over {difference.n} {difference.unit}"
    )


def _log_loss_line(part: ScoreSheet, learner: str) -> str:
    difference = part.advantage(learner, REFERENCE, metric="log_loss")
    text = nats(difference.mean)
    if math.isnan(difference.low):
        return text
    return (
        f"{text} (95 % CI of the gain {difference.low:+.3f} to {difference.high:+.3f}, over "
        f"{difference.n} {difference.unit})"
    )


def _episodes(part: ScoreSheet) -> int:
    return len(part.frame.drop_duplicates(["table", "setting", "shot", "seed", "episode"]))


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
