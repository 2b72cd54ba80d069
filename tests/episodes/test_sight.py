"""Which rows may be looked at before they are predicted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from autometa.episodes import Episode, EpisodeBatch, pack
from autometa.episodes._skewed_sight import with_skewed_sight
from autometa.tables import ScaledTable
from autometa.typing import SETTINGS, Setting


@pytest.fixture
def packed(make_table: Callable[..., ScaledTable]) -> Callable[[Setting], EpisodeBatch]:
    """Returns a batch of 40 tasks with two classes in a setting, by its name."""
    table = make_table([30, 30])
    by_class = [np.flatnonzero(table.y_R == way) for way in range(2)]
    episode = Episode(
        support_rows_S=np.concatenate([rows[:2] for rows in by_class]),
        support_labels_S=np.repeat([0, 1], 2),
        query_rows_Q=np.concatenate([rows[2:12] for rows in by_class]),
        query_labels_Q=np.repeat([0, 1], 10),
        ways=2,
    )
    return lambda setting: pack([episode] * 40, [table] * 40, [setting] * 40)


@pytest.mark.parametrize("setting", SETTINGS)
def test_query_rows_are_visible_where_the_setting_has_them(
    setting: Setting, packed: Callable[[Setting], EpisodeBatch]
) -> None:
    """Inductive: the labelled rows alone; else the rows to be predicted as well."""
    visible_TR = packed(setting).visible_TR

    assert visible_TR[:, :4].all()
    assert visible_TR[:, 4:].all() == (setting != "inductive")
    assert visible_TR[:, 4:].any() == (setting != "inductive")


def test_classes_are_unequally_visible_in_half_of_the_tasks(
    packed: Callable[[Setting], EpisodeBatch],
) -> None:
    """Rows are only hidden, query rows only, and more of one class than of another."""
    batch = packed("transductive")

    skewed = with_skewed_sight(batch, rng=np.random.default_rng(0))

    assert skewed.visible_TR[:, :4].all()
    per_class_TW = skewed.visible_TR[:, 4:].view(40, 2, 10).sum(2)
    is_whole_T = (per_class_TW == 10).all(1)
    assert 10 <= is_whole_T.sum() <= 30
    assert (per_class_TW.amax(1) == 10).all()
    assert (per_class_TW[~is_whole_T].amin(1) < 10).all()
    again = with_skewed_sight(batch, rng=np.random.default_rng(0))
    assert torch.equal(again.visible_TR, skewed.visible_TR)


def test_hidden_rows_stay_hidden(packed: Callable[[Setting], EpisodeBatch]) -> None:
    """A setting without rows to look at has none afterwards."""
    batch = packed("inductive")

    skewed = with_skewed_sight(batch, rng=np.random.default_rng(0))

    assert torch.equal(skewed.visible_TR, batch.visible_TR)
