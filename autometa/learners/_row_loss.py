"""Losses of rows whose outputs are laid out ways-major, and what descends and differentiates them.

    cross-entropy   L = -sum w Y log softmax(Z),  dL/dZ = w (softmax(Z) - Y)
    squared error   L = sum w (Z - Y)^2,          dL/dZ = 2 w (Z - Y)

Sums over tasks, rows and outputs; w is the weight of a row.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from autometa.learners._calls import Calls
from autometa.learners._workspace import Take

Loss: TypeAlias = Literal["cross_entropy", "squared_error"]


class RowLoss:
    """The loss of the rows of T tasks.

    Attributes:
        value: L, a scalar tensor.
        shape: tasks T, ways W and rows R.

    Args:
        take: where its memory comes from.
        shape: tasks T, ways W and rows R.
        loss: which one.
    """

    def __init__(self, take: Take, shape: tuple[int, int, int], loss: Loss) -> None:
        self._is_softmax = loss == "cross_entropy"
        self.shape = shape
        # The weights of a row in dL/dZ, and -w Y of the cross-entropy or -Y of the squared error.
        self._slope_TWR = take(*shape)
        self._offset_TWR = take(*shape)
        self._scratch_TWR = take(*shape)
        self.value = take()

    def set_rows(self, labels_TRW: Tensor, weights_TR: Tensor | None, default: float) -> None:
        """Sets labels or targets, and the weights of rows, which are ``default`` if None."""
        slope_TWR, offset_TWR = self._slope_TWR, self._offset_TWR
        factor = 1.0 if self._is_softmax else 2.0
        if weights_TR is None:
            slope_TWR.fill_(factor * default)
        else:
            torch.mul(weights_TR[:, None].expand_as(slope_TWR), factor, out=slope_TWR)
        # Turned by a copy, which is faster than by arithmetic.
        offset_TWR.copy_(labels_TRW.mT)
        if not self._is_softmax:
            offset_TWR.neg_()
        elif weights_TR is None:
            offset_TWR.mul_(-default)
        else:
            offset_TWR.mul_(slope_TWR).neg_()

    def add_errors(self, calls: Calls, logits_TWR: Tensor, out_TWR: Tensor) -> None:
        """Adds what writes dL/dZ, and over the logits what ``add_tangent`` needs of them."""
        if self._is_softmax:
            calls.add(torch.softmax, logits_TWR, 1, out=logits_TWR)
            calls.add(torch.addcmul, self._offset_TWR, logits_TWR, self._slope_TWR, out=out_TWR)
        else:
            calls.add(torch.add, logits_TWR, self._offset_TWR, out=out_TWR)
            calls.add(out_TWR.mul_, self._slope_TWR)

    def add_value_and_errors(self, calls: Calls, logits_TWR: Tensor, out_TWR: Tensor) -> None:
        """Adds what writes L to ``value``, and dL/dZ."""
        kept_TWR = self._scratch_TWR
        if self._is_softmax:
            calls.add(torch.log_softmax, logits_TWR, 1, out=kept_TWR)
            calls.add(torch.exp, kept_TWR, out=logits_TWR)
            calls.add(torch.addcmul, self._offset_TWR, logits_TWR, self._slope_TWR, out=out_TWR)
            calls.add(torch.dot, kept_TWR.view(-1), self._offset_TWR.view(-1), out=self.value)
        else:
            calls.add(torch.add, logits_TWR, self._offset_TWR, out=kept_TWR)
            calls.add(torch.mul, kept_TWR, self._slope_TWR, out=out_TWR)
            calls.add(torch.dot, kept_TWR.view(-1), out_TWR.view(-1), out=self.value)
            calls.add(self.value.mul_, 0.5)

    def add_tangent(
        self, calls: Calls, logits_TWR: Tensor, moved_TWR: Tensor, out_TWR: Tensor
    ) -> None:
        """Adds what writes R{dL/dZ} where the logits move along ``moved_TWR``.

        Args:
            calls: where to add it.
            logits_TWR: what ``add_errors`` leaves of the logits.
            moved_TWR: R{Z}.
            out_TWR: where R{dL/dZ} is written.
        """
        if self._is_softmax:
            # The Jacobian of a softmax is symmetric: its backward is its tangent.
            calls.add(
                torch._softmax_backward_data,
                moved_TWR,
                logits_TWR,
                1,
                moved_TWR.dtype,
                grad_input=out_TWR,
            )
            calls.add(out_TWR.mul_, self._slope_TWR)
        else:
            calls.add(torch.mul, moved_TWR, self._slope_TWR, out=out_TWR)
