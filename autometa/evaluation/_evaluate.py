"""Scores of a learner on fixed episodes, many tasks at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autometa.episodes import Episode
from autometa.evaluation._batches import CELLS, EvaluationBatches
from autometa.evaluation._metrics import score_probabilities
from autometa.evaluation._score_sheet import ScoreSheet
from autometa.evaluation._tasks import EvaluationTask, sheet_row
from autometa.typing import FloatArray

if TYPE_CHECKING:
    import torch

    from autometa.episodes import EpisodeBatch

    Learner = Callable[[EpisodeBatch], torch.Tensor]


def score_learner(
    learner: Learner,
    tasks: Sequence[EvaluationTask] | EvaluationBatches,
    *,
    method: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    cells: int = CELLS,
    on_progress: Callable[[int, int], None] | None = None,
) -> ScoreSheet:
    """Returns a learner's scores on every episode of the tasks.

    Gradients are off; a module is in evaluation mode meanwhile. Logits that are not finite count
    as a diverged episode, which scores as chance.

    Args:
        learner: maps a batch to logits TQW. Its attribute ``components``, where it has one, is
            the number of principal axes that batches must carry.
        tasks: what to score; as batches where several learners are scored on it.
        method: name of the learner in the sheet.
        device: where the batches go; the learner is there already.
        dtype: precision of the batches; float32 where None.
        cells: largest number of cells in a batch of more than one episode.
        on_progress: called with (episodes done, episodes) after every batch.

    >>> from autometa.config import ColumnKernelConfig
    >>> from autometa.evaluation import evaluation_tasks
    >>> from autometa.learners import build_learner
    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris"))
    >>> tasks = evaluation_tasks(tables, shots=[5], episodes=2)
    >>> sheet = score_learner(build_learner(ColumnKernelConfig(), seed=0), tasks, method="fresh")
    >>> round(sheet.mean("accuracy", "fresh"), 1)
    0.9
    """
    import torch

    batches = tasks
    if not isinstance(batches, EvaluationBatches):
        components = getattr(learner, "components", None)
        batches = EvaluationBatches(batches, components=components, cells=cells)
    rows: dict[int, dict[str, Any]] = {}
    was_training = bool(getattr(learner, "training", False))
    if isinstance(learner, torch.nn.Module):
        learner.eval()
    try:
        for numbers, batch in batches:
            with torch.no_grad():
                logits_TQW = learner(batch.to(device, dtype)).detach().cpu().double().numpy()
            for number, logits_QW in zip(numbers, logits_TQW, strict=True):
                task, index, episode = batches.item(number)
                probabilities_QW = _probabilities(logits_QW, episode)
                scores = score_probabilities(probabilities_QW, episode.query_labels_Q)
                rows[number] = sheet_row(task, index, method, scores)
            if on_progress is not None:
                on_progress(len(rows), len(batches))
    finally:
        if isinstance(learner, torch.nn.Module):
            learner.train(was_training)
    return ScoreSheet.from_rows(rows[number] for number in range(len(batches)))


def _probabilities(logits_QW: FloatArray, episode: Episode) -> FloatArray:
    """Returns the softmax over the rows and ways that exist; NaN where logits are not finite."""
    existing_QW = logits_QW[: len(episode.query_rows_Q), : episode.ways]
    if not np.isfinite(existing_QW).all():
        return np.full(existing_QW.shape, np.nan)
    shifted_QW = np.exp(existing_QW - existing_QW.max(axis=1, keepdims=True))
    return np.asarray(shifted_QW / shifted_QW.sum(axis=1, keepdims=True))
