"""How sure to be of a task: a meta-learned factor on its logits.

Adaptation cannot tell it, because the support rows are fitted. It is log-linear in what is known of
a task before its rows are read: a head is surer than it should be, or less so, in much the same
way on all tasks with as many shots, ways, columns and rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch

TEMPERATURE_WEIGHTS = 5
"""Value at the origin of a task's facts, and slopes in them."""
_MAX_WAYS = 5


def temperature(log_temperature_J: Tensor, batch: EpisodeBatch) -> Tensor:
    """Returns the factor of each task (T, above zero; one where all weights are zero)."""
    return (log_temperature_J[0] + _facts(batch) @ log_temperature_J[1:]).exp()


def log_shots(batch: EpisodeBatch) -> Tensor:
    """Returns the logarithm of the mean number of support rows per class (T)."""
    return (batch.shots_TW.sum(1) / batch.way_mask_TW.sum(1)).log()


def _facts(batch: EpisodeBatch) -> Tensor:
    """Returns the facts of each task (T, 4), each of the order of one.

    The logarithms of shots, columns and rows seen, and the ways, clamped to those of training.
    """
    dtype = batch.x_TRFH.dtype
    ways_T = batch.way_mask_TW.sum(1).clamp_max(_MAX_WAYS).to(dtype)
    columns_T = batch.column_mask_TF.sum(1).clamp_min(1).to(dtype)
    facts = [
        log_shots(batch),
        (ways_T - 3) / 2,
        columns_T.log() / 3 - 1,
        batch.fit_rows_T.clamp_min(1).log() / 4 - 1,
    ]
    return torch.stack(facts, 1)
