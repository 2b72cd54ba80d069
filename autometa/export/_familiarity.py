"""What tables a learner was meta-trained on, and whether another one is far from them.

Far from what it saw a meta-trained learner still answers, and nothing tells how well. The figures
are of the encoded table: numbers of columns and classes, and means over the columns of what the
column network reads (``tables/_scaling.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from autometa.tables import ScaledTable
from autometa.typing import BoolArray, FloatArray

_NAMES: Final = {
    "columns": "encoded columns",
    "classes": "classes",
    "indicators": "share of yes/no columns",
    "missing": "share of missing cells",
    "skewness": "skewness of the columns, of 1",
    "kurtosis": "weight of the columns' tails",
    "correlation": "mean correlation of the columns",
}
_STATISTICS: Final = {"indicators": 0, "missing": 3, "skewness": 8, "kurtosis": 5, "correlation": 6}
_COUNTS: Final = ("columns", "classes")
_FACTOR: Final = 2.0
"""Beyond what was seen by more than this factor, a number of columns or classes is far outside."""
_MARGIN: Final = 0.5
"""Likewise for the other figures, in widths of the range that was seen."""
_LEAST_WIDTH: Final = 0.1

Seen = dict[str, list[float]]
"""Figure -> the smallest and the largest value that was seen."""


def seen_figures(tables: Iterable[ScaledTable]) -> Seen:
    """Returns the range of each figure over tables; nothing where there is no table.

    >>> from autometa.config import SklearnSource
    >>> from autometa.tables import load_source
    >>> tables, _ = load_source(SklearnSource(names=["iris", "breast_cancer"]))
    >>> seen = seen_figures(tables)
    >>> seen["columns"], seen["classes"]
    ([4.0, 30.0], [2.0, 3.0])
    """
    found = [
        _figures(table.stats_FJ, table.usable_F, classes=len(np.unique(table.y_R)))
        for table in tables
    ]
    if not found:
        return {}
    return {
        name: [min(one[name] for one in found), max(one[name] for one in found)] for name in _NAMES
    }


def far_figures(
    seen: Mapping[str, Any], stats_FJ: FloatArray, usable_F: BoolArray, *, classes: int
) -> list[str]:
    """Returns what of a table lies far outside the ranges that were seen, each in a few words.

    Args:
        seen: what ``seen_figures`` returned; figures that it does not have are not compared.
        stats_FJ: statistics of the table's columns.
        usable_F: False where a column is constant.
        classes: number of its classes.
    """
    far = []
    for name, value in _figures(stats_FJ, usable_F, classes=classes).items():
        if name not in seen:
            continue
        low, high = (float(end) for end in seen[name])
        if name in _COUNTS:
            is_far = value > _FACTOR * high
        else:
            margin = _MARGIN * max(_LEAST_WIDTH, high - low)
            is_far = not low - margin <= value <= high + margin
        if is_far:
            far.append(f"{_NAMES[name]}: {value:.3g}, where {low:.3g} to {high:.3g} were seen")
    return far


def _figures(stats_FJ: FloatArray, usable_F: BoolArray, *, classes: int) -> dict[str, float]:
    columns = int(usable_F.sum())
    means_J = stats_FJ[usable_F].mean(0, dtype=np.float64) if columns else stats_FJ.sum(0)
    figures = {"columns": float(columns), "classes": float(classes)}
    figures |= {name: round(float(means_J[place]), 4) for name, place in _STATISTICS.items()}
    return figures
