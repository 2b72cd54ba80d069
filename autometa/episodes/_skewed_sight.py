"""Training on rows without labels whose classes are as unequal as those of real tables.

The query rows of an episode are as many of each class. A learner that looks at them before it
predicts would learn to count on that, and be misled where some classes are rare.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from autometa.episodes._batch import EpisodeBatch

_SKEWED_SHARE = 0.5
_CONCENTRATIONS = (0.5, 1.0, 3.0)


def with_skewed_sight(batch: EpisodeBatch, *, rng: np.random.Generator) -> EpisodeBatch:
    """Returns the batch with fewer of the query rows visible in half of its tasks.

    Rows of a class stay visible with a probability of their own: shares of a Dirichlet distribution
    over the classes, the largest of them raised to one.

    Args:
        batch: tasks whose query rows are visible or not, as their settings have it.
        rng: source of randomness.
    """
    tasks, ways = batch.tasks, batch.ways
    concentration_T1 = rng.choice(_CONCENTRATIONS, size=(tasks, 1))
    # Floored, because gamma variables of a small shape may all be zero.
    share_TW = rng.gamma(np.broadcast_to(concentration_T1, (tasks, ways))) + 1e-9
    kept_TW = share_TW / share_TW.max(1, keepdims=True)
    kept_TW[rng.random(tasks) >= _SKEWED_SHARE] = 1.0
    way_TQ = batch.y_TQ.clamp_min(0).numpy()
    is_kept_TQ = rng.random(way_TQ.shape) < np.take_along_axis(kept_TW, way_TQ, 1)
    visible_TR = batch.visible_TR.clone()
    visible_TR[:, batch.support_rows :] &= torch.from_numpy(is_kept_TQ)
    return dataclasses.replace(batch, visible_TR=visible_TR)
