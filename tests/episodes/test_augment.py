"""Relabelled copies of tables."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest

from autometa.episodes import _augment
from autometa.episodes._augment import AugmentedPool, augmented_table
from autometa.tables import ScaledTable, scale_rows

MakeTable = Callable[..., ScaledTable]
MIN_CLASS_ROWS = 24


def copies(table: ScaledTable, count: int = 60) -> list[ScaledTable]:
    """Returns the usable ones of many relabelled copies."""
    drawn = [augmented_table(table, rng=np.random.default_rng(seed)) for seed in range(count)]
    return [copy for copy in drawn if copy is not None]


def test_copies_are_scaled_tables_of_their_rows(make_table: MakeTable) -> None:
    """Cells, statistics and labels belong together, and every class has enough rows."""
    for copy in copies(make_table([400, 400], columns=7)):
        counts = np.bincount(copy.y_R)
        scaled = scale_rows(copy.values_RF, copy.is_indicator_F, np.arange(len(copy.y_R)))

        assert counts.min() >= MIN_CLASS_ROWS
        assert 2 <= len(counts) <= 5
        assert len(copy.y_R) <= 400
        assert np.array_equal(copy.x_RFH, scaled.x_RFH)
        assert np.array_equal(copy.stats_FJ, scaled.stats_FJ)
        assert np.array_equal(copy.usable_F, scaled.usable_F)
        assert copy.usable_F.sum() >= 2
        columns = copy.values_RF.shape[1]
        assert copy.is_indicator_F.shape == copy.source_column_F.shape == (columns,)


def test_most_draws_give_a_copy_and_labels_vary(make_table: MakeTable) -> None:
    """Draws rarely fail on an ordinary table, and give two to five classes."""
    drawn = copies(make_table([400, 400], columns=7))

    assert len(drawn) > 40
    assert {len(np.bincount(copy.y_R)) for copy in drawn} == {2, 3, 4, 5}


def separation(copy: ScaledTable) -> float:
    """Returns how well the best column tells one class from the rest (AUC, 0.5 to 1)."""
    best = 0.5
    for way in range(len(np.bincount(copy.y_R))):
        inside_RF, outside_RF = copy.values_RF[copy.y_R == way], copy.values_RF[copy.y_R != way]
        above_F = (inside_RF[:, None] > outside_RF).mean((0, 1))
        best = max(best, *np.maximum(above_F, 1 - above_F))
    return best


def test_columns_that_would_give_the_label_away_are_gone(make_table: MakeTable) -> None:
    """Encoded columns of the same source as the label are removed with it."""
    plain = make_table([300, 300], columns=5)
    # Four unrelated columns; each has a sibling that orders the rows just as it does.
    values_RF = np.column_stack([plain.values_RF[:, 1:5], 1 - 3 * plain.values_RF[:, 1:5]])
    is_indicator_F = np.zeros(8, bool)
    scaled = scale_rows(values_RF, is_indicator_F, np.arange(600))
    table = dataclasses.replace(
        plain,
        values_RF=values_RF,
        is_indicator_F=is_indicator_F,
        source_column_F=np.array([0, 1, 2, 3, 0, 1, 2, 3], np.int32),
        x_RFH=scaled.x_RFH,
        stats_FJ=scaled.stats_FJ,
        usable_F=scaled.usable_F,
    )

    drawn = copies(table, count=30)

    assert len(drawn) > 15
    assert max(separation(copy) for copy in drawn) < 0.75


def test_levels_and_missing_indicators_go_with_their_source(
    table: ScaledTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label from one level, or from a column with missing cells, removes all its siblings."""
    for spent in range(len(table.is_indicator_F) - 1):

        def label(
            *_: object, column: int = spent, rows: int = len(table.y_R)
        ) -> tuple[np.ndarray, np.ndarray]:
            return np.arange(rows) % 2, np.array([column])

        monkeypatch.setattr(_augment, "_column_as_label", label)
        monkeypatch.setattr(_augment, "_clusters_as_label", label)

        for copy in copies(table, count=4):
            assert table.source_column_F[spent] not in copy.source_column_F


def test_a_narrow_table_gives_no_copy(make_table: MakeTable) -> None:
    """With fewer than four usable columns too little would be left."""
    table = make_table([60, 60])
    usable_F = np.arange(len(table.usable_F)) < 3

    copy = augmented_table(
        dataclasses.replace(table, usable_F=usable_F), rng=np.random.default_rng(0)
    )

    assert copy is None


def test_columns_that_become_constant_do_not_count(make_table: MakeTable) -> None:
    """A copy has at least two columns that vary on its own rows."""
    plain = make_table([300, 300], columns=4)
    values_RF = plain.values_RF.copy()
    # These vary on a few rows only, which rarely remain where small classes are dropped.
    values_RF[:, 1:4] = (np.arange(600) < 12)[:, None] * np.array([1.0, 2.0, 3.0])
    scaled = scale_rows(values_RF, plain.is_indicator_F, np.arange(600))
    table = dataclasses.replace(
        plain,
        values_RF=values_RF,
        x_RFH=scaled.x_RFH,
        stats_FJ=scaled.stats_FJ,
        usable_F=scaled.usable_F,
    )

    assert min(copy.usable_F.sum() for copy in copies(table, count=150)) >= 2


def test_a_small_table_gives_no_copy(make_table: MakeTable) -> None:
    """Two classes of 24 rows need 48 rows."""
    assert copies(make_table([20, 20])) == []


def test_the_pool_is_a_function_of_the_seed(make_table: MakeTable) -> None:
    """Tables are relabelled alike in every process, and each on its own."""
    tables = [make_table([200, 200], seed=seed) for seed in range(2)]

    def contents(pool: AugmentedPool, *keys: tuple[int, int]) -> dict[tuple[int, int], bytes]:
        copies = {key: pool.copy(*key) for key in keys}
        return {key: copy.x_RFH.tobytes() for key, copy in copies.items() if copy is not None}

    keys = list(itertools.product(range(2), range(3)))
    first = contents(AugmentedPool(tables, seed=5), *keys)

    assert contents(AugmentedPool(tables, seed=5), *reversed(keys)) == first
    alone = contents(AugmentedPool(tables[:1], seed=5), *keys[:3])
    assert alone == {key: copy for key, copy in first.items() if key[0] == 0}
    assert contents(AugmentedPool(tables, seed=6), *keys) != first
    assert len(set(first.values())) == len(first) > 3


def test_a_copy_is_made_once(make_table: MakeTable) -> None:
    """The pool keeps its copies, those that came to nothing included."""
    pool = AugmentedPool([make_table([200, 200]), make_table([20, 20])], seed=0)

    assert pool.copy(0, 1) is pool.copy(0, 1)
    assert pool.copy(1, 0) is pool.copy(1, 0) is None


def test_wide_tables_are_relabelled_by_some_of_their_columns(make_table: MakeTable) -> None:
    """Of 150 columns 64 at most are used, and not always the same ones."""
    table = make_table([100, 100], columns=150)

    drawn = copies(table, count=12)

    assert max(copy.x_RFH.shape[1] for copy in drawn) <= 64
    assert len({column for copy in drawn for column in copy.source_column_F}) > 100


def test_the_original_is_left_alone(table: ScaledTable) -> None:
    """Relabelling never writes into a table, whose arrays are shared and read-only."""
    for field in ("x_RFH", "values_RF", "y_R", "usable_F", "stats_FJ"):
        getattr(table, field).flags.writeable = False

    assert copies(table, count=20)
