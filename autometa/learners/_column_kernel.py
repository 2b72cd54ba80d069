"""A meta-learned kernel classifier that reads each column's statistics.

A small network, shared by all columns, maps the statistics of a column to its scales. Rows are
then compared by an additive kernel, linear plus Laplace, and a linear head on the features of
that kernel is fitted in the inner loop, starting from class prototypes:

    linear   x_r . x_s,                    x = 1.5 exp(o_0) (z or rank-gauss mixture) / sqrt(F)
    Laplace  4 exp(-sum_f |u_rf - u_sf|),  u = exp(o_3) (z or rank-gauss mixture) / F

With ``adapt: head`` the inner loop moves the head alone (ANIL: Raghu et al., ICLR 2020, arXiv
1909.09157) from a Proto-MAML start (Triantafillou et al., arXiv 1903.03096, section 3.1). With
``adapt: head+scales`` it first moves an offset of every column's log-scale, differentiated
through to second order, on the leave-one-out prototype loss of the support rows: each row is
scored against the mean of its class without itself, because the plain support loss would overfit.
Classes of a single row take no part in that loss.

Everything is symmetric in the classes and in the columns, so that any number of either fits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autometa.config import ColumnKernelConfig
from autometa.episodes import EpisodeBatch
from autometa.learners._base import (
    AbstractLearner,
    Adapted,
    one_hot,
    without_absent_ways,
)
from autometa.learners._column_network import column_network, mixture
from autometa.learners._column_statistics import column_statistics
from autometa.learners._inner_loop import Fast, descend
from autometa.learners._kernel_head import KernelHead
from autometa.learners._leave_one_out import LeaveOneOut
from autometa.learners._temperature import TEMPERATURE_WEIGHTS, temperature

_START = (0.0, 0.0, -0.5, -0.3)
"""Log-scale and mixing logit of the linear kernel, then mixing logit and log-scale of the Laplace
kernel, which starts with slightly smaller scales and more rank-gauss."""
_SCALE_CLIP = 3.0
_MAX_OFFSET = 3.0


class ColumnKernel(AbstractLearner):
    """Column network, linear and Laplace kernel, and a head in dual form.

    Args:
        config: width, depth, adapt, inner_lr, inner_steps, head_lr and head_steps.
        generator: source of the initial weights.
    """

    def __init__(self, config: ColumnKernelConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.config: ColumnKernelConfig = config
        self.column_network = column_network(
            _START, width=config.width, depth=config.depth, generator=generator
        )
        self.log_kernel_weights = nn.Parameter(torch.tensor([0.0, -1.0]))
        moves_scales = config.adapt == "head+scales"
        self.head = KernelHead(
            head_lr=config.head_lr if moves_scales else config.inner_lr,
            head_steps=config.head_steps if moves_scales else config.inner_steps,
        )
        self.log_temperature = nn.Parameter(torch.zeros(TEMPERATURE_WEIGHTS))
        if moves_scales:
            self.log_scale_gain = nn.Parameter(torch.tensor(0.7))
            self.laplace_share = nn.Parameter(torch.zeros(()))

    def adapt(self, batch: EpisodeBatch) -> Adapted:
        """Reads the columns, moves their scales where configured, and fits the head."""
        labels_TSW = one_hot(batch.y_TS, batch.ways).to(batch.x_TRFH.dtype)
        outputs_TFO = self.column_network(column_statistics(batch, labels_TSW))
        mask_TF = batch.column_mask_TF.to(outputs_TFO.dtype)
        columns_T1 = mask_TF.sum(1, keepdim=True).clamp_min(1)
        linear_mix_TF, laplace_mix_TF = outputs_TFO[..., 1:3].sigmoid().unbind(-1)
        linear_TSF = mixture(batch.x_support_TSFH, linear_mix_TF)

        offset_TF = torch.zeros_like(mask_TF)
        laplace_offset_TF = offset_TF
        if self.config.adapt == "head+scales":
            base_TF = 1.5 * outputs_TFO[..., 0].exp() * mask_TF / columns_T1.sqrt()
            offset_TF = self._adapted_offset(batch, labels_TSW, linear_TSF, base_TF, columns_T1)
            laplace_offset_TF = offset_TF * self.laplace_share.sigmoid()
        adapted = {
            "linear_mix": linear_mix_TF,
            "laplace_mix": laplace_mix_TF,
            "linear_scale": 1.5
            * (outputs_TFO[..., 0] + offset_TF).exp()
            * mask_TF
            / columns_T1.sqrt(),
            "laplace_scale": (outputs_TFO[..., 3] + laplace_offset_TF).exp() * mask_TF / columns_T1,
            "way_mask": batch.way_mask_TW,
            "temperature": temperature(self.log_temperature, batch),
        }
        adapted["linear_support"] = linear_TSF * adapted["linear_scale"][:, None]
        adapted["laplace_support"] = (
            mixture(batch.x_support_TSFH, laplace_mix_TF) * adapted["laplace_scale"][:, None]
        )
        kernel_TSS = self._kernel(adapted, adapted["linear_support"], adapted["laplace_support"])
        return adapted | self.head.fit(kernel_TSS, labels_TSW, batch.shots_TW, batch.way_mask_TW)

    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Compares query rows with the support rows and applies the fitted head."""
        linear_TQF = mixture(x_TQFH, adapted["linear_mix"]) * adapted["linear_scale"][:, None]
        laplace_TQF = mixture(x_TQFH, adapted["laplace_mix"]) * adapted["laplace_scale"][:, None]
        kernel_TQS = self._kernel(adapted, linear_TQF, laplace_TQF)
        logits_TQW = self.head.logits(adapted, kernel_TQS) * adapted["temperature"][:, None, None]
        return without_absent_ways(logits_TQW, adapted["way_mask"])

    def _kernel(self, adapted: Adapted, linear_TRF: Tensor, laplace_TRF: Tensor) -> Tensor:
        weights = self.log_kernel_weights.exp()
        linear_TRS = linear_TRF @ adapted["linear_support"].mT
        distance_TRS = torch.cdist(laplace_TRF, adapted["laplace_support"], p=1.0)
        return weights[0] * linear_TRS + 4 * weights[1] * torch.exp(-distance_TRS)

    def _adapted_offset(
        self,
        batch: EpisodeBatch,
        labels_TSW: Tensor,
        linear_TSF: Tensor,
        base_TF: Tensor,
        columns_T1: Tensor,
    ) -> Tensor:
        """Returns the offset of each column's log-scale after the inner loop (TF)."""
        gain = self.log_scale_gain.exp()
        left_out = LeaveOneOut(linear_TSF, labels_TSW, batch.shots_TW)
        own_shots_TS1 = (labels_TSW * batch.shots_TW[:, None]).sum(-1, keepdim=True)
        scored_TS1 = (own_shots_TS1 > 1).to(labels_TSW.dtype)
        weight_TS1 = gain * scored_TS1 / scored_TS1.sum(1, keepdim=True).clamp_min(1)

        def direction(fast: Fast) -> Fast:
            # The gradient of the mean cross-entropy of the scored rows, in closed form.
            tanh_TF = torch.tanh(fast["offset"] / _MAX_OFFSET)
            squared_TF = (base_TF * (_MAX_OFFSET * tanh_TF).exp()).square()
            logits_TSW = without_absent_ways(gain * left_out.logits(squared_TF), batch.way_mask_TW)
            error_TSW = weight_TS1 * (logits_TSW.softmax(-1) - labels_TSW)
            slope_TF = 2 * squared_TF * (1 - tanh_TF.square())
            gradient_TF = slope_TF * left_out.pulled_back(error_TSW)
            # The loss is a mean over columns, so that one column's gradient shrinks with their
            # number; undoing that makes one rate fit narrow and wide tables.
            clipped_TF = gradient_TF.clamp(-_SCALE_CLIP, _SCALE_CLIP)
            return {"offset": (clipped_TF * columns_T1).clamp(-_SCALE_CLIP, _SCALE_CLIP)}

        start = {"offset": torch.zeros_like(base_TF)}
        moved = descend(
            start, direction, inner_lr=self.config.inner_lr, inner_steps=self.config.inner_steps
        )
        return _bounded(moved["offset"])


def _bounded(offset_TF: Tensor) -> Tensor:
    """Keeps log-scale offsets within +-3, smoothly: beyond that exp() runs away."""
    return _MAX_OFFSET * torch.tanh(offset_TF / _MAX_OFFSET)
