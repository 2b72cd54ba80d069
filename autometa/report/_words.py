"""Values in words, as a report shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from autometa.config import Choices, Dimension

ROLE_NOTES: Final[Mapping[str, str]] = {
    "test": "Scores of the exported weights on the test tables, which chose nothing.",
    "confirm": "There are no test tables. These are scores on the confirm tables, which chose the "
    "winner; expect less on new tables.",
    "validation": "There are neither test nor confirm tables. These are scores on fresh episodes "
    "of the validation tables, which the search has seen; expect less on new tables.",
}
"""What the scores of an export are worth, by the role of the tables that they are of."""


def shown(value: Any, form: str = "{:.4g}") -> str:
    """Returns a value as a table shows it; numbers that are missing are a dash."""
    if is_gap(value):
        return "-"
    if isinstance(value, float) or (isinstance(value, int) and form != "{:.4g}"):
        return form.format(value)
    return str(value)


def is_gap(value: Any) -> bool:
    """Returns whether a cell of a leaderboard is empty."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def interval(mean: float, low: float, high: float) -> str:
    """Returns points with their interval."""
    return f"{mean:+.1f}, {low:+.1f} to {high:+.1f}"


def counted(number: int, one: str, many: str) -> str:
    """Returns a number with its noun.

    >>> counted(1, "trial", "trials"), counted(3, "trial", "trials")
    ('1 trial', '3 trials')
    """
    return f"{number} {one if number == 1 else many}"


def listed(values: Iterable[Any]) -> str:
    """Returns values with commas between them."""
    return ", ".join(map(str, values))


def pairs(values: Mapping[str, Any]) -> str:
    """Returns names with their values."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def dimension(item: Dimension) -> str:
    """Returns what of a meta-parameter is searched."""
    if isinstance(item, Choices):
        return f"in {listed(item.choices)}"
    return f"from {item.low:g} to {item.high:g}{' (logarithmic)' if item.log else ''}"
