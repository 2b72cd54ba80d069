"""Evaluation batches that are packed once for many candidates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.evaluation import EvaluationBatches, EvaluationTask, _batches, score_learner


def centroids(batch: EpisodeBatch) -> Tensor:
    """A learner without weights: the nearest class centroid."""
    means_TWF = batch.averaging_TWS @ batch.x_support_TSFH[..., 0]
    logits_TQW = -torch.cdist(batch.x_query_TQFH[..., 0], means_TWF)
    return logits_TQW.masked_fill(~batch.way_mask_TW[:, None], -1e9)


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of episodes of every batch that is packed."""
    sizes: list[int] = []
    pack = _batches.pack

    def counted(episodes: list, *args: object, **fields: object) -> EpisodeBatch:
        sizes.append(len(episodes))
        return pack(episodes, *args, **fields)

    monkeypatch.setattr(_batches, "pack", counted)
    return sizes


def test_kept_batches_are_packed_once(tasks: list[EvaluationTask], packed: list[int]) -> None:
    """A second candidate finds the batches of the first, and gets the scores that it should."""
    batches = EvaluationBatches(tasks, cells=2000, kept_bytes=2**20)

    sheets = [score_learner(centroids, batches, method="m") for _ in range(2)]

    assert sum(packed) == len(batches) == 12
    assert len(packed) > 1
    for sheet in (*sheets, score_learner(centroids, tasks, method="m", cells=2000)):
        assert sheet.frame.equals(sheets[0].frame)


def test_what_does_not_fit_is_packed_anew(tasks: list[EvaluationTask], packed: list[int]) -> None:
    """The memory for kept batches is a limit: batches beyond it are packed each time."""
    first = next(iter(EvaluationBatches(tasks, cells=2000)))[1]
    packed.clear()
    batches = EvaluationBatches(tasks, cells=2000, kept_bytes=first.nbytes)

    for _ in range(2):
        for _numbers, batch in batches:
            assert batch.tasks

    assert sum(packed) == 2 * len(batches) - first.tasks
