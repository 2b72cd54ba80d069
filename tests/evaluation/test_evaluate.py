"""Scores of a learner: batching, padding, divergence."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from autometa.episodes import EpisodeBatch, episode_inputs
from autometa.evaluation import EvaluationTask, score_learner, score_probabilities
from autometa.evaluation._batches import _chunks
from autometa.tables import ScaledTable


class Centroids(nn.Module):
    """Nearest class centroid on the z-scores: a learner without weights."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.modes: list[bool] = []
        self.gradients: list[bool] = []

    def forward(self, batch: EpisodeBatch) -> Tensor:
        """Returns minus half the squared distances to the means of the support rows."""
        self.shapes.append(tuple(batch.x_TRFH.shape[:3]))
        self.modes.append(self.training)
        self.gradients.append(torch.is_grad_enabled())
        one_hot = (batch.y_TS[..., None] == torch.arange(batch.ways)).to(batch.x_TRFH.dtype)
        means = torch.einsum("tsw,tsf->twf", one_hot, batch.x_support_TSFH[..., 0])
        means = means / batch.shots_TW.clamp_min(1)[..., None]
        logits = -((batch.x_query_TQFH[..., 0][:, :, None] - means[:, None]) ** 2).sum(-1) / 2
        return logits.masked_fill(~batch.way_mask_TW[:, None], -1e9)


def test_scores_are_those_of_each_episode_alone(tasks: list[EvaluationTask]) -> None:
    """Padding of rows, columns and ways in a batch of all tasks leaves no trace."""
    frame = score_learner(Centroids(), tasks, method="centroids").frame

    rows = frame.to_dict("records")
    assert len(rows) == 12
    for number, row in enumerate(rows):
        task, index = tasks[number // 3], number % 3
        episode = task.episodes[index]
        x_SF, x_QF = episode_inputs(task.table, episode, task.setting)
        means = np.stack(
            [x_SF[episode.support_labels_S == way].mean(axis=0) for way in range(episode.ways)]
        )
        likelihood = np.exp(-((x_QF[:, None] - means) ** 2).sum(axis=-1) / 2)
        expected = score_probabilities(
            likelihood / likelihood.sum(axis=1, keepdims=True), episode.query_labels_Q
        )
        assert (row["table"], row["episode"]) == (task.table.name, index)
        assert (row["shot"], row["setting"], row["role"]) == (task.shot, task.setting, task.role)
        assert row["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-4)
        assert row["accuracy"] == pytest.approx(expected["accuracy"])


@pytest.mark.parametrize("cells", [1, 300, 2000])
def test_the_size_of_batches_changes_no_score(tasks: list[EvaluationTask], cells: int) -> None:
    """Batches stay below the limit, unless a single episode is above it."""
    learner = Centroids()
    whole = score_learner(Centroids(), tasks, method="m", dtype=torch.float64).frame

    frame = score_learner(learner, tasks, method="m", cells=cells, dtype=torch.float64).frame

    pd.testing.assert_frame_equal(frame, whole)
    assert all(math.prod(shape) <= cells or shape[0] == 1 for shape in learner.shapes)
    assert sum(shape[0] for shape in learner.shapes) == 12


def test_the_learner_is_left_as_it_was(tasks: list[EvaluationTask]) -> None:
    """Evaluation runs without gradients in evaluation mode, and gives the mode back."""
    learner = Centroids()
    learner.train()

    score_learner(learner, tasks, method="m")

    assert learner.training
    assert not any(learner.modes)
    assert not any(learner.gradients)


def test_the_mode_comes_back_after_an_error(tasks: list[EvaluationTask]) -> None:
    """A learner that fails is still in training mode afterwards."""

    class Failing(nn.Module):
        def forward(self, batch: EpisodeBatch) -> Tensor:
            raise RuntimeError("singular")

    learner = Failing()

    with pytest.raises(RuntimeError, match="singular"):
        score_learner(learner, tasks, method="m")

    assert learner.training


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_episode_scores_as_chance_and_spares_the_others(
    tasks: list[EvaluationTask], value: float
) -> None:
    """Only the episode whose logits are not finite counts as diverged."""

    def diverging(batch: EpisodeBatch) -> Tensor:
        logits = Centroids()(batch)
        logits[0, 0, 0] = value
        return logits

    frame = score_learner(diverging, tasks, method="m").frame

    lost = frame[frame["diverged"]]
    assert len(lost) == 1
    assert lost["log_loss"].iloc[0] == pytest.approx(-math.log(lost["accuracy"].iloc[0]))


def test_logits_of_padding_are_ignored(tasks: list[EvaluationTask]) -> None:
    """What a learner says about rows and ways that do not exist has no effect."""

    def careless(batch: EpisodeBatch) -> Tensor:
        logits = Centroids()(batch)
        logits[batch.y_TQ < 0] = math.nan
        return logits.masked_fill(~batch.way_mask_TW[:, None], math.nan)

    careful = score_learner(Centroids(), tasks, method="m")

    assert score_learner(careless, tasks, method="m").frame.equals(careful.frame)


def test_batches_carry_the_axes_that_the_learner_asks_for(tasks: list[EvaluationTask]) -> None:
    """The attribute components decides how many principal axes are packed."""
    seen = []

    class Projected(Centroids):
        components = 2

        def forward(self, batch: EpisodeBatch) -> Tensor:
            seen.append(batch.basis_TFC)
            return super().forward(batch)

    score_learner(Projected(), tasks, method="m")
    score_learner(Centroids(), tasks, method="m")

    assert len(seen) == 1
    assert seen[0] is not None
    assert seen[0].shape[2] == 2


def test_progress_counts_episodes(tasks: list[EvaluationTask]) -> None:
    """Progress ends at the number of episodes."""
    progress: list[tuple[int, int]] = []

    score_learner(
        Centroids(),
        tasks,
        method="m",
        cells=300,
        on_progress=lambda *counts: progress.append(counts),
    )

    assert progress[-1] == (12, 12)
    assert progress == sorted(set(progress))


def test_large_tables_do_not_crowd_a_batch(
    make_table: Callable[..., ScaledTable], make_task: Callable[..., EvaluationTask]
) -> None:
    """Episodes of like size share a batch, so that narrow ones are not padded to wide ones."""
    learner = Centroids()
    tasks = [make_task(make_table(f"{n}-{copy}", columns=n)) for copy in range(2) for n in (3, 40)]

    score_learner(learner, tasks, method="m", cells=5000)

    assert sum(math.prod(shape) for shape in learner.shapes) < 2 * 3 * 24 * (3 + 40) * 1.4


def test_no_tasks_give_an_empty_sheet() -> None:
    """Nothing to score is no error."""
    assert len(score_learner(Centroids(), [], method="m")) == 0


def test_every_episode_is_in_one_chunk() -> None:
    """Chunks are runs of the order, none is empty."""
    sizes = [(2, 3, 10)] * 4 + [(5, 100, 90)] + [(5, 100, 200)]

    chunks = list(_chunks(range(6), sizes, 100))

    assert chunks == [[0, 1, 2], [3], [4], [5]]
