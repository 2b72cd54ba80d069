"""Packing of episodes into dense tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from autometa.episodes import (
    Episode,
    EpisodeBatch,
    draw_episode,
    pack,
    principal_axes,
    rows_by_class,
    scaled_inputs,
    scaled_inputs_of,
)
from autometa.tables import ScaledTable
from autometa.typing import SETTINGS


@pytest.fixture
def tables(make_table: Callable[..., ScaledTable]) -> list[ScaledTable]:
    """Three tables of different widths and numbers of classes."""
    return [
        make_table([40, 30, 20], columns=4, seed=1, name="narrow"),
        make_table([50, 50], columns=9, seed=2, name="wide"),
        make_table([20] * 5, columns=6, seed=3, name="many"),
    ]


@pytest.fixture
def episodes(tables: list[ScaledTable]) -> list[Episode]:
    """One episode of unequal counts per table."""
    rng = np.random.default_rng(0)
    shots = [np.array([1, 4, 2]), np.array([5, 5]), np.array([1, 2, 3, 1, 1])]
    return [
        draw_episode(rows_by_class(table.y_R), shots_W, queries=6, rng=rng)
        for table, shots_W in zip(tables, shots, strict=True)
    ]


def test_shapes_are_the_largest_of_each_axis(
    tables: list[ScaledTable], episodes: list[Episode]
) -> None:
    """Tensors carry the axes that their names list."""
    batch = pack(episodes, tables, SETTINGS, components=3)

    sizes = {"T": 3, "R": 10 + 30, "F": 14, "H": 2, "J": 9, "S": 10, "Q": 30, "W": 5, "C": 3}
    for field in dataclasses.fields(batch):
        axes = field.name.rsplit("_", 1)[1]
        assert tuple(getattr(batch, field.name).shape) == tuple(sizes[axis] for axis in axes)
    assert (batch.tasks, batch.support_rows, batch.ways) == (3, 10, 5)
    assert batch.x_support_TSFH.shape == (3, 10, 14, 2)
    assert batch.x_query_TQFH.shape == (3, 30, 14, 2)


def test_real_entries_are_those_of_the_inputs(
    tables: list[ScaledTable], episodes: list[Episode]
) -> None:
    """Each task holds its scaled rows, labels, columns and counts."""
    batch = pack(episodes, tables, SETTINGS)

    scaled = scaled_inputs_of(episodes, tables, SETTINGS)
    for task, (episode, inputs) in enumerate(zip(episodes, scaled, strict=True)):
        support, query = len(episode.support_rows_S), len(episode.query_rows_Q)
        columns = inputs.x_RFH.shape[1]
        assert np.array_equal(
            batch.x_support_TSFH[task, :support, :columns], inputs.x_RFH[:support]
        )
        assert np.array_equal(batch.x_query_TQFH[task, :query, :columns], inputs.x_RFH[support:])
        assert np.array_equal(batch.stats_TFJ[task, :columns], inputs.stats_FJ)
        assert np.array_equal(batch.column_mask_TF[task, :columns], inputs.usable_F)
        assert np.array_equal(batch.y_TS[task, :support], episode.support_labels_S)
        assert np.array_equal(batch.y_TQ[task, :query], episode.query_labels_Q)
        assert np.array_equal(
            batch.shots_TW[task, : episode.ways], np.bincount(episode.support_labels_S)
        )
        assert batch.fit_rows_T[task] == inputs.fit_rows


def test_padding_is_masked_and_zero(tables: list[ScaledTable], episodes: list[Episode]) -> None:
    """What a task does not have is masked, labelled -1 and holds zeros."""
    batch = pack(episodes, tables, SETTINGS, components=3)

    y_TR = torch.cat([batch.y_TS, batch.y_TQ], 1)
    assert torch.equal(batch.row_mask_TR, y_TR >= 0)
    assert batch.row_mask_TR.sum(1).tolist() == [
        len(episode.support_rows_S) + len(episode.query_rows_Q) for episode in episodes
    ]
    assert batch.way_mask_TW.sum(1).tolist() == [3, 2, 5]
    assert not batch.shots_TW[~batch.way_mask_TW].any()
    assert not batch.x_TRFH[~batch.row_mask_TR].any()
    assert not batch.x_TRFH.transpose(1, 2)[~batch.column_mask_TF].any()
    assert batch.basis_TFC is not None
    for task, table in enumerate(tables):
        width = table.x_RFH.shape[1]
        assert not batch.column_mask_TF[task, width:].any()
        assert not batch.stats_TFJ[task, width:].any()
        assert not batch.basis_TFC[task, width:].any()


def test_axes_are_added_only_where_asked_for(
    tables: list[ScaledTable], episodes: list[Episode]
) -> None:
    """A learner without components gets no axes."""
    assert pack(episodes, tables, SETTINGS).basis_TFC is None


def test_axes_come_from_the_rows_that_the_setting_allows(
    tables: list[ScaledTable], episodes: list[Episode]
) -> None:
    """Axes of the support, of support and query, or of the whole table."""
    batch = pack([episodes[0]] * 3, [tables[0]] * 3, SETTINGS, components=3)

    assert batch.basis_TFC is not None
    for task, setting in enumerate(SETTINGS):
        inputs = scaled_inputs(tables[0], episodes[0], setting)
        support = len(episodes[0].support_rows_S)
        seen_RF = {
            "inductive": inputs.x_RFH[:support, :, 0],
            "transductive": inputs.x_RFH[..., 0],
            "unlabelled": tables[0].x_RFH[..., 0],
        }[setting]
        assert np.array_equal(batch.basis_TFC[task], principal_axes(seen_RF, 3))


def test_axes_follow_the_columns_and_the_table(
    tables: list[ScaledTable], episodes: list[Episode]
) -> None:
    """A subset of columns has its own axes, and two tables of one hash are not mixed up."""
    picked = np.array([5, 1, 2])
    twin = dataclasses.replace(tables[1], sha256=tables[0].sha256)

    some = pack(episodes[:1], tables[:1], ["unlabelled"], columns=[picked], components=2)
    both = pack(episodes[:2], [tables[0], twin], ["unlabelled"] * 2, components=2)

    assert some.basis_TFC is not None
    assert both.basis_TFC is not None
    assert np.array_equal(some.basis_TFC[0], principal_axes(tables[0].x_RFH[:, picked, 0], 2))
    assert np.array_equal(both.basis_TFC[1], principal_axes(twin.x_RFH[..., 0], 2))


def test_batches_move_to_a_precision(tables: list[ScaledTable], episodes: list[Episode]) -> None:
    """Only floating tensors change their type, and missing axes stay missing."""
    batch = pack(episodes, tables, SETTINGS)

    moved = batch.to("cpu", torch.float64)

    assert isinstance(moved, EpisodeBatch)
    assert moved.x_TRFH.dtype == moved.fit_rows_T.dtype == torch.float64
    assert moved.y_TS.dtype == torch.int64
    assert moved.column_mask_TF.dtype == torch.bool
    assert moved.basis_TFC is None
    assert torch.equal(moved.x_TRFH.float(), batch.x_TRFH)


def test_what_was_computed_of_a_batch_moves_along(
    tables: list[ScaledTable], episodes: list[Episode]
) -> None:
    """On another device nothing is computed again; in another precision all of it is."""
    batch = pack(episodes, tables, SETTINGS)
    statistics_TFJ = batch.column_statistics_TFJ

    elsewhere, double = batch.to("meta"), batch.to("cpu", torch.float64)

    assert batch.to("cpu") is batch
    assert vars(elsewhere)["column_statistics_TFJ"].device.type == "meta"
    assert vars(elsewhere).keys() == vars(batch).keys()
    assert "column_statistics_TFJ" not in vars(double)
    torch.testing.assert_close(double.column_statistics_TFJ.float(), statistics_TFJ)


def test_a_batch_cannot_be_reassigned(tables: list[ScaledTable], episodes: list[Episode]) -> None:
    """Batches are records."""
    batch = pack(episodes, tables, SETTINGS)

    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.y_TS = batch.y_TQ  # type: ignore[misc]


@pytest.mark.parametrize(("rows", "columns"), [(200, 6), (5, 9), (1, 3)])
def test_principal_axes_are_orthonormal_and_sorted(rows: int, columns: int) -> None:
    """Axes have unit length, and along axis c rows have the c-th largest eigenvalue as variance."""
    rng = np.random.default_rng(0)
    x_RF = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    count = min(rows, columns)
    expected = np.sort(np.linalg.eigvalsh(x_RF.T @ x_RF / rows))[::-1][:count]

    basis_FC = principal_axes(x_RF, columns + 2)

    assert basis_FC.shape == (columns, columns + 2)
    assert basis_FC.dtype == np.float32
    assert not basis_FC[:, count:].any()
    projected_RC = x_RF @ basis_FC[:, :count]
    covariance_CC = projected_RC.T @ projected_RC / rows
    np.testing.assert_allclose(covariance_CC, np.diag(expected), atol=1e-5)
    gram_CC = basis_FC[:, :count].T @ basis_FC[:, :count]
    np.testing.assert_allclose(gram_CC, np.eye(count), atol=1e-6)


def test_principal_axes_have_a_fixed_sign() -> None:
    """Equal tables, rows in another order or mirrored, have equal axes."""
    x_RF = np.random.default_rng(0).normal(size=(50, 4)) * [4, 3, 2, 1]

    basis_FC = principal_axes(x_RF, 4)

    largest = np.abs(basis_FC).argmax(0)
    assert (basis_FC[largest, np.arange(4)] > 0).all()
    np.testing.assert_allclose(principal_axes(x_RF[::-1], 4), basis_FC, atol=1e-6)
    np.testing.assert_allclose(principal_axes(-x_RF, 4), basis_FC, atol=1e-6)


def test_principal_axes_of_constant_columns_are_finite() -> None:
    """Rows without any spread give finite axes, on either side of rows = columns."""
    for rows in (2, 9):
        assert np.isfinite(principal_axes(np.zeros((rows, 4)), 3)).all()


def test_wider_tables_than_in_training_are_told_as_the_widest(
    make_table: Callable[..., ScaledTable],
) -> None:
    """What a learner reads of the number of columns ends at 40; the columns all stay."""
    batches = []
    for columns in (36, 37, 296):  # four indicators come on top
        table = make_table([30, 30], columns=columns)
        shots = np.array([2, 2])
        rng = np.random.default_rng(0)
        episode = draw_episode(rows_by_class(table.y_R), shots, queries=4, rng=rng)
        batches.append(pack([episode], [table], ["unlabelled"]))
    told = [(batch.facts_TJ[0, 2], batch.column_statistics_TFJ[0, 0, 13]) for batch in batches]

    assert [batch.present_TF.sum() for batch in batches] == [40, 41, 300]
    assert told[0] == told[1] == told[2]
    assert told[0][1] == pytest.approx(np.log(40) / 3)
