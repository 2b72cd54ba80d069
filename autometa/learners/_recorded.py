"""The kernel's inner loops under autograd: what the written-out ones are compared with.

They say the same in fewer lines and cost several times as much: autograd records every operation of
every step, and differentiates the gradient of the support loss where the other form has formulas.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.learners._base import cross_entropy, without_absent_ways
from autometa.learners._head_descent import BIAS_RATE
from autometa.learners._inner_loop import Fast, descend, support_gradient
from autometa.learners._leave_one_out import LeaveOneOut
from autometa.learners._scale_descent import SCALE_CLIP, bounded


def recorded_head(
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
    """Returns what ``descend_head`` returns."""

    def direction(fast: Fast) -> Fast:
        logits_TWS = fast["alpha"] @ kernel_TSS.mT + fast["bias"][..., None]
        p_TWS = logits_TWS.masked_fill(~way_mask_TW[..., None], float("-inf")).softmax(1)
        error_TWS = rate_T1S * (p_TWS - labels_TWS)
        return {
            "alpha": error_TWS + (1 - keep) * fast["alpha"],
            "bias": BIAS_RATE * error_TWS.sum(2),
        }

    start = {"alpha": alpha_TWS, "bias": bias_TW}
    ended = descend(start, direction, inner_lr=1.0, inner_steps=steps)
    return ended["alpha"], ended["bias"]


def recorded_scales(
    linear_TSF: Tensor,
    base_TF: Tensor,
    gain: Tensor,
    batch: EpisodeBatch,
    *,
    inner_lr: float,
    inner_steps: int,
) -> Tensor:
    """Returns what ``descend_scales`` returns, from the loss of rows that are scaled.

    Args:
        linear_TSF: support rows, unscaled.
        base_TF: scales without an offset.
        gain: factor of the logits (scalar).
        batch: labels and counts.
        inner_lr: rate.
        inner_steps: number of steps.
    """
    own_shots_TS = (batch.labels_TWS * batch.shots_TW[..., None]).sum(1)
    scored_TS = torch.where(own_shots_TS > 1, batch.y_TS, torch.full_like(batch.y_TS, -1))
    ones_TF = torch.ones_like(base_TF)

    def loss(fast: Fast) -> Tensor:
        scaled_TSF = linear_TSF * (base_TF * bounded(fast["offset"]).exp())[:, None]
        left_out = LeaveOneOut(scaled_TSF, batch.labels_TWS, batch.shots_TW)
        logits_TSW = gain * left_out.logits(ones_TF).mT
        return cross_entropy(without_absent_ways(logits_TSW, batch.way_mask_TW), scored_TS)

    def direction(fast: Fast) -> Fast:
        gradient = support_gradient(loss, fast, order="second", clip=SCALE_CLIP)
        return {"offset": (gradient["offset"] * batch.columns_T1).clamp(-SCALE_CLIP, SCALE_CLIP)}

    start = {"offset": torch.zeros_like(base_TF)}
    return descend(start, direction, inner_lr=inner_lr, inner_steps=inner_steps)["offset"]
