"""Stage 1: a raw frame becomes numbers, the same way for every row, without looking at labels.

| kind | recognised by | encoded columns |
|---|---|---|
| numeric | a number dtype; texts, 95 % of which show a number (``1,234``, ``12%``) | the number |
| boolean | a bool dtype; objects that are all bool | an indicator of true |
| categorical | category dtype; all other texts | 2 levels: an indicator of the commoner one |
| | | up to 10 levels: an indicator each |
| | | more: indicators of the 10 commonest, log frequency of the level |
| date | a date dtype; texts, 95 % of which are ISO dates | days since 1970, sine and cosine of |
| | | the day of the year, weekday (Monday 0), hour if any cell has one |
| text | more than 10 levels, 3 words and 20 | length, words, share of digits, indicators of up |
| | characters on average, or more | to 16 words that 5 to 95 % of the rows hold, |
| | | those nearest to one half first |

| case, whatever the kind | treatment |
|---|---|
| missing: NaN, None, infinite, blank, | NaN in numeric encoded columns, 0 in indicators; one |
| no number or date where others are | more indicator if 2 to 98 % of the fitted rows are missing |
| constant | dropped, save for that indicator |
| all missing | dropped |
| identifier, from 20 rows on | dropped: texts or levels that never repeat; integers |
| | that are a complete run, in any order |
| level unknown at ``transform`` | indicators 0, log frequency of the rarest level |

There is no limit on the number of columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autometa.errors import UserError
from autometa.tables._cells import read_cells
from autometa.tables._columns import ColumnPlan, plan_column
from autometa.tables._encode_column import encode_column
from autometa.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


@dataclass(frozen=True)
class FrameEncoder:
    """Turns frames with the columns that were fitted into numbers.

    Attributes:
        plans: the columns that are encoded, in order.
        dropped: the columns that are not, and why.
        is_indicator_F: True for encoded columns that hold 0 or 1.
        source_column_F: position of the raw column of each encoded column, int32.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"size": ["S", "M", "L"], "price": [5, 7, 8], "unit": ["EUR"] * 3})
    >>> encoder = FrameEncoder.fit(frame)
    >>> encoder.encoded_names(), encoder.dropped
    (('size = L', 'size = M', 'size = S', 'price'), {'unit': 'constant'})
    >>> encoder.transform(pd.DataFrame({"price": [6], "size": ["M"]})).tolist()
    [[0.0, 1.0, 0.0, 6.0]]
    """

    plans: tuple[ColumnPlan, ...]
    dropped: Mapping[str, str]
    is_indicator_F: BoolArray
    source_column_F: IntArray

    @classmethod
    def fit(cls, frame: pd.DataFrame) -> FrameEncoder:
        """Returns the encoder of a frame; it may be left without any column.

        Args:
            frame: raw features, at least one row.

        Raises:
            UserError: no row, two columns of one name, or a column of complex numbers.
        """
        if len(frame) == 0:
            raise UserError(
                "a table must have at least one row to be encoded; got 0 rows: add rows"
            )
        plans: list[ColumnPlan] = []
        dropped: dict[str, str] = {}
        columns = [column for _, column in frame.items()]
        for name, position in _positions(frame).items():
            plan = plan_column(read_cells(columns[position], name), name, position)
            if isinstance(plan, ColumnPlan):
                plans.append(plan)
            else:
                dropped[name] = plan
        flags = [plan.are_indicators() for plan in plans]
        sources = [plan.position for plan, own in zip(plans, flags, strict=True) for _ in own]
        return cls(
            plans=tuple(plans),
            dropped=dropped,
            is_indicator_F=np.array([flag for own in flags for flag in own], dtype=bool),
            source_column_F=np.array(sources, dtype=np.int32),
        )

    def transform(self, frame: pd.DataFrame) -> FloatArray:
        """Returns values_RF of a frame: float64, NaN is missing.

        Args:
            frame: rows with at least the columns that are encoded, in any order; further columns
                are ignored.

        Raises:
            UserError: a column is missing, or two have one name.
        """
        positions = _positions(frame)
        absent = [plan.column for plan in self.plans if plan.column not in positions]
        if absent:
            raise UserError(
                "rows must have every column that the encoding was fitted on, but "
                f"{', '.join(map(repr, absent))} {'is' if len(absent) == 1 else 'are'} missing: "
                "add the column, with empty cells where nothing is known"
            )
        columns = [column for _, column in frame.items()]
        values_RF = np.empty((len(frame), len(self.is_indicator_F)))
        start = 0
        for plan in self.plans:
            cells = read_cells(columns[positions[plan.column]], plan.column)
            block_RF = encode_column(plan, cells)
            values_RF[:, start : start + block_RF.shape[1]] = block_RF
            start += block_RF.shape[1]
        return values_RF

    def encoded_names(self) -> tuple[str, ...]:
        """Returns a readable name for each encoded column."""
        return tuple(name for plan in self.plans for name in plan.encoded_names())


def _positions(frame: pd.DataFrame) -> dict[str, int]:
    names = [str(label) for label in frame.columns]
    positions = {name: i for i, name in enumerate(names)}
    if len(positions) < len(names):
        repeated = next(name for i, name in enumerate(names) if positions[name] != i)
        raise UserError(
            f"every column must have its own name, but {repeated!r} occurs more than once: "
            "rename or remove all but one"
        )
    return positions
