"""Groups of rows that are scaled at once against each of them alone."""

from __future__ import annotations

import numpy as np
import pytest

from autometa.episodes import _scale_together
from autometa.episodes._scale_together import RowsToScale, scale_together
from autometa.tables import ScaledRows, scale_rows


def group(seed: int, *, rows: int, columns: int, fit_rows: int) -> RowsToScale:
    """Returns rows of all kinds: numbers, ties, gaps, indicators, constants, empty columns.

    The first column has small numbers beside large ones, which centring would merge.
    """
    rng = np.random.default_rng(seed)
    values_RF = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-3, 6, columns)
    kinds = rng.permutation(np.arange(columns) % 7)
    values_RF[:, kinds == 1] = np.round(rng.normal(size=(rows, columns)))[:, kinds == 1]
    values_RF[:, kinds == 2] = (rng.random((rows, columns)) < 0.4)[:, kinds == 2]
    values_RF[:, kinds == 3] = 5.0
    holes = (rng.random((rows, columns)) < 0.3) & (kinds == 4)
    values_RF[holes] = np.nan
    values_RF[:fit_rows, kinds == 5] = np.nan
    values_RF[:, kinds == 6] = np.exp(3 * rng.normal(size=(rows, columns)))[:, kinds == 6]
    kinds[0] = 6
    values_RF[:, 0] = np.where(np.arange(rows) % 3, 1e20, 1e-3) * (1 + np.arange(rows) % 5)
    return RowsToScale(values_RF.astype(np.float32), kinds == 2, fit_rows)


@pytest.fixture
def groups() -> list[RowsToScale]:
    """Groups of different numbers of rows, columns and fit rows, a single fit row among them."""
    sizes = [(30, 7, 12), (5, 1, 5), (60, 21, 1), (44, 14, 44), (9, 3, 2)]
    return [
        group(seed, rows=rows, columns=columns, fit_rows=fit_rows)
        for seed, (rows, columns, fit_rows) in enumerate(sizes)
    ]


def assert_alike(together: list[ScaledRows], groups: list[RowsToScale]) -> None:
    """Compares with ``scale_rows`` of each group."""
    for scaled, part in zip(together, groups, strict=True):
        alone = scale_rows(part.values_RF, part.is_indicator_F, np.arange(part.fit_rows))
        np.testing.assert_array_equal(scaled.usable_F, alone.usable_F)
        np.testing.assert_allclose(scaled.x_RFH, alone.x_RFH, rtol=0, atol=2e-6)
        np.testing.assert_allclose(scaled.stats_FJ, alone.stats_FJ, rtol=0, atol=2e-6)
        assert scaled.x_RFH.dtype == alone.x_RFH.dtype
        assert scaled.stats_FJ.dtype == alone.stats_FJ.dtype


def test_each_group_is_scaled_as_if_alone(groups: list[RowsToScale]) -> None:
    """Padding and neighbours leave no trace."""
    assert_alike(scale_together(groups), groups)
    assert_alike(scale_together(groups[::-1]), groups[::-1])
    assert scale_together([]) == []


def test_large_groups_are_scaled_in_chunks(
    groups: list[RowsToScale], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on cells, and groups of many fit rows, divide the work and change nothing."""
    many = group(9, rows=1200, columns=7, fit_rows=1100)
    assert_alike(scale_together([*groups, many, *groups]), [*groups, many, *groups])

    monkeypatch.setattr(_scale_together, "_CELLS", 1500)

    assert_alike(scale_together(groups), groups)


def test_random_groups_agree() -> None:
    """Fifty groups at once, as the batches of an outer step have them."""
    groups = [
        group(seed, rows=20 + seed, columns=1 + seed % 23, fit_rows=1 + seed % 20)
        for seed in range(50)
    ]

    assert_alike(scale_together(groups), groups)
