"""The dense tensors of a batch of few-shot tasks."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class EpisodeBatch:
    """T tasks, padded to common numbers of rows, columns and ways.

    Support rows come first: rows ``[:S]`` are support, rows ``[S:]`` query. Padding is marked by
    the masks and by labels of -1, and holds zeros.

    Attributes:
        x_TRFH: scaled cells, float; channel 0 z-score, channel 1 rank-gauss.
        stats_TFJ: statistics of each column on the rows that the scaling saw, float.
        y_TS: support labels, int64, -1 where padded.
        y_TQ: query labels, int64, -1 where padded.
        column_mask_TF: True where a column exists and is not constant.
        row_mask_TR: True where a row exists.
        way_mask_TW: True where a class exists.
        shots_TW: support rows of each class, float; 0 where padded.
        fit_rows_T: number of rows that the scaling saw, float.
        basis_TFC: principal axes of the rows that the scaling saw, of unit length; None where no
            learner asks for them.
    """

    x_TRFH: Tensor
    stats_TFJ: Tensor
    y_TS: Tensor
    y_TQ: Tensor
    column_mask_TF: Tensor
    row_mask_TR: Tensor
    way_mask_TW: Tensor
    shots_TW: Tensor
    fit_rows_T: Tensor
    basis_TFC: Tensor | None = None

    @property
    def tasks(self) -> int:
        """Number of tasks T."""
        return self.x_TRFH.shape[0]

    @property
    def support_rows(self) -> int:
        """Number of support rows S, padding included."""
        return self.y_TS.shape[1]

    @property
    def ways(self) -> int:
        """Number of ways W, padding included."""
        return self.way_mask_TW.shape[1]

    @property
    def x_support_TSFH(self) -> Tensor:
        """Cells of the support rows."""
        return self.x_TRFH[:, : self.support_rows]

    @property
    def x_query_TQFH(self) -> Tensor:
        """Cells of the query rows."""
        return self.x_TRFH[:, self.support_rows :]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> EpisodeBatch:
        """Returns the batch on a device, its floating tensors in the given precision."""
        moved = {}
        for field in fields(self):
            tensor = getattr(self, field.name)
            if tensor is not None:
                is_float = tensor.is_floating_point()
                moved[field.name] = tensor.to(device, dtype if is_float else None)
        return EpisodeBatch(**moved)
