"""The closed form of the inner loop of column scales, against brute force and against autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from autometa.episodes import EpisodeBatch
from autometa.learners import AbstractLearner
from autometa.learners._base import cross_entropy
from autometa.learners._leave_one_out import LeaveOneOut

MakeLearner = Callable[..., AbstractLearner]


def test_leave_one_out_logits_are_those_of_brute_force(batch: EpisodeBatch) -> None:
    """Each row is scored against its class mean without itself, and the other whole means."""
    x_TSF = batch.x_support_TSFH[..., 0]

    left_out = LeaveOneOut(x_TSF, batch.labels_TWS, batch.shots_TW)
    ones_TF = torch.ones_like(x_TSF[:, 0])
    logits_TSW = left_out.logits(ones_TF).mT

    for task in range(batch.tasks):
        y_S = batch.y_TS[task]
        for row in (y_S >= 0).nonzero().flatten().tolist():
            others = torch.arange(len(y_S)) != row
            for way in batch.way_mask_TW[task].nonzero().flatten().tolist():
                members = others & (y_S == way)
                if not members.any():
                    continue  # the only row of its class has no mean to be scored against
                mean_F = x_TSF[task][members].mean(0)
                expected = x_TSF[task, row] @ mean_F - 0.5 * mean_F @ mean_F
                torch.testing.assert_close(logits_TSW[task, row, way], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("inner_lr", "inner_steps"), [(0.3, 1), (0.3, 5), (3.0, 3)])
def test_closed_form_is_autograd_to_second_order(
    inner_lr: float,
    inner_steps: int,
    batch: EpisodeBatch,
    make_learner: MakeLearner,
) -> None:
    """Logits and meta-gradients agree to 1e-10, where steps are clipped and where they are not."""
    learner = make_learner(
        "column_kernel", adapt="head+scales", inner_lr=inner_lr, inner_steps=inner_steps
    )
    results = []
    for is_written_out in (True, False):
        learner.is_written_out = is_written_out
        logits_TQW = learner(batch)
        loss = cross_entropy(logits_TQW, batch.y_TQ).mean()
        gradients = torch.autograd.grad(loss, tuple(learner.parameters()), allow_unused=True)
        results.append((logits_TQW, gradients))

    (logits_TQW, gradients), (expected_TQW, expected) = results
    torch.testing.assert_close(logits_TQW, expected_TQW, rtol=0, atol=1e-10)
    for one, other in zip(gradients, expected, strict=True):
        if other is not None:
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)
    moved = dict(zip((name for name, _ in learner.named_parameters()), gradients, strict=True))
    assert moved["log_scale_gain"].abs() > 0


def test_the_lean_form_without_gradients_gives_the_same_offsets(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Evaluation, which keeps no maps, moves the scales as training does."""
    learner = make_learner("column_kernel", adapt="head+scales", inner_lr=0.5, inner_steps=4)

    trained_TQW = learner(batch)
    with torch.no_grad():
        scored_TQW = learner(batch)

    torch.testing.assert_close(scored_TQW, trained_TQW.detach(), rtol=0, atol=1e-10)


def test_one_kernel_of_all_rows_is_what_adapting_and_predicting_give(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """An exported classifier computes what meta-training and evaluation computed."""
    learner = make_learner("column_kernel", adapt="head+scales", inner_steps=2)

    with torch.no_grad():
        at_once_TQW = learner(batch)
        apart_TQW = learner.predict(learner.adapt(batch), batch.x_query_TQFH)

    torch.testing.assert_close(at_once_TQW, apart_TQW, rtol=0, atol=1e-10)
