"""What labelled rows tell of each column of an episode.

A learner's column network reads it beside the statistics that the scaling gives. Every statistic
is invariant to the order of rows and of classes, so that the network is equivariant to the order
of columns and blind to the names of classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autometa.tables import N_STATISTICS

if TYPE_CHECKING:
    from autometa.episodes._batch import EpisodeBatch

SUPPORT_STATISTICS = 9
COLUMN_STATISTICS = N_STATISTICS + SUPPORT_STATISTICS
"""Statistics of a column: those of the rows that the scaling saw, then those of labelled rows."""

MAX_WAYS = 5
"""Most ways of a task in training; what learners are told of more is clamped to it."""

MAX_COLUMNS = 40
"""Most columns of a task in training; what learners are told of more is clamped to it."""

_MAX_SHOTS = 30.0


def support_statistics(batch: EpisodeBatch) -> Tensor:
    """Returns the statistics of each column on the labelled rows (TFJ, nine of them).

    Half the log ratio of between-class to within-class variance (0 where every class has one
    row), their square roots, half the range of the class means, and the logarithms of columns,
    shots and rows seen, whether every class has a single row, and the number of ways. Ways, columns
    and shots beyond those of training are clamped.
    """
    labels_TWS, present_TW1 = batch.labels_TWS, batch.present_TW[..., None]
    z_TSF = batch.x_support_TSFH[..., 0]
    shots_TW1 = batch.shots_TW.clamp_min(1)[..., None]
    way_mask_TW1 = batch.way_mask_TW[..., None]
    ways_T1 = batch.present_TW.sum(1, keepdim=True)
    support_T1 = batch.shots_TW.sum(1, keepdim=True)

    means_TWF = batch.averaging_TWS @ z_TSF
    centre_TF = means_TWF.sum(1) / ways_T1
    between_TF = ((means_TWF - centre_TF[:, None]).square() * present_TW1).sum(1) / ways_T1
    is_row_TS1 = labels_TWS.sum(1)[..., None]
    spread_TSF = (z_TSF - labels_TWS.mT @ means_TWF) * is_row_TS1
    freedom_T1 = support_T1 - ways_T1
    within_TF = spread_TSF.square().sum(1) / freedom_T1.clamp_min(1)
    # Variance of a class mean under the pooled within-class variance, averaged over the classes.
    inverse_shots_T1 = (present_TW1 / shots_TW1).sum(1) / ways_T1
    ratio_TF = torch.log((between_TF + 0.05) / (within_TF * inverse_shots_T1 + 0.05))
    ratio_TF = torch.where(freedom_T1 > 0, ratio_TF, torch.zeros_like(ratio_TF))
    far = torch.finfo(z_TSF.dtype).max
    range_TF = means_TWF.masked_fill(~way_mask_TW1, -far).amax(1) - means_TWF.masked_fill(
        ~way_mask_TW1, far
    ).amin(1)

    shots_T1 = (support_T1 / ways_T1).clamp(1, _MAX_SHOTS)
    per_task = [
        batch.columns_T1.clamp_max(MAX_COLUMNS).log() / 3,
        shots_T1.log() / 2,
        (freedom_T1 == 0).to(z_TSF.dtype),
        (ways_T1.clamp_max(MAX_WAYS) - 3) / 2,
        batch.fit_rows_T[:, None].clamp_min(1).log() / 4 - 1,
    ]
    per_column = [
        ratio_TF / 2,
        (between_TF + 1e-6).sqrt(),
        (within_TF + 1e-6).sqrt(),
        range_TF / 2,
        *(value_T1.expand_as(between_TF) for value_T1 in per_task),
    ]
    return torch.stack(per_column, -1)
