"""The dual head and what surrounds it against direct formulations."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autometa.episodes import COLUMN_STATISTICS, Episode, EpisodeBatch, EpisodeInputs
from autometa.learners import AbstractLearner
from autometa.learners._column_kernel import ColumnKernel
from autometa.learners._leave_one_out import LeaveOneOut
from autometa.learners._temperature import temperature

MakeLearner = Callable[..., AbstractLearner]
Task = tuple[Episode, EpisodeInputs]


def published_logits(learner: ColumnKernel, batch: EpisodeBatch, outputs_TFO: Tensor) -> Tensor:
    """Returns the logits of balanced tasks by the listing that the learner was designed after."""
    support, ways = batch.support_rows, batch.ways
    shots = support / ways
    labels_TSW = batch.labels_TSW
    mask_TF = batch.column_mask_TF.double()
    columns_T1 = mask_TF.sum(1, keepdim=True)

    def mixture(logit_TF: Tensor) -> Tensor:
        share = torch.sigmoid(logit_TF)[:, None]
        return batch.x_TRFH[..., 0] * share + batch.x_TRFH[..., 1] * (1 - share)

    linear_scale = (outputs_TFO[..., 0].exp() * mask_TF / columns_T1.sqrt())[:, None]
    x_TRF = mixture(outputs_TFO[..., 1]) * linear_scale * 1.5
    u_TRF = (
        mixture(outputs_TFO[..., 2]) * (outputs_TFO[..., 3].exp() * mask_TF / columns_T1)[:, None]
    )
    distance_TRS = (u_TRF[:, :, None] - u_TRF[:, None, :support]).abs().sum(-1)
    w = learner.log_kernel_weights.exp()
    kernel_TRS = w[0] * x_TRF @ x_TRF[:, :support].mT + 4 * w[1] * torch.exp(-distance_TRS)
    kss, kqs = kernel_TRS[:, :support], kernel_TRS[:, support:]

    head = learner.head
    averages = labels_TSW / shots
    gain = torch.exp(head.log_gain[0] + head.log_gain[1] * math.log(shots))
    norms = (averages * (kss @ averages)).sum(1)
    alpha = gain * (averages - averages.mean(-1, keepdim=True))
    bias = -0.5 * gain * (norms - norms.mean(-1, keepdim=True))
    for _ in range(head.head_steps):
        error = (torch.softmax(kss @ alpha + bias[:, None], -1) - labels_TSW) * ways / support
        alpha = alpha * (1 - head.head_lr * 0.1 * head.log_decay.exp()) - head.head_lr * error
        bias = bias - 0.5 * head.head_lr * error.sum(1)
    factor_T = temperature(learner.log_temperature, batch)
    return (kqs @ alpha + bias[:, None]) * factor_T[:, None, None]


@pytest.mark.parametrize("shot", [1, 4])
@pytest.mark.parametrize("steps", [0, 10])
def test_balanced_tasks_give_the_published_logits(
    shot: int,
    steps: int,
    draw_: Callable[..., Task],
    pack_: Callable[..., EpisodeBatch],
    make_learner: MakeLearner,
) -> None:
    """With equal counts the learner is the kernel classifier of the design, step for step."""
    batch = pack_([draw_([shot] * 3, 6, seed=seed) for seed in range(2)])
    learner = make_learner(
        "column_kernel",
        adapt="head",
        head="descent",
        gate=False,
        inner_lr=0.8,
        inner_steps=steps,
    )
    assert isinstance(learner, ColumnKernel)
    outputs_TFO = learner.column_network(batch.column_statistics_TFJ)

    logits_TQW = learner(batch)

    expected = published_logits(learner, batch, outputs_TFO)
    torch.testing.assert_close(logits_TQW, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("head", ["descent", "ridge"])
def test_class_balance_has_no_effect_on_equal_counts(
    head: str,
    draw_: Callable[..., Task],
    pack_: Callable[..., EpisodeBatch],
    make_learner: MakeLearner,
) -> None:
    """The learned class balance matters for unequal counts only."""
    learner = make_learner("column_kernel", adapt="head", head=head, gate=False)
    assert isinstance(learner, ColumnKernel)
    equal, unequal = pack_([draw_([3, 3], 5, seed=1)]), pack_([draw_([1, 5], 5, seed=1)])
    before = learner(equal), learner(unequal)

    with torch.no_grad():
        learner.head.balance.fill_(4.0)

    torch.testing.assert_close(learner(equal), before[0], rtol=0, atol=1e-12)
    assert (learner(unequal) - before[1]).abs().max() > 1e-3


def test_dual_steps_are_gradient_steps_on_an_explicit_head(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """With the linear kernel alone, moving alpha is descending a weight matrix on the features."""
    learner = make_learner(
        "column_kernel",
        adapt="head",
        head="descent",
        gate=False,
        inner_lr=0.5,
        inner_steps=7,
    )
    assert isinstance(learner, ColumnKernel)
    head = learner.head
    with torch.no_grad():
        learner.log_kernel_weights[1] = float("-inf")
        adapted = learner.adapt(batch)
        logits_TQW = learner.predict(adapted, batch.x_query_TQFH)

    gain0, gain1 = (value.item() for value in head.log_gain)
    factor_T = temperature(learner.log_temperature, batch).detach()
    decay = 0.1 * head.log_decay.exp().item()
    for task in range(batch.tasks):
        ways = int(batch.way_mask_TW[task].sum())
        rows = batch.y_TS[task] >= 0
        y_S = batch.y_TS[task][rows]
        weight = learner.log_kernel_weights[0].exp().sqrt().detach()
        phi_SP = weight * adapted["linear_support"][task][rows].detach()
        shots_W = torch.bincount(y_S).double()
        mean_shots = len(y_S) / ways
        prototypes_WP = torch.stack([phi_SP[y_S == way].mean(0) for way in range(ways)])
        gain = math.exp(gain0 + gain1 * math.log(mean_shots))
        norms_W = prototypes_WP.square().sum(1)
        weight_PW = gain * (prototypes_WP - prototypes_WP.mean(0)).T
        bias_W = -0.5 * gain * (norms_W - norms_W.mean())
        row_weight_S = (
            (mean_shots / shots_W[y_S]) ** head.balance.sigmoid().item() * ways / len(y_S)
        )

        for _ in range(7):
            weight_PW, bias_W = weight_PW.requires_grad_(), bias_W.requires_grad_()
            losses_S = torch.nn.functional.cross_entropy(
                phi_SP @ weight_PW + bias_W, y_S, reduction="none"
            )
            loss = (row_weight_S * losses_S).sum()
            slopes = torch.autograd.grad(loss, (weight_PW, bias_W))
            weight_PW = (weight_PW - 0.5 * (slopes[0] + decay * weight_PW)).detach()
            bias_W = (bias_W - 0.5 * 0.5 * slopes[1]).detach()

        x_QF = batch.x_query_TQFH[task]
        share = adapted["linear_mix"][task]
        phi_QP = share * x_QF[..., 0] + (1 - share) * x_QF[..., 1]
        phi_QP = weight * phi_QP * adapted["linear_scale"][task]
        expected_QW = factor_T[task] * (phi_QP @ weight_PW + bias_W)
        torch.testing.assert_close(
            logits_TQW[task, :, :ways], expected_QW.detach(), rtol=0, atol=1e-8
        )


def test_scales_descend_the_leave_one_out_loss(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Small steps of the scales lower the leave-one-out loss, and only steps move them."""
    losses, scales = [], []

    for inner_steps in (0, 1, 4):
        learner = make_learner(
            "column_kernel", adapt="head+scales", inner_lr=0.02, inner_steps=inner_steps
        )
        assert isinstance(learner, ColumnKernel)
        with torch.no_grad():
            learner.log_kernel_weights[0] = 0.0  # the scales hold it, and this loss does not
            adapted = learner.adapt(batch)
        scales.append(adapted["linear_scale"])
        labels_TSW = batch.labels_TSW
        left_out = LeaveOneOut(adapted["linear_support"], batch.labels_TWS, batch.shots_TW)
        ones_TF = torch.ones_like(adapted["linear_scale"])
        logits_TSW = learner.log_scale_gain.exp() * left_out.logits(ones_TF).mT
        logits_TSW = logits_TSW.masked_fill(~batch.way_mask_TW[:, None], float("-inf"))
        scored_TS = (labels_TSW @ batch.shots_TW[..., None])[..., 0] > 1
        own_TS = (logits_TSW.log_softmax(-1) * labels_TSW).nan_to_num().sum(-1)
        losses.append(-(own_TS * scored_TS).sum(1) / scored_TS.sum(1))

    assert (losses[1] < losses[0]).all()
    assert (losses[2] < losses[1]).all()
    assert not torch.equal(scales[0], scales[1])


def test_scales_stay_where_no_class_has_two_rows(
    draw_: Callable[..., Task], pack_: Callable[..., EpisodeBatch], make_learner: MakeLearner
) -> None:
    """At one shot there is nothing to leave out, and the inner loop leaves the scales alone."""
    batch = pack_([draw_([1, 1, 1], 5, seed=4)])

    scales = [
        make_learner("column_kernel", adapt="head+scales", inner_lr=1.0, inner_steps=steps).adapt(
            batch
        )["linear_scale"]
        for steps in (0, 5)
    ]

    torch.testing.assert_close(scales[0], scales[1], rtol=0, atol=0)


def test_column_statistics_match_their_definitions(
    draw_: Callable[..., Task], pack_: Callable[..., EpisodeBatch]
) -> None:
    """Variances between and within classes, their ratio and the range are those of the rows."""
    task = draw_([2, 4, 3], 4, seed=7)
    batch = pack_([task, draw_([1] * 5, 6, seed=8)])

    statistics_TFJ = batch.column_statistics_TFJ

    assert statistics_TFJ.shape == (2, 6, COLUMN_STATISTICS)
    z_SF, y_S = batch.x_support_TSFH[0, :9, :4, 0], batch.y_TS[0, :9]
    groups = [z_SF[y_S == way] for way in range(3)]
    means_WF = torch.stack([group.mean(0) for group in groups])
    between_F = means_WF.var(0, unbiased=False)
    within_F = sum((group - group.mean(0)).square().sum(0) for group in groups) / (9 - 3)
    error_F = within_F * (1 / 2 + 1 / 4 + 1 / 3) / 3
    expected = torch.stack(
        [
            ((between_F + 0.05) / (error_F + 0.05)).log() / 2,
            (between_F + 1e-6).sqrt(),
            (within_F + 1e-6).sqrt(),
            (means_WF.amax(0) - means_WF.amin(0)) / 2,
        ],
        -1,
    )
    torch.testing.assert_close(statistics_TFJ[0, :4, 9:13], expected, rtol=0, atol=1e-12)
    # log of 3 usable columns, of 3 shots; not single rows; 3 ways; 18 rows seen.
    per_task = [math.log(3) / 3, math.log(3) / 2, 0.0, 0.0, math.log(18) / 4 - 1]
    torch.testing.assert_close(
        statistics_TFJ[0, 0, 13:], torch.tensor(per_task, dtype=torch.float64), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(statistics_TFJ[0, :4, :9], batch.stats_TFJ[0, :4])
    assert (statistics_TFJ[1, :, 9] == 0).all()
    assert (statistics_TFJ[1, :, 15] == 1).all()
