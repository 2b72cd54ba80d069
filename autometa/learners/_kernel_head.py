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

from autometa.learners._inner_loop import Fast, descend

_DECAY_SCALE = 0.1
_BIAS_RATE = 0.5


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
        self, kernel_TSS: Tensor, labels_TSW: Tensor, shots_TW: Tensor, way_mask_TW: Tensor
    ) -> dict[str, Tensor]:
        """Returns the dual weights (alpha TSW, bias TW).

        Args:
            kernel_TSS: kernel between the support rows.
            labels_TSW: one-hot support labels, zero for padding.
            shots_TW: rows of each class, 0 for absent ways.
            way_mask_TW: True where a class exists.
        """
        ways_T11 = way_mask_TW.sum(1)[:, None, None].to(kernel_TSS.dtype)
        support_T1 = shots_TW.sum(1, keepdim=True)
        mean_shots_T1 = support_T1 / ways_T11[:, 0]
        log_shots_T1 = mean_shots_T1.log()
        present_TW = way_mask_TW.to(kernel_TSS.dtype)

        averages_TSW = labels_TSW / shots_TW.clamp_min(1)[:, None]
        norms_TW = (averages_TSW * (kernel_TSS @ averages_TSW)).sum(1)
        gain_T1 = (self.log_gain[0] + self.log_gain[1] * log_shots_T1).exp()
        centred_TSW = averages_TSW - averages_TSW.sum(-1, keepdim=True) / ways_T11
        centred_norms_TW = norms_TW - (norms_TW * present_TW).sum(1, keepdim=True) / ways_T11[:, 0]
        start = {
            "alpha": gain_T1[..., None] * centred_TSW * present_TW[:, None],
            "bias": -0.5 * gain_T1 * centred_norms_TW * present_TW,
        }

        # Row weights between equal rows (balance -inf) and equal classes (balance +inf).
        class_weight_TW = (mean_shots_T1 / shots_TW.clamp_min(1)) ** self.balance.sigmoid()
        row_weight_TS1 = (labels_TSW @ class_weight_TW[..., None]) / support_T1[..., None]
        decay = _DECAY_SCALE * self.log_decay.exp()

        def direction(fast: Fast) -> Fast:
            logits_TSW = kernel_TSS @ fast["alpha"] + fast["bias"][:, None]
            logits_TSW = logits_TSW.masked_fill(~way_mask_TW[:, None], float("-inf"))
            error_TSW = (logits_TSW.softmax(-1) - labels_TSW) * row_weight_TS1 * ways_T11
            return {
                "alpha": error_TSW + decay * fast["alpha"],
                "bias": _BIAS_RATE * error_TSW.sum(1),
            }

        return descend(start, direction, inner_lr=self.head_lr, inner_steps=self.head_steps)

    def logits(self, fitted: dict[str, Tensor], kernel_TQS: Tensor) -> Tensor:
        """Returns the logits (TQW) of query rows from their kernel with the support rows."""
        return kernel_TQS @ fitted["alpha"] + fitted["bias"][:, None]
