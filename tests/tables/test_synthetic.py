"""The random prior: reproducible, varied, and cached as one set of arrays."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from autometa.config import SyntheticSource
from autometa.tables import ScaledTable, load_source, scale_table, synthetic_table

DRAWS = [synthetic_table(0, index) for index in range(120)]


def _load(cache: Path, count: int, seed: int = 0) -> list[ScaledTable]:
    tables, skipped = load_source(SyntheticSource(count=count, seed=seed), cache)
    assert skipped == []
    return tables


def test_a_table_is_a_pure_function_of_seed_and_index() -> None:
    """Drawing again, in any order, gives the same table; other seeds give others."""
    again = synthetic_table(0, 7)
    other = synthetic_table(1, 7)

    assert np.array_equal(again.values_RF, DRAWS[7].values_RF)
    assert np.array_equal(again.y_R, DRAWS[7].y_R)
    assert again.sha256 == DRAWS[7].sha256 != other.sha256
    assert not np.array_equal(again.y_R, other.y_R)


def test_every_class_has_rows_for_ten_shots_and_fifteen_queries() -> None:
    """Tables have 224 rows in 2 to 5 classes of at least 25."""
    for table in DRAWS:
        counts = np.bincount(table.y_R)

        assert len(table.y_R) == 224
        assert 2 <= len(counts) <= 5
        assert counts.min() >= 25
        assert len(table.class_names) == len(counts)


def test_cells_are_numbers_without_gaps() -> None:
    """Nothing is missing, indicators are 0 or 1, and columns vary."""
    for table in DRAWS:
        assert np.isfinite(table.values_RF).all()
        assert set(np.unique(table.values_RF[:, table.is_indicator_F])) <= {0.0, 1.0}
        assert np.all(np.ptp(table.values_RF, axis=0) > 0)


def test_shapes_agree() -> None:
    """Every encoded column says whether it is an indicator and where it came from."""
    for table in DRAWS:
        columns = table.values_RF.shape[1]

        assert table.values_RF.dtype == np.float32
        assert 1 <= columns <= 40
        assert table.is_indicator_F.shape == table.source_column_F.shape == (columns,)
        assert np.all(np.diff(table.source_column_F) >= 0)
        assert table.source_column_F.max() < table.raw_columns


def test_the_prior_is_varied() -> None:
    """There are all numbers of classes, narrow and wide tables, and categories."""
    classes = {len(table.class_names) for table in DRAWS}
    columns = [table.values_RF.shape[1] for table in DRAWS]
    flags = np.concatenate([table.is_indicator_F for table in DRAWS])

    assert classes == {2, 3, 4, 5}
    assert min(columns) <= 4
    assert max(columns) >= 30
    assert 0.1 < flags.mean() < 0.6


def test_labels_can_be_learnt_from_the_columns() -> None:
    """The nearest class mean is better than chance on most tables, but not perfect."""
    gains = []
    for table in DRAWS[:60]:
        x = scale_table(table).x_RFH[..., 1]
        train, rest = np.arange(0, 224, 2), np.arange(1, 224, 2)
        means = np.stack(
            [x[train][table.y_R[train] == c].mean(0) for c in range(len(table.class_names))]
        )
        nearest = ((x[rest, None] - means) ** 2).sum(-1).argmin(1)
        gains.append(np.mean(nearest == table.y_R[rest]) - 1 / len(table.class_names))

    assert 0.05 < np.mean(gains) < 0.5
    assert np.mean(np.array(gains) > 0) > 0.6


def test_the_cached_tables_equal_the_drawn_ones(cache: Path) -> None:
    """Both the first and the second load give tables as drawn and scaled."""
    for _ in range(2):
        tables = _load(cache, 12)

        for table, drawn in zip(tables, DRAWS, strict=False):
            expected = scale_table(drawn)
            for name in vars(expected):
                got, want = getattr(table, name), getattr(expected, name)
                if isinstance(want, np.ndarray):
                    assert np.array_equal(got, want), name
                    assert got.dtype == want.dtype, name
                elif name != "hashes":
                    assert got == want, name


def test_a_longer_sequence_starts_with_the_shorter(cache: Path) -> None:
    """Asking for more tables adds some and changes none."""
    short, long = _load(cache, 3), _load(cache, 6)

    assert [table.sha256 for table in long[:3]] == [table.sha256 for table in short]
    assert np.array_equal(long[2].x_RFH, short[2].x_RFH)


def test_cached_tables_are_read_only(cache: Path) -> None:
    """Nobody can change what others read."""
    (table,) = _load(cache, 1)

    with pytest.raises(ValueError, match="read-only"):
        table.x_RFH[0, 0, 0] = 1.0


def test_a_second_load_is_quick(cache: Path) -> None:
    """The arrays are mapped, not made."""
    _load(cache, 200)
    start = time.perf_counter()

    _load(cache, 200)

    assert time.perf_counter() - start < 0.5
