"""Kernels by way of rows without labels: what they are, and which rows they may look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.learners import AbstractLearner
from autometa.learners._smoothing import (
    Smoothing,
    folded,
    smoothed_logits,
    smoothing_of,
)

MakeLearner = Callable[..., AbstractLearner]


def likeness(rows: int, *, seed: int) -> Tensor:
    """Returns a likeness between rows of one task (RR): positive definite, one on the diagonal."""
    x_RF = torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed)).double()
    return torch.exp(-torch.cdist(x_RF, x_RF, p=1.0))


def kernels(likeness_RV: Tensor, smoothing: Smoothing) -> Tensor:
    """Returns both kernels of the rows of one task with its support rows (NRS)."""
    described_RV = (likeness_RV - smoothing.centre_T1V[0]) * smoothing.visible_TV
    return described_RV @ smoothing.maps_TNVS[0]


def test_the_kernels_are_powers_of_the_centred_likeness() -> None:
    """Square and cube of its spectrum, with a mean of two on the reference rows' diagonal."""
    references, support = 9, 4
    likeness_VV = likeness(references, seed=0)
    visible_V = torch.ones(references, dtype=torch.bool)

    smoothing, between_TNSS = smoothing_of(likeness_VV[None], visible_V[None], support=support)
    found_NVS = kernels(likeness_VV, smoothing)

    described_VV = likeness_VV - likeness_VV.mean(0)
    twice_centred_VV = described_VV - described_VV.mean(1, keepdim=True)
    for kernel_VS, expected_VV in zip(
        found_NVS,
        (described_VV @ described_VV.T, described_VV @ twice_centred_VV @ described_VV.T),
        strict=True,
    ):
        scaled_VV = 2 * expected_VV / expected_VV.diagonal().mean()
        torch.testing.assert_close(kernel_VS, scaled_VV[:, :support], rtol=0, atol=1e-12)
    torch.testing.assert_close(between_TNSS[0], found_NVS[:, :support], rtol=0, atol=1e-12)


def test_rows_out_of_sight_are_no_reference_rows() -> None:
    """They count for nothing, as if they were not there."""
    likeness_VV = likeness(10, seed=1)
    is_visible_V = torch.tensor([True] * 4 + [True, False, True, False, False, True])
    kept = is_visible_V.nonzero()[:, 0]
    among, _ = smoothing_of(likeness_VV[None], is_visible_V[None], support=4)
    alone, _ = smoothing_of(likeness_VV[kept][None, :, kept], is_visible_V[kept][None], support=4)

    new_RV = likeness(10, seed=2)[:3]

    torch.testing.assert_close(
        kernels(new_RV, among), kernels(new_RV[:, kept], alone), rtol=0, atol=1e-12
    )


def test_logits_are_those_of_the_weighted_kernels() -> None:
    """Weights of the kernels and of the head fold into weights of the reference rows."""
    generator = torch.Generator().manual_seed(3)
    likeness_VV = likeness(8, seed=3)
    is_visible_V = torch.tensor([True] * 6 + [False, True])
    smoothing, _ = smoothing_of(likeness_VV[None], is_visible_V[None], support=3)
    weights_TN = torch.rand(1, 2, generator=generator).double()
    alpha_TWS = torch.randn(1, 2, 3, generator=generator).double()

    found_TWR = smoothed_logits(folded(smoothing, weights_TN, alpha_TWS), likeness_VV[None])

    kernel_RS = (kernels(likeness_VV, smoothing) * weights_TN[0, :, None, None]).sum(0)
    torch.testing.assert_close(found_TWR[0], alpha_TWS[0] @ kernel_RS.T, rtol=0, atol=1e-12)


def test_equal_rows_are_finite() -> None:
    """Where nothing tells the reference rows apart, the kernels are zero."""
    ones_TVV = torch.ones(1, 5, 5).double()

    smoothing, _ = smoothing_of(ones_TVV, torch.ones(1, 5, dtype=torch.bool), support=2)

    assert kernels(ones_TVV[0], smoothing).abs().max() < 1e-6


@pytest.mark.parametrize("smoothing", [True, False])
def test_only_smoothing_looks_at_other_rows(
    smoothing: bool, batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """What is said of a query row depends on other visible ones with smoothing, and only then."""
    learner = make_learner("column_kernel", smoothing=smoothing)
    visible_TR = batch.row_mask_TR.clone()
    sighted = dataclasses.replace(batch, visible_TR=visible_TR)
    x_TRFH = batch.x_TRFH.clone()
    x_TRFH[:, batch.support_rows + 1] *= -1.0
    moved = dataclasses.replace(sighted, x_TRFH=x_TRFH)

    change = (learner(moved) - learner(sighted))[:, 0].abs().max()

    assert (change > 1e-6) == smoothing


def test_labels_of_visible_rows_are_not_read(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Rows that may be looked at are looked at without their labels."""
    learner = make_learner("column_kernel", smoothing=True)
    sighted = dataclasses.replace(batch, visible_TR=batch.row_mask_TR)
    relabelled = dataclasses.replace(sighted, y_TQ=batch.y_TQ.flip(1).clamp_min(0))

    torch.testing.assert_close(learner(relabelled), learner(sighted), rtol=0, atol=0)
