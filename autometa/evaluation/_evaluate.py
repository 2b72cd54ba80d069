"""Scores of a learner on fixed episodes, many tasks at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autometa.episodes import Episode, pack
from autometa.evaluation._metrics import score_probabilities
from autometa.evaluation._score_sheet import ScoreSheet
from autometa.evaluation._tasks import EvaluationTask, sheet_row
from autometa.typing import FloatArray

if TYPE_CHECKING:
    import torch

    from autometa.episodes import EpisodeBatch

    Learner = Callable[[EpisodeBatch], torch.Tensor]

CELLS = 1_000_000
"""Cells (tasks x rows x columns, padding included) of one batch; bounds memory."""


def score_learner(
    learner: Learner,
    tasks: Sequence[EvaluationTask],
    *,
    method: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    cells: int = CELLS,
    on_progress: Callable[[int, int], None] | None = None,
) -> ScoreSheet:
    """Returns a learner's scores on every episode of the tasks.

    Episodes of like size are batched, whatever table they come from, so that little is padded.
    Gradients are off; a module is in evaluation mode meanwhile. Logits that are not finite count
    as a diverged episode, which scores as chance.

    Args:
        learner: maps a batch to logits TQW. Its attribute ``components``, where it has one, is
            the number of principal axes that batches must carry.
        tasks: what to score.
        method: name of the learner in the sheet.
        device: where the batches go; the learner is there already.
        dtype: precision of the batches; float32 where None.
        cells: largest number of cells in a batch of more than one episode.
        on_progress: called with (episodes done, episodes) after every batch.
    """
    import torch

    items = [
        (task, index, episode) for task in tasks for index, episode in enumerate(task.episodes)
    ]
    order = sorted(range(len(items)), key=lambda number: _size(items[number]))
    rows: dict[int, dict[str, Any]] = {}
    was_training = bool(getattr(learner, "training", False))
    if isinstance(learner, torch.nn.Module):
        learner.eval()
    try:
        for chunk in _chunks(order, [_size(item) for item in items], cells):
            picked = [items[number] for number in chunk]
            batch = pack(
                [episode for _, _, episode in picked],
                [task.table for task, _, _ in picked],
                [task.setting for task, _, _ in picked],
                components=getattr(learner, "components", None),
            ).to(device, dtype)
            with torch.no_grad():
                logits_TQW = learner(batch).detach().cpu().double().numpy()
            for number, (task, index, episode), logits_QW in zip(
                chunk, picked, logits_TQW, strict=True
            ):
                probabilities_QW = _probabilities(logits_QW, episode)
                scores = score_probabilities(probabilities_QW, episode.query_labels_Q)
                rows[number] = sheet_row(task, index, method, scores)
            if on_progress is not None:
                on_progress(len(rows), len(items))
    finally:
        if isinstance(learner, torch.nn.Module):
            learner.train(was_training)
    return ScoreSheet.from_rows(rows[number] for number in range(len(items)))


def _size(item: tuple[EvaluationTask, int, Episode]) -> tuple[int, int, int]:
    """Returns (ways, columns, rows) of an episode."""
    task, _, episode = item
    rows = len(episode.support_rows_S) + len(episode.query_rows_Q)
    return episode.ways, task.table.x_RFH.shape[1], rows


def _chunks(
    order: Sequence[int], sizes: Sequence[tuple[int, int, int]], cells: int
) -> Iterator[list[int]]:
    """Yields runs of the order whose padded batch stays below a number of cells."""
    chunk: list[int] = []
    columns = rows = 0
    for number in order:
        _, more_columns, more_rows = sizes[number]
        wider, longer = max(columns, more_columns), max(rows, more_rows)
        if chunk and (len(chunk) + 1) * wider * longer > cells:
            yield chunk
            chunk, wider, longer = [], more_columns, more_rows
        chunk.append(number)
        columns, rows = wider, longer
    if chunk:
        yield chunk


def _probabilities(logits_QW: FloatArray, episode: Episode) -> FloatArray:
    """Returns the softmax over the rows and ways that exist; NaN where logits are not finite."""
    existing_QW = logits_QW[: len(episode.query_rows_Q), : episode.ways]
    if not np.isfinite(existing_QW).all():
        return np.full(existing_QW.shape, np.nan)
    shifted_QW = np.exp(existing_QW - existing_QW.max(axis=1, keepdims=True))
    return np.asarray(shifted_QW / shifted_QW.sum(axis=1, keepdims=True))
