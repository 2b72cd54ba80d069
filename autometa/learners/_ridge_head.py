"""A head in closed form: kernel ridge regression on the labels of the support rows.

With K the kernel between the support rows, Y their centred one-hot labels and N a diagonal of
noise, the head is alpha = (K + N)^-1 Y, and the logits of a row are its kernel with the support
rows times alpha, times a gain. The solver is differentiated through (R2-D2: Bertinetto et al., ICLR
2019, arXiv 1805.08136, section 3.2): it stands where a descent has steps and a step size.

The prediction of a support row by a head that is fitted without it needs no second fit,

    y_s - alpha_s / ((K + N)^-1)_ss

(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 5.4.2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autometa.episodes import EpisodeBatch

_LEAST_NOISE = 1e-3
_LEAST_RELATIVE_NOISE = 1e-5
"""Of the mean of a kernel's diagonal: it bounds the condition number where a kernel is large."""


class RidgeHead(nn.Module):
    """Head with learned noise, class balance and gain."""

    def __init__(self) -> None:
        super().__init__()
        self.log_noise = nn.Parameter(torch.zeros(2))
        self.log_gain = nn.Parameter(torch.tensor([1.0, 0.0]))
        self.balance = nn.Parameter(torch.zeros(()))

    def fit(
        self, kernel_TSS: Tensor, batch: EpisodeBatch, *, log_noise_T: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Returns the dual weights (alpha TWS), gain included.

        Args:
            kernel_TSS: kernel between the support rows.
            batch: their labels and counts.
            log_noise_T: what a gate adds to the logarithm of the noise.
        """
        log_T = self.log_noise[0] + self.log_noise[1] * batch.log_shots_T
        if log_noise_T is not None:
            log_T = log_T + log_noise_T
        # A row of a small class is noisier than one of a large class by a learned power less.
        relative_TS = (batch.labels_TWS * _relative_shots(batch)[..., None]).sum(1)
        absent_TS = batch.y_TS < 0
        relative_TS = relative_TS.masked_fill(absent_TS, 1.0)
        masked_TSS = _masked(kernel_TSS, ~absent_TS)
        diagonal_T = masked_TSS.diagonal(dim1=1, dim2=2).sum(1) / batch.shots_TW.sum(1)
        least_T1 = (_LEAST_RELATIVE_NOISE * diagonal_T.detach()).clamp_min(_LEAST_NOISE)[:, None]
        noise_TS = least_T1 + log_T.exp()[:, None] * relative_TS ** self.balance.tanh()
        gain_T = (self.log_gain[0] + self.log_gain[1] * batch.log_shots_T).exp()
        # A system without a solution gives values that are not finite, as a divergence does.
        solved_TSW, _ = torch.linalg.solve_ex(
            masked_TSS + torch.diag_embed(noise_TS), centred_labels(batch).mT
        )
        return {"alpha": gain_T[:, None, None] * solved_TSW.mT}

    def logits(self, fitted: dict[str, Tensor], kernel_TQS: Tensor) -> Tensor:
        """Returns the logits (TWQ) of query rows from their kernel with the support rows."""
        return fitted["alpha"] @ kernel_TQS.mT


def centred_labels(batch: EpisodeBatch) -> Tensor:
    """Returns the one-hot labels less the share of each class (TWS); zero where padded."""
    shares_TW = batch.shots_TW / batch.shots_TW.sum(1, keepdim=True)
    is_row_T1S = batch.labels_TWS.sum(1, keepdim=True)
    return (batch.labels_TWS - shares_TW[..., None]) * is_row_T1S


def left_out_predictions(kernel_TNSS: Tensor, batch: EpisodeBatch, *, noise: float) -> Tensor:
    """Returns what heads of several kernels say of each support row without having seen it.

    Args:
        kernel_TNSS: N kernels between the support rows.
        batch: their labels and counts.
        noise: that of the heads, in units of the mean of a kernel's diagonal.

    Returns:
        Predictions of the centred labels, TNSW; zero where padded.
    """
    is_row_TS = batch.y_TS >= 0
    present_T1S = is_row_TS[:, None].to(kernel_TNSS.dtype)
    diagonal_TNS = kernel_TNSS.diagonal(dim1=2, dim2=3) * present_T1S
    scale_TN = diagonal_TNS.sum(2) / present_T1S.sum(2)
    scaled_TNSS = kernel_TNSS / scale_TN.clamp_min(1e-6)[..., None, None]
    masked_TNSS = scaled_TNSS * (present_T1S[..., None] * present_T1S[..., None, :])
    noise_SS = noise * torch.eye(kernel_TNSS.shape[2]).to(kernel_TNSS)
    # Kernels have no negative eigenvalue, and the noise keeps them far from zero.
    factor_TNSS, _ = torch.linalg.cholesky_ex(masked_TNSS + noise_SS)
    inverse_TNSS = torch.cholesky_inverse(factor_TNSS)
    labels_T1SW = centred_labels(batch).mT[:, None]
    own_TNS1 = inverse_TNSS.diagonal(dim1=2, dim2=3)[..., None]
    predicted_TNSW: Tensor = labels_T1SW - (inverse_TNSS @ labels_T1SW) / own_TNS1
    return predicted_TNSW


def _relative_shots(batch: EpisodeBatch) -> Tensor:
    """Returns the rows of each class over the mean of the classes (TW); one where absent."""
    mean_T1 = batch.shots_TW.sum(1, keepdim=True) / batch.present_TW.sum(1, keepdim=True)
    return torch.where(batch.way_mask_TW, batch.shots_TW / mean_T1, 1.0)


def _masked(kernel_TSS: Tensor, is_row_TS: Tensor) -> Tensor:
    row_TS = is_row_TS.to(kernel_TSS.dtype)
    return kernel_TSS * (row_TS[:, :, None] * row_TS[:, None])
