"""The head in closed form against direct formulations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.learners._ridge_head import RidgeHead, centred_labels, left_out_predictions

NOISE = 0.3


@pytest.fixture
def kernel_TSS(batch: EpisodeBatch) -> Tensor:
    """A linear plus a radial kernel of the support rows, padding included."""
    x_TSF = batch.x_support_TSFH[..., 0]
    return x_TSF @ x_TSF.mT / 4 + torch.exp(-torch.cdist(x_TSF, x_TSF) / 3)


def rows_of(batch: EpisodeBatch, task: int) -> Tensor:
    """Positions of the support rows of a task."""
    return torch.nonzero(batch.y_TS[task] >= 0)[:, 0]


def test_the_head_is_ridge_regression_on_explicit_features(
    batch: EpisodeBatch, kernel_TSS: Tensor
) -> None:
    """Alpha' phi is the weight matrix that ridge regression finds, where noise is equal."""
    head = RidgeHead().double()
    fitted = head.fit(kernel_TSS, batch)
    for task in range(batch.tasks):
        rows = rows_of(batch, task)
        features_SP = torch.linalg.cholesky(kernel_TSS[task][rows][:, rows])
        labels_SW = centred_labels(batch)[task].mT[rows]
        gram_PP = features_SP.mT @ features_SP + 1.001 * torch.eye(len(rows)).double()
        weights_PW = torch.linalg.solve(gram_PP, features_SP.mT @ labels_SW)
        found_PW = features_SP.mT @ fitted["alpha"][task].mT[rows]
        torch.testing.assert_close(found_PW, torch.e * weights_PW, rtol=0, atol=1e-9)
        assert not fitted["alpha"][task].mT[batch.y_TS[task] < 0].any()


def test_a_kernel_of_any_size_can_be_solved(batch: EpisodeBatch) -> None:
    """A large kernel of equal rows is not singular in single precision."""
    single = batch.to("cpu", torch.float32)
    ones_TSS = torch.ones(batch.tasks, single.y_TS.shape[1], single.y_TS.shape[1])
    head = RidgeHead()
    with torch.no_grad():
        head.log_noise.fill_(-40.0)

    fitted = head.fit(3e7 * ones_TSS, single)

    assert torch.isfinite(fitted["alpha"]).all()


def test_left_out_predictions_are_those_of_a_head_fitted_without_the_row(
    batch: EpisodeBatch, kernel_TSS: Tensor
) -> None:
    """The shortcut equals refitting, with the labels centred as they were."""
    kernels_TNSS = torch.stack([kernel_TSS, kernel_TSS.square()], 1)
    found_TNSW = left_out_predictions(kernels_TNSS, batch, noise=NOISE)
    for task in range(batch.tasks):
        rows = rows_of(batch, task)
        labels_SW = centred_labels(batch)[task].mT[rows]
        for kernel_SS, found_SW in zip(kernels_TNSS[task], found_TNSW[task], strict=True):
            own_SS = kernel_SS[rows][:, rows]
            own_SS = own_SS / own_SS.diagonal().mean()
            for row in range(len(rows)):
                others = [other for other in range(len(rows)) if other != row]
                noisy_SS = own_SS[others][:, others] + NOISE * torch.eye(len(others)).double()
                alpha_SW = torch.linalg.solve(noisy_SS, labels_SW[others])
                expected_W = own_SS[row, others] @ alpha_SW
                torch.testing.assert_close(found_SW[rows[row]], expected_W, rtol=0, atol=1e-9)


def test_noise_that_a_gate_adds_shrinks_the_head(batch: EpisodeBatch, kernel_TSS: Tensor) -> None:
    """More noise, smaller weights."""
    head = RidgeHead().double()

    def size(log_noise: float) -> float:
        log_noise_T = torch.full((batch.tasks,), log_noise, dtype=torch.float64)
        fitted = head.fit(kernel_TSS, batch, log_noise_T=log_noise_T)
        return float(fitted["alpha"].detach().abs().sum())

    assert size(-1.0) > size(0.0) > size(1.0)
