"""The dense tensors of a batch of few-shot tasks."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from autometa.episodes._column_statistics import (
    MAX_COLUMNS,
    MAX_WAYS,
    support_statistics,
)


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
        visible_TR: True where the cells of a row may be looked at before it is predicted: those of
            support rows, and in settings with rows without labels those of query rows.
        basis_TFC: principal axes of the rows that the scaling saw, of unit length; None where no
            learner asks for them.

    >>> from autometa.episodes import evaluation_episodes, pack
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 2, "ways": 3, "queries": 10, "seed": 0}
    >>> episodes = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> batch = pack(episodes, [table, table], ["inductive", "transductive"])
    >>> tuple(batch.x_support_TSFH.shape), batch.visible_TR.sum(1).tolist()
    ((2, 15, 11, 2), [15, 45])
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
    visible_TR: Tensor
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

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors, the large ones included that are computed when first asked for."""
        tensors = [getattr(self, field.name) for field in fields(self)]
        tensors += [self.labels_TWS, self.averaging_TWS, self.query_shares_TWQ]
        tensors += [self.column_statistics_TFJ]
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)

    def all_labelled(self) -> EpisodeBatch:
        """Returns the same tasks with every row a support row, and none to be predicted."""
        y_TR = torch.cat([self.y_TS, self.y_TQ], 1)
        ways_W1 = torch.arange(self.ways, device=y_TR.device)[:, None]
        return replace(
            self,
            y_TS=y_TR,
            y_TQ=y_TR[:, :0],
            visible_TR=self.row_mask_TR,
            shots_TW=(y_TR[:, None] == ways_W1).sum(2).to(self.shots_TW.dtype),
        )

    # No weight of a learner has a part in what follows: it is computed once for all candidates
    # that train on the batch, or are scored on it.

    @cached_property
    def labels_TWS(self) -> Tensor:
        """One-hot support labels, in the precision of the cells; rows of padding are zero."""
        return self._one_hot(self.y_TS)

    @property
    def labels_TSW(self) -> Tensor:
        """The same, seen with rows before ways."""
        return self.labels_TWS.mT

    @cached_property
    def averaging_TWS(self) -> Tensor:
        """One-hot support labels over the rows of their class: products with them are means."""
        return self.labels_TWS / self.shots_TW.clamp_min(1)[..., None]

    @cached_property
    def query_shares_TWQ(self) -> Tensor:
        """One-hot query labels over the query rows of their task and over the tasks.

        The mean over tasks of each one's mean over rows is a sum with these weights.
        """
        rows_T11 = (self.y_TQ >= 0).sum(1).clamp_min(1)[:, None, None]
        return self._one_hot(self.y_TQ) / (rows_T11 * self.tasks)

    @cached_property
    def scored_shares_T1S(self) -> Tensor:
        """One over the number of support rows that are not alone in their class, 0 for others."""
        has_others_TW1 = (self.shots_TW > 1).to(self.x_TRFH.dtype)[..., None]
        scored_T1S = (self.labels_TWS * has_others_TW1).sum(1, keepdim=True)
        return scored_T1S / scored_T1S.sum(2, keepdim=True).clamp_min(1)

    @cached_property
    def present_TW(self) -> Tensor:
        """1 where a class exists, else 0, in the precision of the cells."""
        return self.way_mask_TW.to(self.x_TRFH.dtype)

    @cached_property
    def present_TF(self) -> Tensor:
        """1 where a column exists and is not constant, else 0."""
        return self.column_mask_TF.to(self.x_TRFH.dtype)

    @cached_property
    def columns_T1(self) -> Tensor:
        """Number of columns that are not constant, at least 1."""
        return self.present_TF.sum(1, keepdim=True).clamp_min(1)

    @cached_property
    def log_shots_T(self) -> Tensor:
        """Logarithm of the mean number of support rows per class."""
        return (self.shots_TW.sum(1) / self.present_TW.sum(1)).log()

    @cached_property
    def facts_TJ(self) -> Tensor:
        """What is known of a task before its rows are read: four facts, each of the order of one.

        The logarithms of shots, columns and rows seen, and the ways; ways and columns are clamped
        to those of training.
        """
        ways_T = self.present_TW.sum(1).clamp_max(MAX_WAYS)
        facts = [
            self.log_shots_T,
            (ways_T - 3) / 2,
            self.columns_T1[:, 0].clamp_max(MAX_COLUMNS).log() / 3 - 1,
            self.fit_rows_T.clamp_min(1).log() / 4 - 1,
        ]
        return torch.stack(facts, 1)

    @cached_property
    def column_statistics_TFJ(self) -> Tensor:
        """What the rows that the scaling saw and the labelled rows tell of each column.

        ``COLUMN_STATISTICS`` of them.
        """
        return torch.cat([self.stats_TFJ, support_statistics(self)], -1)

    def _one_hot(self, y_TR: Tensor) -> Tensor:
        ways_W1 = torch.arange(self.ways, device=y_TR.device)[:, None]
        return (y_TR[:, None] == ways_W1).to(self.x_TRFH.dtype)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> EpisodeBatch:
        """Returns the batch on a device, its floating tensors in the given precision.

        What was computed of it comes along, unless in another precision.
        """
        wanted, here = torch.device(device), self.x_TRFH.device
        is_here = here.type == wanted.type and wanted.index in {None, here.index}
        is_alike = dtype in {None, self.x_TRFH.dtype}
        if is_here and is_alike:
            return self

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(wanted, dtype if tensor.is_floating_point() else None)

        given = {field.name: getattr(self, field.name) for field in fields(self)}
        there: dict[str, Any] = {
            name: None if value is None else moved(value) for name, value in given.items()
        }
        batch = EpisodeBatch(**there)
        if is_alike:
            computed = {name: value for name, value in vars(self).items() if name not in given}
            vars(batch).update({name: moved(value) for name, value in computed.items()})
        return batch
