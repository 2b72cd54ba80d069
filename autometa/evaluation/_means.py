"""Means of score sheet rows over episodes, tables and families, cell by cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from autometa.typing import FloatArray

_CELL = ["setting", "shot"]


def by_family_and_cell(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Returns means with a row per family and a column per cell; NaN where there is none."""
    tables = rows.groupby([*_CELL, "family", "table"])[column].mean()
    return tables.groupby([*_CELL, "family"]).mean().unstack(_CELL)


def by_table(rows: pd.DataFrame, column: str) -> pd.Series[float]:
    """Returns the mean of each table in each cell."""
    return rows.groupby([*_CELL, "family", "table"])[column].mean()


def episodes_by_table(rows: pd.DataFrame, column: str) -> tuple[list[FloatArray], list[float]]:
    """Returns the values of each table's episodes at each shot, and the weight of their mean.

    The weighted means add up to the mean over cells, families and tables. An episode that was
    scored in several settings is one value, the mean of its scores there: they are not
    independent, and resampling them apart would make intervals too narrow.
    """
    cells = rows.groupby(_CELL).ngroups
    families = rows.groupby(_CELL)["family"].nunique().to_dict()
    tables = rows.groupby([*_CELL, "family"])["table"].nunique().to_dict()
    groups, weights = [], []
    for (shot, family, _), part in rows.groupby(["shot", "family", "table"]):
        wide = part.pivot(index=["role", "seed", "episode"], columns="setting", values=column)
        share_of = {
            setting: 1 / (cells * families[setting, shot] * tables[setting, shot, family])
            for setting in wide.columns
        }
        total = sum(share_of.values())
        if wide.notna().all(axis=None):
            groups.append(wide.to_numpy() @ np.array(list(share_of.values())) / total)
            weights.append(total)
        else:
            groups += [wide[setting].dropna().to_numpy() for setting in wide.columns]
            weights += list(share_of.values())
    return groups, weights
