"""A score sheet as a table for people: methods by shots, per setting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from autometa.errors import UserError
from autometa.evaluation._metrics import LOWER_IS_BETTER

if TYPE_CHECKING:
    from autometa.evaluation._score_sheet import ScoreSheet

_PERCENT = frozenset({"accuracy", "balanced_accuracy", "auroc", "confidence"})


def summary(
    sheet: ScoreSheet,
    *,
    metric: str = "accuracy",
    reference: str = "logistic_regression",
    seed: int = 0,
) -> pd.DataFrame:
    """Returns one row per setting, shot and method.

    Columns: ``setting``, ``shot``, ``method``, ``mean`` of the metric, ``advantage`` over the
    reference with its 95 % interval ``low``, ``high``, the resampled ``unit`` and their number
    ``n``, ``wins``, ``losses``, ``ties`` over tables, number of ``families``, ``tables`` and
    ``episodes``, ``diverged`` episodes. The reference's own row, and every row where it has no
    score, holds NaN from ``advantage`` to ``ties``.

    Args:
        sheet: scores of one role.
        metric: the metric.
        reference: the method that the others are compared with.
        seed: seed of the bootstrap.

    Raises:
        UserError: the metric is unknown, or the sheet mixes roles.
    """
    roles = sorted(set(sheet.frame["role"]))
    if len(roles) > 1:
        raise UserError(
            f"A summary must be about one role; got {', '.join(roles)}: select(role=...) first."
        )
    rows = []
    for setting, shot in sheet.cells():
        cell = sheet.select(setting=setting, shot=shot)
        for method in cell.methods():
            own = cell.select(methods=[method]).frame
            row: dict[str, Any] = {
                "setting": setting,
                "shot": shot,
                "method": method,
                "mean": cell.mean(metric, method),
            }
            if method != reference and reference in cell.methods():
                found = cell.advantage(method, reference, metric=metric, seed=seed)
                row |= {
                    "advantage": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "unit": found.unit,
                    "n": found.n,
                }
                row |= cell.wins_losses(method, reference, metric=metric)._asdict()
            row |= {
                "families": own["family"].nunique(),
                "tables": own["table"].nunique(),
                "episodes": len(own),
                "diverged": int(own["diverged"].sum()),
            }
            rows.append(row)
    columns = ["setting", "shot", "method", "mean", "advantage", "low", "high", "unit", "n"]
    columns += ["wins", "losses", "ties", "families", "tables", "episodes", "diverged"]
    return pd.DataFrame(rows, columns=columns)


def to_markdown(
    sheet: ScoreSheet,
    *,
    metric: str = "accuracy",
    reference: str = "logistic_regression",
    seed: int = 0,
) -> str:
    """Returns Markdown with one table per setting, methods by shots.

    A cell holds the mean and, in brackets, the advantage over the reference with its 95 %
    interval. What was resampled, and how many families, tables and episodes there are, is stated.

    Raises:
        UserError: the metric is unknown, or the sheet mixes roles.
    """
    rows = summary(sheet, metric=metric, reference=reference, seed=seed)
    parts = []
    for setting in dict.fromkeys(rows["setting"]):
        parts.append(_setting_table(rows[rows["setting"] == setting], metric, reference))
    return "\n\n".join(parts) + "\n"


def _setting_table(rows: pd.DataFrame, metric: str, reference: str) -> str:
    is_percent = metric in _PERCENT
    scale, digits = (100, 1) if is_percent else (1, 3)
    shots = sorted(set(rows["shot"]))
    lines = [
        f"| method | {' | '.join(f'K={shot}' for shot in shots)} | diverged |",
        f"|---|{'---|' * (len(shots) + 1)}",
    ]
    for method in dict.fromkeys(rows["method"]):
        own = rows[rows["method"] == method].set_index("shot")
        cells = [_cell(own.loc[shot], scale, digits) if shot in own.index else "" for shot in shots]
        lines.append(f"| {method} | {' | '.join(cells)} | {int(own['diverged'].sum())} |")
    counts = rows.groupby("shot")[["families", "tables", "episodes"]].max()
    sizes = [" / ".join(str(int(n)) for n in counts.loc[shot]) for shot in shots]
    lines.append(f"| families / tables / episodes | {' | '.join(sizes)} | |")
    return f"{_caption(rows, metric, reference, is_percent)}\n\n" + "\n".join(lines)


def _cell(row: pd.Series[Any], scale: int, digits: int) -> str:
    text = f"{row['mean'] * scale:.{digits}f}"
    if not pd.isna(row["advantage"]):
        signed = f"+.{digits}f"
        text += f" ({format(row['advantage'] * scale, signed)}"
        if math.isfinite(row["low"]):
            low, high = (format(row[end] * scale, signed) for end in ("low", "high"))
            text += f", {low} to {high}"
        text += ")"
    return text


def _caption(rows: pd.DataFrame, metric: str, reference: str, is_percent: bool) -> str:
    name = metric.replace("_", " ") + (" in %" if is_percent else "")
    caption = f"Setting **{rows['setting'].iloc[0]}**: {name}, mean over families."
    units: dict[str, set[int]] = {}
    for unit, shot in zip(rows["unit"], rows["shot"], strict=True):
        if isinstance(unit, str):
            units.setdefault(unit, set()).add(int(shot))
    if not units:
        return caption
    if len(units) == 1:
        resampled = next(iter(units))
    else:
        resampled = "; ".join(
            f"{unit} at K={', '.join(map(str, sorted(shots)))}" for unit, shots in units.items()
        )
    better = ", above 0 is better" if metric in LOWER_IS_BETTER else ""
    warning = (
        " (fewer than 8 families: the interval does not speak about new tables)"
        if "episodes" in units
        else ""
    )
    return (
        f"{caption} In brackets: advantage over {reference}{better}, with its 95 % interval by "
        f"bootstrap over {resampled}{warning}."
    )
