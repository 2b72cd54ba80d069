"""MAML against a plain per-task implementation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autometa.episodes import Episode, EpisodeBatch, EpisodeInputs
from autometa.learners import AbstractLearner, Maml
from autometa.learners._temperature import temperature

MakeLearner = Callable[..., AbstractLearner]
Task = tuple[Episode, EpisodeInputs]


def features(weights: list[Tensor], biases: list[Tensor], x_RC: Tensor) -> Tensor:
    """Returns the inputs beside the hidden units of the last layer."""
    h_RP = x_RC
    for weight, bias in zip(weights, biases, strict=True):
        h_RP = F.relu(h_RP @ weight + bias)
    return torch.cat([x_RC, 1.5 * h_RP / math.sqrt(h_RP.shape[1])], 1)


def projected(batch: EpisodeBatch, task: int) -> Tensor:
    """Returns the inputs (RC) of a task whose columns are only projected."""
    assert batch.basis_TFC is not None
    columns = int(batch.column_mask_TF[task].sum())
    return 1.5 / math.sqrt(columns) * batch.x_TRFH[task, ..., 0] @ batch.basis_TFC[task]


def plain_maml(learner: Maml, batch: EpisodeBatch, task: int) -> Tensor:
    """Returns the query logits of one task by the algorithm as the paper states it."""
    ways = int(batch.way_mask_TW[task].sum())
    rows = batch.y_TS[task] >= 0
    x_RC = projected(batch, task)
    x_SC, x_QC = x_RC[: batch.support_rows][rows], x_RC[batch.support_rows :]
    y_S = batch.y_TS[task][rows]
    log_shots = math.log(len(y_S) / ways)
    weights, biases = list(learner.weights), list(learner.biases)
    depth = len(weights)
    h_SP = features(weights, biases, x_SC)
    if learner.config.head == "zero":
        head = [h_SP.new_zeros(h_SP.shape[1], ways), h_SP.new_zeros(ways)]
    else:
        c_WP = torch.stack([h_SP[y_S == way].mean(0) for way in range(ways)])
        n_W = c_WP.square().sum(1)
        gain = torch.exp(learner.log_gain[0] + learner.log_gain[1] * log_shots)
        head = [gain * (c_WP - c_WP.mean(0)).T, -gain * (n_W - n_W.mean()) / 2]
    theta = [value.detach().requires_grad_() for value in [*weights, *biases, *head]]
    for _ in range(learner.config.inner_steps):
        loss = F.cross_entropy(
            features(theta[:depth], theta[depth:-2], x_SC) @ theta[-2] + theta[-1], y_S
        )
        slopes = torch.autograd.grad(loss, theta)
        theta = [
            (value - learner.config.inner_lr * slope).detach().requires_grad_()
            for value, slope in zip(theta, slopes, strict=True)
        ]
    logits_QW = features(theta[:depth], theta[depth:-2], x_QC) @ theta[-2] + theta[-1]
    return (logits_QW * temperature(learner.log_temperature, batch)[task]).detach()


@pytest.mark.parametrize("name", ["maml", "fomaml"])
@pytest.mark.parametrize("head", ["prototype", "zero"])
def test_adaptation_is_that_of_the_paper_task_by_task(
    name: str, head: str, batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Batched over tasks or one by one, all weights descend the support loss of their task."""
    learner = make_learner(name, inputs="projected", head=head, inner_lr=0.1, inner_steps=3)
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
    learner = make_learner("maml", inputs="projected", inner_steps=0, jitter=0.1)
    assert isinstance(learner, Maml)

    p_TQW = learner(batch).softmax(-1)

    for task in range(batch.tasks):
        h_RP = features(list(learner.weights), list(learner.biases), projected(batch, task))
        h_SP, h_QP = h_RP[: batch.support_rows], h_RP[batch.support_rows :]
        ways = int(batch.way_mask_TW[task].sum())
        log_shots = math.log(int((batch.y_TS[task] >= 0).sum()) / ways)
        gain = torch.exp(learner.log_gain[0] + learner.log_gain[1] * log_shots)
        sharpness = 0.5 * gain * temperature(learner.log_temperature, batch)[task]
        c_WP = torch.stack([h_SP[batch.y_TS[task] == way].mean(0) for way in range(ways)])
        expected_QW = (-sharpness * torch.cdist(h_QP, c_WP).square()).softmax(-1)
        torch.testing.assert_close(p_TQW[task, :, :ways], expected_QW, rtol=0, atol=1e-8)


def test_columns_beyond_the_inputs_are_folded(
    draw_: Callable[..., Task], pack_: Callable[..., EpisodeBatch], make_learner: MakeLearner
) -> None:
    """Input c is the sum of columns c, c + 4, ... at the scale of all columns."""
    batch = pack_([draw_([2, 2], 7, seed=1)])
    learner = make_learner("maml", inputs="padded", columns=4)

    projection_FC = learner.adapt(batch)["projection"][0]

    # The seventh column is constant and counts for nothing.
    slots = torch.tensor([0, 1, 2, 3, 0, 1])
    expected = torch.zeros(7, 4, dtype=torch.float64)
    expected[torch.arange(6), slots] = 1.5 / math.sqrt(6)
    torch.testing.assert_close(projection_FC, expected)


def test_fresh_column_networks_treat_all_columns_alike(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Meta-training of ``columns`` starts at ``projected`` on the mean of both channels."""
    learner = make_learner("maml", inputs="columns", jitter=0)
    plain = make_learner("maml", inputs="projected", jitter=0)
    mean_TRF = batch.x_TRFH.mean(-1)
    mixed = dataclasses.replace(batch, x_TRFH=torch.stack([mean_TRF, mean_TRF], -1))

    torch.testing.assert_close(learner(batch), plain(mixed), rtol=0, atol=1e-9)


def test_the_column_network_changes_what_a_column_counts(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """A scale that it reads off one statistic multiplies the inputs of each column by it."""
    learner = make_learner("maml", inputs="columns", depth=1, jitter=0)
    before_TFC = learner.adapt(batch)["projection"]
    with torch.no_grad():
        learner.get_parameter("column_network.0.weight")[0, 3] = 0.7

    after_TFC = learner.adapt(batch)["projection"]

    scale_TF1 = torch.exp(0.7 * batch.stats_TFJ[..., 3:4])
    torch.testing.assert_close(after_TFC, before_TFC * scale_TF1)


def test_the_head_alone_moves_where_it_is_asked_for(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """ANIL leaves the body where it was, task by task, and with no step it is MAML."""
    learner = make_learner("maml", adapt="head", inner_steps=3)
    assert isinstance(learner, Maml)
    start = make_learner("maml", adapt="all", inner_steps=0).adapt(batch)

    adapted = learner.adapt(batch)

    for name, value in adapted.items():
        moved = name in {"head_weight", "skip_weight", "head_bias"}
        assert torch.equal(value, start[name]) is not moved, name
