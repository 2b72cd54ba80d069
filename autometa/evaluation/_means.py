"""Means of score sheet rows over episodes, tables and families, cell by cell."""

from __future__ import annotations

from typing import Any

import pandas as pd

_CELL = ["setting", "shot"]


def by_family_and_cell(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Returns means with a row per family and a column per cell; NaN where there is none."""
    tables = rows.groupby([*_CELL, "family", "table"])[column].mean()
    return tables.groupby([*_CELL, "family"]).mean().unstack(_CELL)


def by_table(rows: pd.DataFrame, column: str) -> pd.Series[float]:
    """Returns the mean of each table in each cell."""
    return rows.groupby([*_CELL, "table"])[column].mean()


def episodes_by_table(rows: pd.DataFrame, column: str) -> tuple[list[Any], list[float]]:
    """Returns the values of each table's episodes in each cell, and the weight of their mean.

    Weights sum to 1: cells share equally, a cell's families share its part, a family's tables its.
    """
    cells = rows.groupby(_CELL).ngroups
    groups, weights = [], []
    for _, cell in rows.groupby(_CELL):
        families = cell["family"].nunique()
        for _, family in cell.groupby("family"):
            tables = family.groupby("table")[column]
            groups += [group.to_numpy() for _, group in tables]
            weights += [1 / (cells * families * tables.ngroups)] * tables.ngroups
    return groups, weights
