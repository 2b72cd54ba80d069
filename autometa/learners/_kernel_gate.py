"""A gate over kernels: how well each fits the labelled rows decides how much it counts.

For each kernel a small network reads two figures of the support rows: its alignment with the
labels (Cristianini et al., NIPS 2001, "On kernel-target alignment"; centred as in Cortes et al.,
JMLR 13, 2012, definition 4), without the diagonal, and how well a head of that kernel alone
foretells each row from the others. With them it reads what is known of the task, and answers with
the logarithm of a factor for every kernel, for the noise of the head and for the logits. Its last
layer starts at zero, so that training starts without a gate.
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
_TINY = 1e-8


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
        self.hidden = nn.Linear(2 * kernels + _TASK_FACTS, _WIDTH)
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
        read_TI = torch.cat(
            [
                2 * alignment(kernels_TNSS, batch),
                2 * left_out_gain(kernels_TNSS, batch),
                batch.facts_TJ,
                indicators_T[:, None],
            ],
            1,
        )
        answer_TO = self.out(nn.functional.gelu(self.hidden(read_TI)))
        return Gates(answer_TO[:, :-2], answer_TO[:, -2], answer_TO[:, -1])


def alignment(kernels_TNSS: Tensor, batch: EpisodeBatch) -> Tensor:
    """Returns the centred alignment of kernels with the labels (TN, -1 to 1).

    Pairs of a row with itself do not count. Zero where all pairs are of one kind.
    """
    row_TS = (batch.y_TS >= 0).to(kernels_TNSS.dtype)
    pairs_TSS = row_TS[:, :, None] * row_TS[:, None]
    pairs_TSS = pairs_TSS - torch.diag_embed(pairs_TSS.diagonal(dim1=1, dim2=2))
    pairs_T1SS = pairs_TSS[:, None]
    count_T111 = pairs_T1SS.sum((2, 3), keepdim=True).clamp_min(1)

    def centred(values_TNSS: Tensor) -> Tensor:
        mean_TN11 = (values_TNSS * pairs_T1SS).sum((2, 3), keepdim=True) / count_T111
        return (values_TNSS - mean_TN11) * pairs_T1SS

    alike_T1SS = centred((batch.labels_TWS.mT @ batch.labels_TWS)[:, None])
    kernels_TNSS = centred(kernels_TNSS)
    product_TN = (kernels_TNSS * alike_T1SS).sum((2, 3))
    norms_TN = (kernels_TNSS.square().sum((2, 3)) + _TINY) * (
        alike_T1SS.square().sum((2, 3)) + _TINY
    )
    return product_TN / norms_TN.sqrt()


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
