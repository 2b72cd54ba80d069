"""The head's inner loop and its written-out backward pass against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autometa.learners._head_descent import descend_head
from autometa.learners._recorded import recorded_head

TASKS, WAYS, SUPPORT = 3, 4, 7
Inputs = dict[str, Tensor]


@pytest.fixture
def inputs() -> Inputs:
    """Three tasks; the second lacks two ways, and the third has two rows of padding."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    way_mask_TW = torch.ones(TASKS, WAYS, dtype=torch.bool)
    way_mask_TW[1, 2:] = False
    y_TS = torch.arange(SUPPORT).remainder(WAYS).repeat(TASKS, 1)
    y_TS[1] %= 2
    y_TS[2, 5:] = -1
    labels_TWS = (y_TS[:, None] == torch.arange(WAYS)[:, None]).double()
    is_row_T1S = labels_TWS.sum(1, keepdim=True)
    return {
        "kernel_TSS": normal(TASKS, SUPPORT, SUPPORT),
        "alpha_TWS": normal(TASKS, WAYS, SUPPORT) * is_row_T1S * way_mask_TW[..., None],
        "bias_TW": normal(TASKS, WAYS) * way_mask_TW,
        "labels_TWS": labels_TWS,
        "rate_T1S": (0.5 + normal(TASKS, 1, SUPPORT).square()) * is_row_T1S,
        "keep": torch.tensor(0.9, dtype=torch.float64),
        "way_mask_TW": way_mask_TW,
    }


@pytest.mark.parametrize("steps", [0, 1, 6])
def test_the_written_backward_pass_is_that_of_autograd(inputs: Inputs, steps: int) -> None:
    """Weights, biases and the gradients of all inputs agree to 1e-10 in float64."""
    names = ("kernel_TSS", "alpha_TWS", "bias_TW", "rate_T1S", "keep")
    leaves = [inputs[name].requires_grad_() for name in names]
    results = []

    for descended in (descend_head, recorded_head):
        ended = descended(**inputs, steps=steps)
        loss = sum((value * torch.arange(value.numel()).view_as(value)).sum() for value in ended)
        gradients = torch.autograd.grad(loss, leaves, materialize_grads=True)
        results.append((*ended, *gradients))

    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_padding_and_absent_ways_stay_zero(inputs: Inputs) -> None:
    """Rows and ways that do not exist get no weight."""
    alpha_TWS, bias_TW = descend_head(**inputs, steps=3)

    assert not alpha_TWS[2, :, 5:].any()
    assert not alpha_TWS[1, 2:].any()
    assert not bias_TW[1, 2:].any()
