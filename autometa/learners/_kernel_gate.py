"""A gate over kernels: how well each fits the labelled rows decides how much it counts.

A small network reads how well a head of each kernel alone foretells each labelled row from the
others, and what is known of the task, and answers with the logarithm of a factor for every kernel,
for the noise of the head and for the logits. Its last layer starts at zero, so that training starts
without a gate. What it reads is not differentiated: kernels are not trained to impress the gate,
and a step takes a quarter less time. The alignment of kernels and labels (Cristianini et al., NIPS
2001), read as well, changed nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from autometa.episodes import EpisodeBatch
from autometa.learners._base import without_absent_ways
from autometa.learners._ridge_head import left_out_predictions

_WIDTH = 32
_TASK_FACTS = 5
_LEFT_OUT_NOISE = 0.3
_LEFT_OUT_GAIN = 4.0


class Gates(NamedTuple):
    """What the gate answers.

    Attributes:
        log_weights_TN: logarithm of the factor of each kernel.
        log_noise_T: logarithm of the factor of the head's noise.
        log_temperature_T: logarithm of the factor of the logits.
    """

    log_weights_TN: Tensor
    log_noise_T: Tensor
    log_temperature_T: Tensor


class KernelGate(nn.Module):
    """The network of the gate.

    Args:
        kernels: number of kernels N.
        generator: source of the initial weights.
    """

    def __init__(self, kernels: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = nn.Linear(kernels + _TASK_FACTS, _WIDTH)
        self.out = nn.Linear(_WIDTH, kernels + 2)
        bound = self.hidden.in_features**-0.5
        with torch.no_grad():
            self.hidden.weight.uniform_(-bound, bound, generator=generator)
            self.hidden.bias.uniform_(-bound, bound, generator=generator)
            self.out.weight.zero_()
            self.out.bias.zero_()

    def forward(self, kernels_TNSS: Tensor, batch: EpisodeBatch) -> Gates:
        """Returns the gates of the kernels between the support rows of each task."""
        indicators_T = (batch.stats_TFJ[..., 0] * batch.present_TF).sum(1) / batch.columns_T1[:, 0]
        with torch.no_grad():
            gain_TN = 2 * left_out_gain(kernels_TNSS, batch)
        read_TI = torch.cat([gain_TN, batch.facts_TJ, indicators_T[:, None]], 1)
        answer_TO = self.out(nn.functional.gelu(self.hidden(read_TI)))
        return Gates(answer_TO[:, :-2], answer_TO[:, -2], answer_TO[:, -1])


def left_out_gain(kernels_TNSS: Tensor, batch: EpisodeBatch) -> Tensor:
    """Returns how much better than a guess each kernel alone foretells rows it has not seen (TN).

    Mean log-probability of the class, in nats above that of equal shares, over the rows that are
    not alone in their class; zero where all are.
    """
    predicted_TNSW = left_out_predictions(kernels_TNSS, batch, noise=_LEFT_OUT_NOISE)
    logits_TSNW = _LEFT_OUT_GAIN * predicted_TNSW.transpose(1, 2)
    logits_TUW = without_absent_ways(logits_TSNW.flatten(1, 2), batch.way_mask_TW)
    log_TSNW = logits_TUW.log_softmax(2).view(logits_TSNW.shape)
    own_TSN = (log_TSNW * batch.labels_TSW[:, :, None]).sum(3)
    mean_TN = (own_TSN * batch.scored_shares_T1S.mT).sum(1)
    is_scored_T1 = batch.scored_shares_T1S.sum(2)
    gain_TN: Tensor = mean_TN + is_scored_T1 * batch.present_TW.sum(1, keepdim=True).log()
    return gain_TN
