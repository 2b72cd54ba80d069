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

import math

import torch
from torch import Tensor, nn

from autometa.config import ColumnKernelConfig
from autometa.episodes import EpisodeBatch
from autometa.learners._base import (
    AbstractLearner,
    Adapted,
    without_absent_ways,
)
from autometa.learners._column_network import column_network, mixture
from autometa.learners._kernel_head import KernelHead
from autometa.learners._recorded import recorded_scales
from autometa.learners._scale_descent import bounded, descend_scales
from autometa.learners._temperature import TEMPERATURE_WEIGHTS, temperature

_START = (0.0, 0.0, -0.5, -0.3)
"""Log-scale and mixing logit of the linear kernel, then mixing logit and log-scale of the Laplace
kernel, which starts with slightly smaller scales and more rank-gauss."""
_LOG_LAPLACE = math.log(4.0)


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
        adapted = self._scales(batch)
        linear_TSF, laplace_TSF = _scaled(batch.x_support_TSFH, adapted)
        adapted |= {"linear_support": linear_TSF, "laplace_support": laplace_TSF}
        kernel_TSS = _kernel(adapted, linear_TSF, laplace_TSF)
        return adapted | self._fitted(kernel_TSS, batch)

    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Compares query rows with the support rows and applies the fitted head."""
        linear_TQF, laplace_TQF = _scaled(x_TQFH, adapted)
        kernel_TQS = _kernel(adapted, linear_TQF, laplace_TQF)
        return self._logits(adapted, kernel_TQS)

    def forward(self, batch: EpisodeBatch) -> Tensor:
        """Returns what ``adapt`` and ``predict`` give, from one kernel of all rows (TQW)."""
        adapted = self._scales(batch)
        support = batch.support_rows
        linear_TRF, laplace_TRF = _scaled(batch.x_TRFH, adapted)
        adapted["linear_support"] = linear_TRF[:, :support]
        adapted["laplace_support"] = laplace_TRF[:, :support]
        kernel_TRS = _kernel(adapted, linear_TRF, laplace_TRF)
        adapted |= self._fitted(kernel_TRS[:, :support], batch)
        return self._logits(adapted, kernel_TRS[:, support:])

    def _scales(self, batch: EpisodeBatch) -> Adapted:
        """Returns how columns are mixed and scaled, and what else the columns tell of a task.

        The scales hold the weights of the kernels: half of the linear one's logarithm in each
        factor of its products.
        """
        outputs_TFO = self.column_network(batch.column_statistics_TFJ)
        linear_log_TF, linear_logit_TF, laplace_logit_TF, laplace_log_TF = outputs_TFO.unbind(-1)
        linear_mix_TF, laplace_mix_TF = linear_logit_TF.sigmoid(), laplace_logit_TF.sigmoid()
        linear_share_TF = 1.5 * batch.present_TF / batch.columns_T1.sqrt()
        if self.config.adapt == "head+scales":
            descended = descend_scales if self.is_written_out else recorded_scales
            offset_TF = descended(
                mixture(batch.x_support_TSFH, linear_mix_TF),
                linear_log_TF.exp() * linear_share_TF,
                self.log_scale_gain.exp(),
                batch,
                inner_lr=self.config.inner_lr,
                inner_steps=self.config.inner_steps,
            )
            offset_TF = bounded(offset_TF)
            linear_log_TF = linear_log_TF + offset_TF
            laplace_log_TF = laplace_log_TF + offset_TF * self.laplace_share.sigmoid()
        linear_weight, laplace_weight = self.log_kernel_weights.unbind()
        return {
            "linear_mix": linear_mix_TF,
            "laplace_mix": laplace_mix_TF,
            "linear_scale": (linear_log_TF + 0.5 * linear_weight).exp() * linear_share_TF,
            "laplace_scale": laplace_log_TF.exp() * (batch.present_TF / batch.columns_T1),
            "log_height": laplace_weight + _LOG_LAPLACE,
            "way_mask": batch.way_mask_TW,
            "temperature": temperature(self.log_temperature, batch),
        }

    def _fitted(self, kernel_TSS: Tensor, batch: EpisodeBatch) -> Adapted:
        return self.head.fit(kernel_TSS, batch, is_written_out=self.is_written_out)

    def _logits(self, adapted: Adapted, kernel_TQS: Tensor) -> Tensor:
        logits_TWQ = self.head.logits(adapted, kernel_TQS) * adapted["temperature"][:, None, None]
        return without_absent_ways(logits_TWQ.mT, adapted["way_mask"])


def _scaled(x_TRFH: Tensor, adapted: Adapted) -> tuple[Tensor, Tensor]:
    """Returns rows as the linear and as the Laplace kernel compare them (TRF each)."""
    return (
        mixture(x_TRFH, adapted["linear_mix"]) * adapted["linear_scale"][:, None],
        mixture(x_TRFH, adapted["laplace_mix"]) * adapted["laplace_scale"][:, None],
    )


def _kernel(adapted: Adapted, linear_TRF: Tensor, laplace_TRF: Tensor) -> Tensor:
    """Returns the kernel of rows with the support rows (TRS)."""
    distance_TRS = torch.cdist(laplace_TRF, adapted["laplace_support"].contiguous(), p=1.0)
    laplace_TRS = torch.exp(adapted["log_height"] - distance_TRS)
    return torch.baddbmm(laplace_TRS, linear_TRF, adapted["linear_support"].mT)
