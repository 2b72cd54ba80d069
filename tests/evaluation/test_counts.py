"""Scores where classes have different numbers of labelled rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from autometa.config import learner_config_class
from autometa.evaluation import EvaluationTask, ScoreSheet, score_baselines, score_learner
from autometa.learners import baselines_of, build_learner
from autometa.tables import ScaledTable
from autometa.typing import COUNTS, Counts


@pytest.fixture
def task_of(
    make_table: Callable[..., ScaledTable], make_task: Callable[..., EvaluationTask]
) -> Callable[[Counts], EvaluationTask]:
    """Returns a maker of the task of a table with 120, 16 and 8 rows of its classes."""
    table = make_table(rows=360)
    kept = [np.flatnonzero(table.y_R == code)[:size] for code, size in enumerate((120, 16, 8))]
    rows = np.concatenate(kept)
    unbalanced = dataclasses.replace(
        table, x_RFH=table.x_RFH[rows], y_R=table.y_R[rows], values_RF=table.values_RF[rows]
    )
    return lambda counts: make_task(unbalanced, counts=counts, shot=3, count=8, queries=8)


def assert_finite(sheet: ScoreSheet) -> None:
    """Fails unless each score is a number and no episode has diverged."""
    scores = sheet.frame[["log_loss", "accuracy", "balanced_accuracy", "auroc", "brier"]]
    assert np.isfinite(scores.to_numpy()).all()
    assert not sheet.frame["diverged"].any()


@pytest.mark.parametrize("counts", COUNTS)
def test_every_baseline_is_scored(
    counts: Counts, task_of: Callable[[Counts], EvaluationTask]
) -> None:
    """Single rows of a class beside many of another are enough for every method, LDA included."""
    task = task_of(counts)
    fewest = min(np.bincount(episode.support_labels_S).min() for episode in task.episodes)

    sheet = score_baselines([task])

    assert fewest == (3 if counts == "equal" else 1)
    assert set(sheet.methods()) == set(baselines_of("unlabelled"))
    assert len(sheet) == 8 * len(sheet.methods())
    assert_finite(sheet)
    assert all(sheet.mean("balanced_accuracy", name) > 0.4 for name in sheet.methods())


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("name", ["maml", "fomaml", "in_context", "column_kernel"])
def test_every_learner_is_scored(
    name: str, counts: Counts, task_of: Callable[[Counts], EvaluationTask]
) -> None:
    """A learner adapts to unequal counts, alone as in a batch with other counts."""
    learner = build_learner(learner_config_class(name)(width=8, depth=1), seed=0)
    task = task_of(counts)
    other = dataclasses.replace(task_of("equal"), role="test")

    sheet = score_learner(learner.double(), [task], method=name, dtype=torch.float64)
    both = score_learner(learner, [task, other], method=name, dtype=torch.float64)

    assert_finite(both)
    among = both.select(role="validation").frame["log_loss"]
    assert among.to_numpy() == pytest.approx(sheet.frame["log_loss"].to_numpy())
