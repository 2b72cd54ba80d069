"""The inner loop of the column scales, and its backward pass, written out.

The leave-one-out logits of the support rows are linear in the squared scales s of the columns, A =
C s (``_leave_one_out.py``). A step from the offsets o, with M their bound, is

    t = tanh(o / M),  s = b exp(2 M t)             b the squared scales without an offset
    P = softmax(gain A),  E = gain v (P - Y)       v the weight of a row in the loss
    g = f s (1 - t^2) C'E                          f twice the number of columns
    o' = o - rate clip(g)

Backwards, from the cotangent q of o', every cotangent of a step is again a product with C or its
transpose, and that of C itself, a sum of outer products over the steps, is one product at the end.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autometa.episodes import EpisodeBatch
from autometa.learners._inner_loop import Fast, descend
from autometa.learners._leave_one_out import LeaveOneOut

MAX_OFFSET = 3.0
"""Log-scale offsets stay within this bound, smoothly: beyond it exp() runs away."""

SCALE_CLIP = 3.0
"""Largest step of an offset, in units of the rate."""

_SAVED = 8
_through_clamp = torch.ops.aten.hardtanh_backward


def bounded(offset_TF: Tensor) -> Tensor:
    """Returns offsets within their bound."""
    return MAX_OFFSET * torch.tanh(offset_TF / MAX_OFFSET)


def descend_scales(
    linear_TSF: Tensor,
    base_TF: Tensor,
    gain: Tensor,
    batch: EpisodeBatch,
    *,
    inner_lr: float,
    inner_steps: int,
) -> Tensor:
    """Returns the offsets (TF), before they are bounded, from zero; differentiable once.

    The loss is a mean over columns, so that one column's gradient shrinks with their number;
    undoing that makes one rate fit narrow and wide tables.

    Args:
        linear_TSF: support rows, unscaled.
        base_TF: scales without an offset, zero where no column exists.
        gain: factor of the logits (scalar).
        batch: labels and counts. Rows that are alone in their class are not scored.
        inner_lr: rate.
        inner_steps: number of steps.
    """
    labels_TWS = batch.labels_TWS
    left_out = LeaveOneOut(linear_TSF, labels_TWS, batch.shots_TW)
    squared_TF = base_TF.square()
    absent_TW1 = ~batch.way_mask_TW[..., None]
    factor_T1 = 2 * batch.columns_T1
    if torch.is_grad_enabled():
        offset_TF: Tensor = _ScaleDescent.apply(  # type: ignore[no-untyped-call]
            left_out.maps(),
            squared_TF,
            gain,
            labels_TWS,
            batch.scored_shares_T1S,
            absent_TW1,
            factor_T1,
            inner_lr,
            inner_steps,
        )
        return offset_TF
    # Without a backward pass nothing needs the maps, which are large for many rows and classes.
    weight_T1S = gain * batch.scored_shares_T1S

    def direction(fast: Fast) -> Fast:
        t_TF = torch.tanh(fast["offset"] / MAX_OFFSET)
        s_TF = squared_TF * torch.exp(2 * MAX_OFFSET * t_TF)
        logits_TWS = (gain * left_out.logits(s_TF)).masked_fill_(absent_TW1, float("-inf"))
        pulled_TF = left_out.pulled_back((logits_TWS.softmax(1) - labels_TWS) * weight_T1S)
        g_TF = factor_T1 * s_TF * (1 - t_TF * t_TF) * pulled_TF
        return {"offset": g_TF.clamp(-SCALE_CLIP, SCALE_CLIP)}

    start = {"offset": torch.zeros_like(squared_TF)}
    return descend(start, direction, inner_lr=inner_lr, inner_steps=inner_steps)["offset"]


class _ScaleDescent(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 (autograd passes by position)
        ctx: Any,
        maps_TNF: Tensor,
        squared_TF: Tensor,
        gain: Tensor,
        labels_TWS: Tensor,
        weight_T1S: Tensor,
        absent_TW1: Tensor,
        factor_T1: Tensor,
        inner_lr: float,
        inner_steps: int,
    ) -> Tensor:
        weight_T1S = gain * weight_T1S
        transposed_TFN = maps_TNF.mT
        offset_TF = torch.zeros_like(squared_TF)
        steps = []
        for _ in range(inner_steps):
            t_TF = torch.tanh(offset_TF / MAX_OFFSET)
            growth_TF = torch.exp(2 * MAX_OFFSET * t_TF)
            s_TF = squared_TF * growth_TF
            logits_TWS = (maps_TNF @ s_TF[..., None]).view_as(labels_TWS)
            p_TWS = (gain * logits_TWS).masked_fill_(absent_TW1, float("-inf")).softmax(1)
            error_TWS = (p_TWS - labels_TWS).mul_(weight_T1S)
            pulled_TF = (transposed_TFN @ error_TWS.view(*maps_TNF.shape[:2], 1))[..., 0]
            slope_TF = factor_T1 * s_TF * (1 - t_TF * t_TF)
            move_TF = (slope_TF * pulled_TF).clamp_(-SCALE_CLIP, SCALE_CLIP)
            offset_TF = offset_TF.sub(move_TF, alpha=inner_lr)
            steps.append((t_TF, growth_TF, s_TF, slope_TF, pulled_TF, logits_TWS, p_TWS, error_TWS))
        ctx.save_for_backward(maps_TNF, gain, weight_T1S, factor_T1, *sum(steps, ()))
        ctx.inner_lr, ctx.inner_steps = inner_lr, inner_steps
        return offset_TF

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, q_TF: Tensor) -> tuple[Tensor | None, ...]:
        maps_TNF, gain, weight_T1S, factor_T1, *recorded = ctx.saved_tensors
        transposed_TFN = maps_TNF.mT
        of_squared_TF, of_gain = torch.zeros_like(q_TF), torch.zeros_like(gain)
        lefts_TN1: list[Tensor] = []
        rights_TF1: list[Tensor] = []
        for step in reversed(range(ctx.inner_steps)):
            mine = recorded[step * _SAVED : (step + 1) * _SAVED]
            t_TF, growth_TF, s_TF, slope_TF, pulled_TF, logits_TWS, p_TWS, error_TWS = mine
            flat_TF = 1 - t_TF * t_TF
            g_TF = slope_TF * pulled_TF
            of_g_TF = _through_clamp(q_TF, g_TF, -SCALE_CLIP, SCALE_CLIP).mul_(-ctx.inner_lr)
            of_pulled_TF1 = (of_g_TF * slope_TF)[..., None]
            of_slope_TF = of_g_TF * pulled_TF * factor_T1
            of_error_TWS = (maps_TNF @ of_pulled_TF1).view_as(p_TWS)
            of_p_TWS = of_error_TWS * weight_T1S
            of_logits_TWS = torch._softmax_backward_data(of_p_TWS, p_TWS, 1, p_TWS.dtype)
            # The gain is a factor of the logits and of the errors.
            of_gain += (of_logits_TWS * logits_TWS).sum() + (of_error_TWS * error_TWS).sum() / gain
            of_logits_TN1 = (gain * of_logits_TWS).view(*maps_TNF.shape[:2], 1)
            lefts_TN1 += [error_TWS.view_as(of_logits_TN1), of_logits_TN1]
            rights_TF1 += [of_pulled_TF1, s_TF[..., None]]
            of_s_TF = (transposed_TFN @ of_logits_TN1)[..., 0] + of_slope_TF * flat_TF
            of_squared_TF += of_s_TF * growth_TF
            of_t_TF = 2 * s_TF * (MAX_OFFSET * of_s_TF - of_slope_TF * t_TF)
            q_TF = torch.addcmul(q_TF, of_t_TF, flat_TF, value=1 / MAX_OFFSET)
        of_maps_TNF = None
        if lefts_TN1:
            of_maps_TNF = torch.cat(lefts_TN1, -1) @ torch.cat(rights_TF1, -1).mT
        return of_maps_TNF, of_squared_TF, of_gain, None, None, None, None, None, None
