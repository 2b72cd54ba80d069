"""MAML against a plain per-task implementation."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autometa.episodes import Episode, EpisodeBatch, EpisodeInputs
from autometa.learners import AbstractLearner, Maml

MakeLearner = Callable[..., AbstractLearner]
Task = tuple[Episode, EpisodeInputs]


def embed(weights: list[Tensor], biases: list[Tensor], x_RC: Tensor) -> Tensor:
    """Returns the hidden units of the last layer."""
    for weight, bias in zip(weights, biases, strict=True):
        x_RC = F.relu(x_RC @ weight + bias)
    return x_RC


def plain_maml(learner: Maml, batch: EpisodeBatch, task: int) -> Tensor:
    """Returns the query logits of one task by the algorithm as the paper states it."""
    assert batch.basis_TFC is not None
    ways = int(batch.way_mask_TW[task].sum())
    rows = batch.y_TS[task] >= 0
    x_SC = batch.x_support_TSFH[task][rows][..., 0] @ batch.basis_TFC[task]
    x_QC = batch.x_query_TQFH[task][..., 0] @ batch.basis_TFC[task]
    y_S = batch.y_TS[task][rows]
    weights, biases = list(learner.weights), list(learner.biases)
    depth = len(weights)
    h_SP = embed(weights, biases, x_SC)
    if learner.config.head == "zero":
        head = [h_SP.new_zeros(h_SP.shape[1], ways), h_SP.new_zeros(ways)]
    else:
        c_WP = torch.stack([h_SP[y_S == way].mean(0) for way in range(ways)])
        gain = learner.log_gain.exp() / math.sqrt(h_SP.shape[1])
        head = [2 * gain * c_WP.T, -gain * c_WP.square().sum(1)]
    theta = [value.detach().requires_grad_() for value in [*weights, *biases, *head]]
    for _ in range(learner.config.inner_steps):
        loss = F.cross_entropy(
            embed(theta[:depth], theta[depth:-2], x_SC) @ theta[-2] + theta[-1], y_S
        )
        slopes = torch.autograd.grad(loss, theta)
        theta = [
            (value - learner.config.inner_lr * slope).detach().requires_grad_()
            for value, slope in zip(theta, slopes, strict=True)
        ]
    logits_QW = embed(theta[:depth], theta[depth:-2], x_QC) @ theta[-2] + theta[-1]
    return (logits_QW * learner.log_temperature.exp()).detach()


@pytest.mark.parametrize("name", ["maml", "fomaml"])
@pytest.mark.parametrize("head", ["prototype", "zero"])
def test_adaptation_is_that_of_the_paper_task_by_task(
    name: str, head: str, batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Batched over tasks or one by one, all weights descend the support loss of their task."""
    learner = make_learner(name, head=head, inner_lr=0.1, inner_steps=3)
    assert isinstance(learner, Maml)

    logits_TQW = learner(batch).detach()

    for task in range(batch.tasks):
        expected_QW = plain_maml(learner, batch, task)
        ways = expected_QW.shape[1]
        torch.testing.assert_close(logits_TQW[task, :, :ways], expected_QW, rtol=0, atol=1e-8)


def test_without_steps_the_nearest_prototype_wins(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """The prototype head starts as a softmax over squared distances to the class means."""
    learner = make_learner("maml", inner_steps=0, jitter=0.1)
    assert isinstance(learner, Maml)
    assert batch.basis_TFC is not None
    sharpness = learner.log_gain.exp() / math.sqrt(5) * learner.log_temperature.exp()

    p_TQW = learner(batch).softmax(-1)

    for task in range(batch.tasks):
        x_RC = batch.x_TRFH[task, ..., 0] @ batch.basis_TFC[task]
        h_RP = embed(list(learner.weights), list(learner.biases), x_RC)
        h_SP, h_QP = h_RP[: batch.support_rows], h_RP[batch.support_rows :]
        ways = int(batch.way_mask_TW[task].sum())
        c_WP = torch.stack([h_SP[batch.y_TS[task] == way].mean(0) for way in range(ways)])
        expected_QW = (-sharpness * torch.cdist(h_QP, c_WP).square()).softmax(-1)
        torch.testing.assert_close(p_TQW[task, :, :ways], expected_QW, rtol=0, atol=1e-8)


def test_columns_beyond_the_inputs_are_folded(
    draw_: Callable[..., Task], pack_: Callable[..., EpisodeBatch], make_learner: MakeLearner
) -> None:
    """Input c is the sum of columns c, c + 4, ... over the root of their number."""
    batch = pack_([draw_([2, 2], 7, seed=1)])
    learner = make_learner("maml", inputs="padded", columns=4)

    projection_FC = learner.adapt(batch)["projection"][0]

    half = 0.5**0.5
    # The seventh column is constant and counts for nothing.
    expected = [[half, 0, 0, 0], [0, half, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    expected += [[half, 0, 0, 0], [0, half, 0, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(projection_FC, torch.tensor(expected, dtype=torch.float64))
