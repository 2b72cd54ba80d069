"""The closed form of the inner loop of column scales, against brute force and against autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.learners import AbstractLearner
from autometa.learners._base import cross_entropy, without_absent_ways
from autometa.learners._column_kernel import ColumnKernel
from autometa.learners._inner_loop import Fast, descend, support_gradient
from autometa.learners._leave_one_out import LeaveOneOut
from autometa.learners._scale_descent import bounded

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


def _offset_by_autograd(
    learner: ColumnKernel,
    batch: EpisodeBatch,
    linear_TSF: Tensor,
    base_TF: Tensor,
    columns_T1: Tensor,
) -> Tensor:
    """What ``ColumnKernel._adapted_offset`` returns, by differentiating the loss itself."""
    labels_TSW = batch.labels_TSW
    own_shots_TS = (labels_TSW * batch.shots_TW[:, None]).sum(-1)
    scored_TS = torch.where(own_shots_TS > 1, batch.y_TS, torch.full_like(batch.y_TS, -1))

    def loss(fast: Fast) -> Tensor:
        scaled_TSF = linear_TSF * (base_TF * bounded(fast["offset"]).exp())[:, None]
        left_out = LeaveOneOut(scaled_TSF, batch.labels_TWS, batch.shots_TW)
        logits_TWS = learner.log_scale_gain.exp() * left_out.logits(torch.ones_like(base_TF))
        logits_TSW = logits_TWS.mT
        return cross_entropy(without_absent_ways(logits_TSW, batch.way_mask_TW), scored_TS)

    def direction(fast: Fast) -> Fast:
        gradient = support_gradient(loss, fast, order="second", clip=3.0)
        return {"offset": (gradient["offset"] * columns_T1).clamp(-3.0, 3.0)}

    start = {"offset": torch.zeros_like(base_TF)}
    config = learner.config
    moved = descend(start, direction, inner_lr=config.inner_lr, inner_steps=config.inner_steps)
    return bounded(moved["offset"])


@pytest.mark.parametrize(("inner_lr", "inner_steps"), [(0.3, 1), (0.3, 5), (3.0, 3)])
def test_closed_form_is_autograd_to_second_order(
    inner_lr: float,
    inner_steps: int,
    batch: EpisodeBatch,
    make_learner: MakeLearner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Logits and meta-gradients agree to 1e-10, where steps are clipped and where they are not."""
    learner = make_learner(
        "column_kernel", adapt="head+scales", inner_lr=inner_lr, inner_steps=inner_steps
    )
    results = []
    for is_oracle in (False, True):
        if is_oracle:
            monkeypatch.setattr(ColumnKernel, "_adapted_offset", _offset_by_autograd)
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
