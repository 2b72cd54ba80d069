"""The contract of a learner.

A learner holds meta-trained weights. Given a batch of tasks it adapts to the support rows (the
inner loop) and then predicts any query rows. The outer loop calls ``forward`` on training batches
and differentiates through it; evaluation calls ``forward`` without gradients; an exported
classifier calls ``adapt`` once and ``predict`` as often as rows arrive.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeAlias

from torch import Tensor, nn
from torch.nn import functional as F

from autometa.config import LearnerConfig
from autometa.episodes import EpisodeBatch

Adapted: TypeAlias = dict[str, Tensor]
"""What adaptation leaves behind: tensors, nearly all of tasks, that are enough to predict with."""

_ABSENT = -1e9
"""Logit of a way that a task does not have; finite, so that gradients stay finite."""


class AbstractLearner(nn.Module, ABC):
    """Base of all meta-learners.

    Attributes:
        config: the meta-parameters that the learner was built with.
        components: principal axes that its batches must carry; None where it needs none.
        is_written_out: whether inner loops and their derivatives are the written-out ones; else
            autograd records them, which gives the same and is slower: it is for comparison.

    >>> from autometa.config import ColumnKernelConfig
    >>> from autometa.episodes import evaluation_episodes, pack
    >>> from autometa.learners import build_learner
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=0))
    >>> episodes = evaluation_episodes(
    ...     table.y_R, table.sha256, shot=2, count=5, ways=3, queries=4, seed=0
    ... )
    >>> batch = pack(episodes, [table] * 5, ["inductive"] * 5)
    >>> learner = build_learner(ColumnKernelConfig(), seed=0)
    >>> adapted = learner.adapt(batch)
    >>> tuple(learner.predict(adapted, batch.x_query_TQFH).shape)
    (5, 12, 3)
    """

    config: LearnerConfig
    components: int | None = None
    is_written_out: bool = True

    @abstractmethod
    def adapt(self, batch: EpisodeBatch) -> Adapted:
        """Runs the inner loop on the support rows of a batch; never reads query rows or labels.

        Where gradients are enabled the result is differentiable with respect to the weights.
        """

    @abstractmethod
    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Returns the logits (TQW) of query rows under an adapted state."""

    def forward(self, batch: EpisodeBatch) -> Tensor:
        """Returns the logits (TQW) of the batch's query rows after adaptation."""
        return self.predict(self.adapt(batch), batch.x_query_TQFH)

    def outer_loss(self, batch: EpisodeBatch) -> Tensor:
        """Returns what the outer loop descends: the mean query loss over the tasks, in nats."""
        logits_TQW: Tensor = self(batch)
        return -(logits_TQW.mT.log_softmax(1) * batch.query_shares_TWQ).sum()


def without_absent_ways(logits_TQW: Tensor, way_mask_TW: Tensor) -> Tensor:
    """Returns logits in which the ways that a task does not have cannot win."""
    return logits_TQW.masked_fill(~way_mask_TW[:, None], _ABSENT)


def cross_entropy(logits_TQW: Tensor, y_TQ: Tensor) -> Tensor:
    """Returns each task's mean cross-entropy in nats (T) over the rows that exist.

    >>> import torch
    >>> logits_TQW = torch.zeros(1, 3, 2)
    >>> round(cross_entropy(logits_TQW, torch.tensor([[0, 1, -1]])).item(), 3)
    0.693
    """
    loss_TQ = F.cross_entropy(logits_TQW.transpose(1, 2), y_TQ, ignore_index=-1, reduction="none")
    return loss_TQ.sum(1) / (y_TQ >= 0).sum(1).clamp_min(1)
