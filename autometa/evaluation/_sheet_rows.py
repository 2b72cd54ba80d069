"""The rows of a score sheet: its columns, their types, and the checks that every sheet passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from autometa.errors import UserError
from autometa.evaluation._metrics import METRICS

KEY = ("table", "family", "role", "setting", "shot", "seed", "episode", "method")
"""Columns that name a row; no two rows agree in all of them."""

COLUMNS = (*KEY, *METRICS, "diverged")
_TYPES: dict[str, Any] = (
    dict.fromkeys(KEY, str)
    | dict.fromkeys(("shot", "seed", "episode"), np.int64)
    | dict.fromkeys(METRICS, np.float64)
    | {"diverged": np.bool_}
)


def checked_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the columns of a sheet, with their types.

    Raises:
        UserError: a column is missing or of the wrong kind, a metric is not finite, or two rows
            are about the same thing.
    """
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise UserError(
            f"A score sheet must have the columns {', '.join(COLUMNS)}; {', '.join(missing)} "
            "missing: give a sheet that autometa wrote."
        )
    try:
        rows = frame[list(COLUMNS)].astype(_TYPES).reset_index(drop=True)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"A score sheet must hold numbers where numbers belong; got {error}: "
            "give a sheet that autometa wrote."
        ) from error
    if not np.isfinite(rows[list(METRICS)].to_numpy()).all():
        raise UserError(
            "A score must be finite, got NaN or infinity: score diverged episodes as chance."
        )
    repeated = rows.duplicated(list(KEY))
    if repeated.any():
        row = rows.loc[repeated, list(KEY)].iloc[0].to_dict()
        raise UserError(
            f"A score sheet must hold each score once; {row} is there twice: "
            "give methods or seeds names of their own."
        )
    return rows
