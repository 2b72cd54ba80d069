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
        labels_TSW: one-hot labels, zero for padding.
        shots_TW: rows of each class, 0 for absent ways.
    """

    def __init__(self, x_TSF: Tensor, labels_TSW: Tensor, shots_TW: Tensor) -> None:
        self._x_TSF = x_TSF
        self._labels_TSW = labels_TSW
        sums_TWF = labels_TSW.mT @ x_TSF
        self._means_TWF = sums_TWF / shots_TW.clamp_min(1)[..., None]
        self._norms_TWF = 0.5 * self._means_TWF.square()
        own_shots_TS1 = (labels_TSW * shots_TW[:, None]).sum(-1, keepdim=True)
        own_TSF = (labels_TSW @ sums_TWF - x_TSF) / (own_shots_TS1 - 1).clamp_min(1)
        self._own_TSF = own_TSF * (x_TSF - 0.5 * own_TSF)

    def logits(self, squared_TF: Tensor) -> Tensor:
        """Returns the logits (TSW) under squared scales."""
        norms_TW = (self._norms_TWF @ squared_TF[..., None]).squeeze(-1)
        others_TSW = (self._x_TSF * squared_TF[:, None]) @ self._means_TWF.mT - norms_TW[:, None]
        own_TS1 = self._own_TSF @ squared_TF[..., None]
        return torch.where(self._labels_TSW > 0, own_TS1, others_TSW)

    def pulled_back(self, error_TSW: Tensor) -> Tensor:
        """Returns the gradient (TF) of ``sum(error * logits)`` with respect to the squared scales.

        Args:
            error_TSW: gradient with respect to the logits, zero for padding.
        """
        own_TS1 = (error_TSW * self._labels_TSW).sum(-1, keepdim=True)
        others_TSW = error_TSW * (1 - self._labels_TSW)
        return (
            ((others_TSW.mT @ self._x_TSF) * self._means_TWF).sum(1)
            - (others_TSW.sum(1)[:, None] @ self._norms_TWF).squeeze(1)
            + (own_TS1.mT @ self._own_TSF).squeeze(1)
        )
