"""A meta-learned kernel classifier that reads each column's statistics.

A small network, shared by all columns, maps the statistics of a column to its scales. Rows are
then compared by a weighted sum of two kernels,

    linear   x_r . x_s,                    x = 1.5 exp(o_0) (z or rank-gauss mixture) / sqrt(F)
    Laplace  4 exp(-sum_f |u_rf - u_sf|),  u = exp(o_3) (z or rank-gauss mixture) / F

and by two kernels that compare them by way of rows without labels (``smoothing: true``,
``_smoothing.py``; their likeness is exp(-2 sum_f |u_rf - u_sf|)). A gate weighs the kernels by how
well each fits the labelled rows (``gate: true``, ``_kernel_gate.py``), and a linear head
on the features of that kernel is fitted to the labelled rows: in closed form (``head: ridge``,
``_ridge_head.py``), or by gradient steps from class prototypes (``head: descent``,
``_kernel_head.py``).

With ``adapt: head`` nothing else moves (ANIL: Raghu et al., ICLR 2020, arXiv 1909.09157). With
``adapt: head+scales`` the inner loop first moves an offset of every column's log-scale,
differentiated through to second order, on the leave-one-out prototype loss of the support rows:
each row is scored against the mean of its class without itself, because the plain support loss
would overfit. Classes of a single row take no part in that loss.

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
    without_absent_ways,
)
from autometa.learners._column_network import column_network, mixture
from autometa.learners._kernel_gate import KernelGate
from autometa.learners._kernel_head import KernelHead
from autometa.learners._recorded import recorded_scales
from autometa.learners._ridge_head import RidgeHead
from autometa.learners._scale_descent import bounded, descend_scales
from autometa.learners._smoothing import KERNELS as SMOOTHED_KERNELS
from autometa.learners._smoothing import folded, smoothed_logits, smoothing_of
from autometa.learners._temperature import TEMPERATURE_WEIGHTS, temperature

_START = (0.0, 0.0, -0.5, -0.3)
"""Log-scale and mixing logit of the linear kernel, then mixing logit and log-scale of the Laplace
kernel, which starts with slightly smaller scales and more rank-gauss."""
_LAPLACE = 4.0
_PLAIN_KERNELS = 2
_LOG_WEIGHTS = (0.0, -1.0)
_LOG_WEIGHT_SMOOTHED = -1.5


class ColumnKernel(AbstractLearner):
    """Column network, linear and Laplace kernel, gate, and a head in dual form.

    Args:
        config: width, depth, adapt, inner_lr, inner_steps, smoothing, gate, head, head_lr and
            head_steps.
        generator: source of the initial weights.

    >>> from autometa.episodes import evaluation_episodes, pack
    >>> from autometa.tables import scale_table, synthetic_table
    >>> tables = [scale_table(synthetic_table(seed=0, index=index)) for index in (0, 5)]
    >>> size = {"shot": 2, "count": 1, "ways": 5, "queries": 4, "seed": 0}
    >>> drawn = [evaluation_episodes(table.y_R, table.sha256, **size)[0] for table in tables]
    >>> learner = ColumnKernel(ColumnKernelConfig(), generator=torch.Generator().manual_seed(0))
    >>> logits_TQW = learner(pack(drawn, tables, ["inductive"] * 2))
    >>> [table.x_RFH.shape[1] for table in tables], tuple(logits_TQW.shape)
    ([4, 17], (2, 16, 4))
    """

    def __init__(self, config: ColumnKernelConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.config: ColumnKernelConfig = config
        self.column_network = column_network(
            _START, width=config.width, depth=config.depth, generator=generator
        )
        log_weights = list(_LOG_WEIGHTS)
        if config.smoothing:
            log_weights += [_LOG_WEIGHT_SMOOTHED] * SMOOTHED_KERNELS
        self.log_kernel_weights = nn.Parameter(torch.tensor(log_weights))
        moves_scales = config.adapt == "head+scales"
        self.head: RidgeHead | KernelHead = (
            RidgeHead()
            if config.head == "ridge"
            else KernelHead(
                head_lr=config.head_lr if moves_scales else config.inner_lr,
                head_steps=config.head_steps if moves_scales else config.inner_steps,
            )
        )
        self.gate = KernelGate(len(log_weights), generator=generator) if config.gate else None
        self.log_temperature = nn.Parameter(torch.zeros(TEMPERATURE_WEIGHTS))
        if moves_scales:
            self.log_scale_gain = nn.Parameter(torch.tensor(0.7))
            self.laplace_share = nn.Parameter(torch.zeros(()))

    def adapt(self, batch: EpisodeBatch) -> Adapted:
        """Reads the columns, moves their scales where configured, and fits the head."""
        adapted, _, _ = self._adapted(batch)
        return adapted

    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Compares query rows with the support rows and applies the fitted head."""
        linear_TQF, laplace_TQF = _scaled(x_TQFH, adapted)
        return self._logits(adapted, linear_TQF, _likeness(laplace_TQF, adapted["reference"]))

    def forward(self, batch: EpisodeBatch) -> Tensor:
        """Returns what ``adapt`` and ``predict`` give, comparing all rows at once (TQW)."""
        adapted, linear_TRF, likeness_TRV = self._adapted(batch)
        support = batch.support_rows
        return self._logits(adapted, linear_TRF[:, support:], likeness_TRV[:, support:])

    def _adapted(self, batch: EpisodeBatch) -> tuple[Adapted, Tensor, Tensor]:
        """Returns the adapted state, the scaled rows (TRF), and their likeness to others (TRV)."""
        adapted = self._scales(batch)
        support = batch.support_rows
        linear_TRF, laplace_TRF = _scaled(batch.x_TRFH, adapted)
        adapted["linear_support"] = linear_TRF[:, :support]
        if not self.config.smoothing:
            adapted["reference"] = laplace_TRF[:, :support]
            likeness_TRV = _likeness(laplace_TRF, adapted["reference"])
            kernels_TNSS = _plain_kernels(adapted, linear_TRF[:, :support], likeness_TRV)
            fitted, _ = self._fitted(kernels_TNSS, batch)
            return adapted | fitted, linear_TRF, likeness_TRV
        out_of_sight_TV1 = ~batch.visible_TR[..., None]
        adapted["reference"] = laplace_TRF.masked_fill(out_of_sight_TV1, 0.0)
        likeness_TRV = _likeness(laplace_TRF, adapted["reference"])
        likeness_TVV = likeness_TRV.masked_fill(out_of_sight_TV1, 0.0).square()
        smoothing, kernels_TNSS = smoothing_of(likeness_TVV, batch.visible_TR, support=support)
        plain_TNSS = _plain_kernels(adapted, linear_TRF[:, :support], likeness_TRV)
        fitted, weights_TN = self._fitted(torch.cat([plain_TNSS, kernels_TNSS], 1), batch)
        weights_TN = weights_TN[:, plain_TNSS.shape[1] :]
        adapted |= fitted | folded(smoothing, weights_TN, fitted["alpha"])
        return adapted, linear_TRF, likeness_TRV

    def _scales(self, batch: EpisodeBatch) -> Adapted:
        """Returns how columns are mixed and scaled."""
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
        return {
            "linear_mix": linear_mix_TF,
            "laplace_mix": laplace_mix_TF,
            "linear_scale": linear_log_TF.exp() * linear_share_TF,
            "laplace_scale": laplace_log_TF.exp() * (batch.present_TF / batch.columns_T1),
            "way_mask": batch.way_mask_TW,
        }

    def _fitted(self, kernels_TNSS: Tensor, batch: EpisodeBatch) -> tuple[Adapted, Tensor]:
        """Returns head and temperature of each task, and the weights of its kernels (TN)."""
        log_weights_TN = self.log_kernel_weights.expand(batch.tasks, -1)
        temperature_T = temperature(self.log_temperature, batch)
        gates = None if self.gate is None else self.gate(kernels_TNSS, batch)
        if gates is not None:
            log_weights_TN = log_weights_TN + gates.log_weights_TN
            temperature_T = temperature_T * gates.log_temperature_T.exp()
        weights_TN = log_weights_TN.exp()
        kernel_TSS = _weighted(kernels_TNSS, weights_TN)
        if isinstance(self.head, RidgeHead):
            log_noise_T = None if gates is None else gates.log_noise_T
            fitted = self.head.fit(kernel_TSS, batch, log_noise_T=log_noise_T)
        else:
            fitted = self.head.fit(kernel_TSS, batch, is_written_out=self.is_written_out)
        fitted |= {"kernel_weights": weights_TN[:, :_PLAIN_KERNELS], "temperature": temperature_T}
        return fitted, weights_TN

    def _logits(self, adapted: Adapted, linear_TQF: Tensor, likeness_TQV: Tensor) -> Tensor:
        kernels_TNQS = _plain_kernels(adapted, linear_TQF, likeness_TQV)
        kernel_TQS = _weighted(kernels_TNQS, adapted["kernel_weights"])
        logits_TWQ = self.head.logits(adapted, kernel_TQS)
        if self.config.smoothing:
            logits_TWQ = logits_TWQ + smoothed_logits(adapted, likeness_TQV.square())
        logits_TWQ = logits_TWQ * adapted["temperature"][:, None, None]
        return without_absent_ways(logits_TWQ.mT, adapted["way_mask"])


def _scaled(x_TRFH: Tensor, adapted: Adapted) -> tuple[Tensor, Tensor]:
    """Returns rows as the linear and as the Laplace kernel compare them (TRF each)."""
    return (
        mixture(x_TRFH, adapted["linear_mix"]) * adapted["linear_scale"][:, None],
        mixture(x_TRFH, adapted["laplace_mix"]) * adapted["laplace_scale"][:, None],
    )


def _likeness(laplace_TRF: Tensor, reference_TVF: Tensor) -> Tensor:
    """Returns exp(-L1 distance) of rows and reference rows (TRV)."""
    return torch.exp(-torch.cdist(laplace_TRF, reference_TVF.contiguous(), p=1.0))


def _plain_kernels(adapted: Adapted, linear_TRF: Tensor, likeness_TRV: Tensor) -> Tensor:
    """Returns the linear and the Laplace kernel of rows with the support rows (TNRS).

    Args:
        adapted: with the scaled support rows.
        linear_TRF: rows as the linear kernel compares them.
        likeness_TRV: likeness of these rows, or of more that follow, with the support rows first.
    """
    rows, support = linear_TRF.shape[1], adapted["linear_support"].shape[1]
    linear_TRS = linear_TRF @ adapted["linear_support"].mT
    return torch.stack([linear_TRS, _LAPLACE * likeness_TRV[:, :rows, :support]], 1)


def _weighted(kernels_TNRS: Tensor, weights_TN: Tensor) -> Tensor:
    """Returns the weighted sum of the kernels (TRS)."""
    return (kernels_TNRS * weights_TN[..., None, None]).sum(1)
