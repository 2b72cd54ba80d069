"""The inner loop of a softmax head in dual form, and its backward pass, written out.

With K the kernel between the support rows, a step from (alpha, bias) is

    P      = softmax(alpha K' + bias)
    move   = rate * (Y - P)                       rate_s = step size x weight of row s
    alpha' = keep alpha + move                    keep   = 1 - step size x decay
    bias'  = bias + sum_s move / 2

Autograd would record and walk some twenty operations per step. Backwards, from the cotangents
(a, b) of (alpha', bias') and with m = a + b / 2 the cotangent of ``move``:

    z = P * (g - sum_w P g),  g = -rate m         cotangent of the logits
    a, b <- keep a + z K, b + sum_s z

and the cotangents of K, rate and keep are sums over the steps, which are taken at the end: that of
K is one product of the steps' z with their alphas.

Ways come before rows: a softmax over a few classes runs along the rows, and products are not of
matrices that are a few columns wide. Both are several times faster.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BIAS_RATE = 0.5
"""Step size of the bias in units of that of the weights."""


def descend_head(
    kernel_TSS: Tensor,
    alpha_TWS: Tensor,
    bias_TW: Tensor,
    *,
    labels_TWS: Tensor,
    rate_T1S: Tensor,
    keep: Tensor,
    way_mask_TW: Tensor,
    steps: int,
) -> tuple[Tensor, Tensor]:
    """Returns alpha (TWS) and bias (TW) after a number of steps; differentiable once.

    Args:
        kernel_TSS: kernel between the support rows.
        alpha_TWS: dual weights to start from, zero for padding and absent ways.
        bias_TW: biases to start from, zero for absent ways.
        labels_TWS: one-hot labels, zero for padding.
        rate_T1S: step size times the weight of each row, zero for padding.
        keep: what a step leaves of alpha (scalar).
        way_mask_TW: True where a class exists.
        steps: number of steps.
    """
    if not steps:
        return alpha_TWS, bias_TW
    ended: tuple[Tensor, Tensor] = _HeadDescent.apply(  # type: ignore[no-untyped-call]
        kernel_TSS, alpha_TWS, bias_TW, labels_TWS, rate_T1S, keep, way_mask_TW, steps
    )
    return ended


class _HeadDescent(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 (autograd passes by position)
        ctx: Any,
        kernel_TSS: Tensor,
        alpha_TWS: Tensor,
        bias_TW: Tensor,
        labels_TWS: Tensor,
        rate_T1S: Tensor,
        keep: Tensor,
        way_mask_TW: Tensor,
        steps: int,
    ) -> tuple[Tensor, Tensor]:
        is_recorded = any(ctx.needs_input_grad)
        # Absent ways are out of the softmax for good: no step moves minus infinity.
        bias_TW1 = bias_TW.masked_fill(~way_mask_TW, float("-inf"))[..., None]
        towards_TWS = labels_TWS * rate_T1S
        transposed_TSS = kernel_TSS.mT
        alphas, probabilities = [], []
        for _ in range(steps):
            p_TWS = torch.softmax(torch.baddbmm(bias_TW1, alpha_TWS, transposed_TSS), 1)
            if is_recorded:
                alphas.append(alpha_TWS)
                probabilities.append(p_TWS)
            move_TWS = torch.addcmul(towards_TWS, p_TWS, rate_T1S, value=-1)
            alpha_TWS = torch.addcmul(move_TWS, alpha_TWS, keep)
            bias_TW1 = bias_TW1.add(move_TWS.sum(2, keepdim=True), alpha=BIAS_RATE)
        if is_recorded:
            ctx.save_for_backward(kernel_TSS, labels_TWS, rate_T1S, keep, *alphas, *probabilities)
            ctx.steps = steps
        return alpha_TWS, bias_TW1[..., 0].masked_fill(~way_mask_TW, 0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, a_TWS: Tensor, b_TW: Tensor) -> tuple[Tensor | None, ...]:
        kernel_TSS, labels_TWS, rate_T1S, keep, *recorded = ctx.saved_tensors
        steps = ctx.steps
        alphas, probabilities = recorded[:steps], recorded[steps:]
        minus_rate_T1S, b_TW1 = -rate_T1S, b_TW[..., None]
        of_alpha, of_move, of_logits = [], [], []
        for p_TWS in reversed(probabilities):
            m_TWS = torch.add(a_TWS, b_TW1, alpha=BIAS_RATE)
            z_TWS = torch._softmax_backward_data(m_TWS * minus_rate_T1S, p_TWS, 1, p_TWS.dtype)
            of_alpha.append(a_TWS)
            of_move.append(m_TWS)
            of_logits.append(z_TWS)
            a_TWS = torch.baddbmm(a_TWS * keep, z_TWS, kernel_TSS)
            b_TW1 = b_TW1 + z_TWS.sum(2, keepdim=True)
        # The steps beside each other on the axis of the ways (M = steps x W).
        alphas_TMS, p_TMS = torch.cat(alphas, 1), torch.cat(probabilities, 1)
        errors_TMS = p_TMS - labels_TWS.repeat(1, steps, 1)
        of_rate_T1S = -(torch.cat(of_move[::-1], 1) * errors_TMS).sum(1, keepdim=True)
        of_keep = (torch.cat(of_alpha[::-1], 1) * alphas_TMS).sum()
        of_kernel_TSS = torch.cat(of_logits[::-1], 1).mT @ alphas_TMS
        return of_kernel_TSS, a_TWS, b_TW1[..., 0], None, of_rate_T1S, of_keep, None, None
