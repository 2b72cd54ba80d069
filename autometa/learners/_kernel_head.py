"""A softmax head on the features of a kernel, fitted by gradient steps in dual form.

A linear head W on features phi keeps the form W = sum_s alpha_s phi(x_s) when it starts in the
span of the support rows and descends the support cross-entropy, because the gradient with respect
to W is sum_s e_s phi(x_s) with e = softmax - label. The inner loop below therefore moves alpha by
-e instead of W, and costs S x S products however many features there are.

It starts from class prototypes (Proto-MAML, arXiv 1903.03096, section 3.1), centred over the
classes so that the start is symmetric in them. A learned weight decay pulls alpha back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autometa.episodes import EpisodeBatch
from autometa.learners._head_descent import descend_head
from autometa.learners._recorded import recorded_head

_DECAY_SCALE = 0.1


class KernelHead(nn.Module):
    """Head with learned prototype gain, weight decay and class balance.

    Args:
        head_lr: step size of the inner loop.
        head_steps: number of its steps; 0 leaves the prototypes.
    """

    def __init__(self, *, head_lr: float, head_steps: int) -> None:
        super().__init__()
        self.head_lr = head_lr
        self.head_steps = head_steps
        self.log_gain = nn.Parameter(torch.zeros(2))
        self.log_decay = nn.Parameter(torch.tensor(-4.0))
        self.balance = nn.Parameter(torch.zeros(()))

    def fit(
        self, kernel_TSS: Tensor, batch: EpisodeBatch, *, is_written_out: bool = True
    ) -> dict[str, Tensor]:
        """Returns the dual weights (alpha TWS, bias TW) of the head that fits the support rows.

        Args:
            kernel_TSS: kernel between the support rows.
            batch: their labels and counts.
            is_written_out: False to have autograd record the steps.
        """
        labels_TWS, averaging_TWS = batch.labels_TWS, batch.averaging_TWS
        present_TW1 = batch.present_TW[..., None]
        ways_T11 = present_TW1.sum(1, keepdim=True)
        support_T11 = batch.shots_TW.sum(1)[:, None, None]

        norms_TW1 = (averaging_TWS * (averaging_TWS @ kernel_TSS)).sum(2, keepdim=True)
        gain_T11 = (self.log_gain[0] + self.log_gain[1] * batch.log_shots_T).exp()[:, None, None]
        centred_TWS = averaging_TWS - averaging_TWS.sum(1, keepdim=True) / ways_T11
        centred_norms_TW1 = norms_TW1 - norms_TW1.sum(1, keepdim=True) / ways_T11
        # Row weights between equal rows (balance -inf) and equal classes (balance +inf).
        relative_TW1 = support_T11 / ways_T11 / batch.shots_TW.clamp_min(1)[..., None]
        class_weight_TW1 = relative_TW1 ** self.balance.sigmoid() * (
            self.head_lr * ways_T11 / support_T11
        )
        descended = descend_head if is_written_out else recorded_head
        alpha_TWS, bias_TW = descended(
            kernel_TSS,
            gain_T11 * (centred_TWS * present_TW1),
            (gain_T11 * centred_norms_TW1 * (-0.5 * present_TW1))[..., 0],
            labels_TWS=labels_TWS,
            rate_T1S=(labels_TWS * class_weight_TW1).sum(1, keepdim=True),
            keep=1 - self.head_lr * _DECAY_SCALE * self.log_decay.exp(),
            way_mask_TW=batch.way_mask_TW,
            steps=self.head_steps,
        )
        return {"alpha": alpha_TWS, "bias": bias_TW}

    def logits(self, fitted: dict[str, Tensor], kernel_TQS: Tensor) -> Tensor:
        """Returns the logits (TWQ) of query rows from their kernel with the support rows."""
        return torch.baddbmm(fitted["bias"][..., None], fitted["alpha"], kernel_TQS.mT)
