"""Hand-made scaled tables for the tests of the episodes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from autometa.tables import ScaledTable, scale_rows


def build_table(
    counts: Sequence[int], *, columns: int = 6, seed: int = 0, name: str = "table"
) -> ScaledTable:
    """Returns a table of numeric columns, one categorical column of three levels and a constant.

    The first numeric column has missing cells and an indicator of them; the rows are shuffled.
    """
    rng = np.random.default_rng(seed)
    y_R = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    values_RF = rng.normal(size=(len(y_R), columns)) * rng.uniform(0.1, 50, columns)
    values_RF += rng.normal(size=(len(counts), columns))[y_R]
    missing_R = rng.random(len(y_R)) < 0.15
    values_RF[missing_R, 0] = np.nan
    levels_RF = np.eye(3)[rng.integers(3, size=len(y_R))]
    values_RF = np.column_stack([values_RF, missing_R, levels_RF, np.ones(len(y_R))])
    values_RF = values_RF.astype(np.float32)
    is_indicator_F = np.arange(columns + 5) >= columns
    source_column_F = np.array([*range(columns), 0, *[columns] * 3, columns + 1], np.int32)
    scaled = scale_rows(values_RF, is_indicator_F, np.arange(len(y_R)))
    return ScaledTable(
        name=name,
        family=name,
        sha256=hashlib.sha256(f"{name}{seed}".encode()).hexdigest(),
        x_RFH=scaled.x_RFH,
        stats_FJ=scaled.stats_FJ,
        usable_F=scaled.usable_F,
        y_R=y_R,
        is_indicator_F=is_indicator_F,
        source_column_F=source_column_F,
        values_RF=values_RF,
    )


@pytest.fixture
def make_table() -> Callable[..., ScaledTable]:
    """The function that builds a hand-made table from its class counts."""
    return build_table


@pytest.fixture
def table() -> ScaledTable:
    """A table of four classes, the last of which is rare."""
    return build_table([60, 40, 30, 6])
