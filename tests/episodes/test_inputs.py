"""What each setting lets an episode's scaling see."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from autometa.episodes import (
    Episode,
    draw_episode,
    episode_inputs,
    pack,
    rows_by_class,
    scaled_inputs,
    scaled_inputs_of,
    unlabelled_rows,
)
from autometa.tables import ScaledTable, scale_rows
from autometa.typing import SETTINGS, Setting


@pytest.fixture
def episode(table: ScaledTable) -> Episode:
    """Three classes with five support rows each."""
    rng = np.random.default_rng(0)
    return draw_episode(rows_by_class(table.y_R), np.full(3, 5), queries=10, rng=rng)


def with_other_values(table: ScaledTable, rows: np.ndarray) -> ScaledTable:
    """Returns a table whose given rows hold other cells, scaled anew on the whole table."""
    values_RF = table.values_RF.copy()
    numeric = ~table.is_indicator_F
    values_RF[np.ix_(rows, numeric)] = 3 - 7 * values_RF[np.ix_(rows, numeric)]
    scaled = scale_rows(values_RF, table.is_indicator_F, np.arange(len(values_RF)))
    return dataclasses.replace(
        table,
        values_RF=values_RF,
        x_RFH=scaled.x_RFH,
        stats_FJ=scaled.stats_FJ,
        usable_F=scaled.usable_F,
    )


@pytest.mark.parametrize(
    ("setting", "sees_queries", "sees_others"),
    [
        ("inductive", False, False),
        ("transductive", True, False),
        ("unlabelled", True, True),
    ],
)
def test_a_setting_sees_its_rows_and_no_others(
    table: ScaledTable,
    episode: Episode,
    setting: Setting,
    sees_queries: bool,
    sees_others: bool,
) -> None:
    """Support cells and statistics depend on query rows, and on further rows, where allowed."""
    support = len(episode.support_rows_S)
    taken = np.concatenate([episode.support_rows_S, episode.query_rows_Q])
    others = np.setdiff1d(np.arange(len(table.y_R)), taken)
    before = scaled_inputs(table, episode, setting)

    for rows, is_seen in [(episode.query_rows_Q, sees_queries), (others, sees_others)]:
        after = scaled_inputs(with_other_values(table, rows), episode, setting)

        assert np.array_equal(after.x_RFH[:support], before.x_RFH[:support]) != is_seen
        assert np.array_equal(after.stats_FJ, before.stats_FJ) != is_seen


def test_fit_rows_count_the_rows_seen(table: ScaledTable, episode: Episode) -> None:
    """Fifteen support rows; thirty query rows more; the whole table."""
    seen = [scaled_inputs(table, episode, setting).fit_rows for setting in SETTINGS]

    assert seen == [15, len(episode.query_rows_Q) + 15, len(table.y_R)]


def test_inductive_support_is_standardised_on_itself(table: ScaledTable, episode: Episode) -> None:
    """Support z-scores have mean 0 and variance 1 where no cell was clipped."""
    inputs = scaled_inputs(table, episode, "inductive")

    z_SF = inputs.x_RFH[:15, inputs.usable_F, 0]
    assert np.abs(z_SF).max() < 6
    np.testing.assert_allclose(z_SF.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z_SF.std(0), 1, atol=1e-5)


def test_unlabelled_inputs_are_rows_of_the_scaled_table(
    table: ScaledTable, episode: Episode
) -> None:
    """The whole table was scaled once; an episode only picks its rows."""
    inputs = scaled_inputs(table, episode, "unlabelled")

    rows = np.concatenate([episode.support_rows_S, episode.query_rows_Q])
    assert np.array_equal(inputs.x_RFH, table.x_RFH[rows])
    assert np.array_equal(inputs.stats_FJ, table.stats_FJ)


@pytest.mark.parametrize("setting", SETTINGS)
def test_columns_are_taken_in_order(table: ScaledTable, episode: Episode, setting: Setting) -> None:
    """A subset of columns is the same columns of the whole, in the order asked for."""
    picked = np.array([4, 0, 8])

    [some] = scaled_inputs_of([episode], [table], [setting], columns=[picked])

    every = scaled_inputs(table, episode, setting)
    np.testing.assert_allclose(some.x_RFH, every.x_RFH[:, picked], atol=1e-6)
    assert np.array_equal(some.usable_F, every.usable_F[picked])
    # Statistics 6 and 7 are correlations with the other columns present.
    alone = [0, 1, 2, 3, 4, 5, 8]
    np.testing.assert_allclose(some.stats_FJ[:, alone], every.stats_FJ[picked][:, alone], atol=1e-6)


def test_columns_constant_on_the_support_are_not_usable(
    table: ScaledTable, episode: Episode
) -> None:
    """A column that happens to be constant on the support rows is masked and holds zeros."""
    values_RF = table.values_RF.copy()
    values_RF[episode.support_rows_S, 2] = 1.5
    table = dataclasses.replace(table, values_RF=values_RF)

    usable = {
        setting: scaled_inputs(table, episode, setting).usable_F[2]
        for setting in ("inductive", "transductive")
    }

    assert usable == {"inductive": False, "transductive": True}
    assert not scaled_inputs(table, episode, "inductive").x_RFH[:, 2].any()


@pytest.mark.parametrize("setting", SETTINGS)
def test_baselines_get_the_rows_of_the_learners(
    table: ScaledTable, episode: Episode, setting: Setting
) -> None:
    """Baseline inputs are channel 0 of the packed batch on its usable columns."""
    x_SF, x_QF = episode_inputs(table, episode, setting)

    batch = pack([episode], [table], [setting])

    mask_F = batch.column_mask_TF[0]
    assert np.array_equal(x_SF, batch.x_support_TSFH[0, :, mask_F, 0].numpy())
    assert np.array_equal(x_QF, batch.x_query_TQFH[0, :, mask_F, 0].numpy())


@pytest.mark.parametrize(
    ("setting", "limit", "expected"),
    [("inductive", 80, 0), ("transductive", 80, 30), ("unlabelled", 80, 80)],
)
def test_unlabelled_rows_follow_the_setting(
    table: ScaledTable, episode: Episode, setting: Setting, limit: int, expected: int
) -> None:
    """No rows, the query rows, or query and further rows up to the limit; never the support."""
    rng = np.random.default_rng(0)

    x_UF = unlabelled_rows(table, episode, setting, limit=limit, rng=rng)

    x_SF, x_QF = episode_inputs(table, episode, setting)
    assert x_UF.shape == (expected, x_SF.shape[1])
    assert np.array_equal(x_UF[: len(x_QF)], x_QF[:expected])
    assert not any((x_SF == row).all(1).any() for row in x_UF)
    assert len(np.unique(x_UF, axis=0)) == expected


def test_unlabelled_rows_are_cut_at_the_limit(
    table: ScaledTable, episode: Episode, make_table: Callable[..., ScaledTable]
) -> None:
    """The limit holds for query rows too, and a small table gives what it has."""
    few = unlabelled_rows(table, episode, "unlabelled", limit=7, rng=np.random.default_rng(0))
    every = unlabelled_rows(table, episode, "unlabelled", limit=999, rng=np.random.default_rng(0))

    assert len(few) == 7
    assert len(every) == len(table.y_R) - len(episode.support_rows_S)
