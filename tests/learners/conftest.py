"""Hand-made batches and learners for the tests of the learners."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from autometa.config import learner_config_class, learner_fields
from autometa.episodes import (
    Episode,
    EpisodeBatch,
    EpisodeInputs,
    assemble,
    principal_axes,
)
from autometa.learners import AbstractLearner, build_learner

COMPONENTS = 4


def draw_task(
    shots: Sequence[int], columns: int, *, seed: int, queries: int = 3
) -> tuple[Episode, EpisodeInputs]:
    """Returns Gaussian classes; the last column is constant and so not usable."""
    rng = np.random.default_rng(seed)
    ways = len(shots)
    support_labels = np.repeat(np.arange(ways), shots)
    query_labels = np.repeat(np.arange(ways), queries)
    labels = np.concatenate([support_labels, query_labels])
    centres = rng.normal(size=(ways, columns))
    z_RF = 0.5 * centres[labels] + 0.8 * rng.normal(size=(len(labels), columns))
    x_RFH = np.stack([z_RF, z_RF + 0.3 * np.tanh(2 * z_RF)], -1).astype(np.float32)
    usable_F = np.arange(columns) < columns - 1
    x_RFH[:, ~usable_F] = 0
    support = len(support_labels)
    episode = Episode(
        np.arange(support),
        support_labels,
        np.arange(support, len(labels)),
        query_labels,
        ways,
    )
    stats_FJ = rng.normal(size=(columns, 9)).astype(np.float32)
    return episode, EpisodeInputs(x_RFH, stats_FJ, usable_F, fit_rows=len(labels))


def pack_tasks(tasks: Sequence[tuple[Episode, EpisodeInputs]]) -> EpisodeBatch:
    """Returns the tasks as one float64 batch that carries principal axes."""
    episodes, inputs = zip(*tasks, strict=True)
    bases = [principal_axes(item.x_RFH[..., 0], COMPONENTS) for item in inputs]
    return assemble(episodes, inputs, bases).to("cpu", torch.float64)


@pytest.fixture
def tasks() -> list[tuple[Episode, EpisodeInputs]]:
    """Three tasks of unequal counts, columns and ways, so that every axis is padded."""
    return [
        draw_task([3, 2], 4, seed=1),
        draw_task([1, 4, 2], 7, seed=2, queries=4),
        draw_task([2, 2, 2, 2], 5, seed=3),
    ]


@pytest.fixture
def batch(tasks: list[tuple[Episode, EpisodeInputs]]) -> EpisodeBatch:
    """The three tasks as one float64 batch."""
    return pack_tasks(tasks)


@pytest.fixture
def pack_() -> Callable[[Sequence[tuple[Episode, EpisodeInputs]]], EpisodeBatch]:
    """The function that packs hand-made tasks."""
    return pack_tasks


@pytest.fixture
def draw_() -> Callable[..., tuple[Episode, EpisodeInputs]]:
    """The function that draws a hand-made task."""
    return draw_task


@pytest.fixture
def make_learner() -> Callable[..., AbstractLearner]:
    """A function from a name and fields to a float64 learner at random, non-degenerate weights."""

    def make(
        name: str, *, seed: int = 0, jitter: float = 0.15, **fields: object
    ) -> AbstractLearner:
        if name != "column_kernel":
            fields = {"columns": COMPONENTS} | fields
        # Some learners have no inner loop; what tests say of it to all of them is not for these.
        fields = {
            field: value
            for field, value in fields.items()
            if field not in ("inner_lr", "inner_steps") or field in learner_fields(name)
        }
        config = learner_config_class(name)(**{"width": 5, "depth": 2} | fields)
        learner = build_learner(config, seed=seed).double()
        generator = torch.Generator().manual_seed(seed + 100)
        with torch.no_grad():
            for parameter in learner.parameters():
                # Fresh weights hold zeros (last layer, biases) that hide wrong gradients.
                parameter.add_(
                    jitter * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                )
        return learner

    return make


@pytest.fixture
def finite_difference() -> Callable[[Callable[[], Tensor], Tensor, int], float]:
    """A function that differentiates a loss numerically in one coordinate of a parameter."""

    def differentiate(loss: Callable[[], Tensor], parameter: Tensor, index: int) -> float:
        step = 1e-5
        flat = parameter.detach().view(-1)
        kept = float(flat[index])
        values = []
        for sign in (1, -1):
            flat[index] = kept + sign * step
            with torch.no_grad():
                values.append(float(loss()))
        flat[index] = kept
        return (values[0] - values[1]) / (2 * step)

    return differentiate
