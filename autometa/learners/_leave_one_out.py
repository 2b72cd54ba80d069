"""Prototype logits of the support rows, each row left out of the mean of its own class.

With columns scaled by a, a row x_s and the mean m_w of another class, the logit is

    sum_f a_f^2 (x_sf m_wf - m_wf^2 / 2),

and for the row's own class the same with the mean of the class's other rows. So the logits are
linear in the squared scales, and the gradient of the support loss with respect to them needs two
products instead of a pass of autograd. It stays differentiable to any order.
"""

from __future__ import annotations

import torch
from torch import Tensor


class LeaveOneOut:
    """The support rows of T tasks and their class means, to be compared under any scales.

    Args:
        x_TSF: support rows, unscaled.
        labels_TWS: one-hot labels, zero for padding.
        shots_TW: rows of each class, 0 for absent ways.
    """

    def __init__(self, x_TSF: Tensor, labels_TWS: Tensor, shots_TW: Tensor) -> None:
        self._x_TSF = x_TSF
        self._labels_TWS = labels_TWS
        sums_TWF = labels_TWS @ x_TSF
        self._means_TWF = sums_TWF / shots_TW.clamp_min(1)[..., None]
        self._norms_TWF = 0.5 * self._means_TWF.square()
        own_shots_TS1 = labels_TWS.mT @ shots_TW[..., None]
        own_TSF = (labels_TWS.mT @ sums_TWF - x_TSF) / (own_shots_TS1 - 1).clamp_min(1)
        self._own_TSF = own_TSF * (x_TSF - 0.5 * own_TSF)

    def logits(self, squared_TF: Tensor) -> Tensor:
        """Returns the logits (TWS) under squared scales."""
        norms_TW1 = self._norms_TWF @ squared_TF[..., None]
        others_TWS = (self._means_TWF * squared_TF[:, None]) @ self._x_TSF.mT - norms_TW1
        own_T1S = (self._own_TSF @ squared_TF[..., None]).mT
        return torch.where(self._labels_TWS > 0, own_T1S, others_TWS)

    def maps(self) -> Tensor:
        """Returns the matrix of each task (TNF, N = W x S) that maps squared scales to logits.

        It has W x S x F entries, of which the products above are made without them.
        """
        products_TWSF = self._means_TWF[:, :, None] * self._x_TSF[:, None]
        others_TWSF = products_TWSF - self._norms_TWF[:, :, None]
        is_own_TWS1 = self._labels_TWS[..., None] > 0
        return torch.where(is_own_TWS1, self._own_TSF[:, None], others_TWSF).flatten(1, 2)

    def pulled_back(self, error_TWS: Tensor) -> Tensor:
        """Returns the gradient (TF) of ``sum(error * logits)`` with respect to the squared scales.

        Args:
            error_TWS: gradient with respect to the logits, zero for padding.
        """
        own_T1S = (error_TWS * self._labels_TWS).sum(1, keepdim=True)
        others_TWS = error_TWS * (1 - self._labels_TWS)
        return (
            ((others_TWS @ self._x_TSF) * self._means_TWF).sum(1)
            - (others_TWS.sum(2)[:, None] @ self._norms_TWF).squeeze(1)
            + (own_T1S @ self._own_TSF).squeeze(1)
        )
