"""The hand-written inner loop of ``MlpPlan`` as one operation that autograd can differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autometa.learners._inner_loop import Order
from autometa.learners._mlp_plan import MlpPlan


class MlpAdaptation:
    """Adapts MLPs by the cross-entropy of their support rows.

    What it returns is differentiable with respect to all that it is given in floating point, but
    for the weights of rows, and once. Every call has a plan for itself until the last graph that
    needs it is gone, so that calls may nest and run in several threads.

    Args:
        inner_lr: step size of the inner loop.
        inner_steps: number of steps.
        order: ``"second"``, or ``"first"`` to take the inner gradient as a constant.
        clip: every entry of an inner gradient is clipped to [-clip, clip].
        hidden_scale: factor of the hidden units that the head sees.
    """

    def __init__(
        self, *, inner_lr: float, inner_steps: int, order: Order, clip: float, hidden_scale: float
    ) -> None:
        self._options: dict[str, Any] = {
            "inner_lr": inner_lr,
            "inner_steps": inner_steps,
            "order": order,
            "clip": clip,
            "hidden_scale": hidden_scale,
        }
        self._idle: list[MlpPlan] = []

    def __call__(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        x_TSF: Tensor,
        labels_TSW: Tensor,
        row_weights_TS: Tensor,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Returns every task's weights (T, out, in) and biases (T, out); ``MlpPlan`` has the rest.

        Args:
            weights: initial weights, as ``MlpPlan.adapt`` takes them.
            biases: initial biases.
            x_TSF: support inputs.
            labels_TSW: one-hot support labels.
            row_weights_TS: weight of each support row in its task's loss.
        """
        adapted: tuple[Tensor, ...] = _Adapt.apply(  # type: ignore[no-untyped-call]
            _Lease(self._options, self._idle),
            torch.is_grad_enabled(),
            len(weights),
            labels_TSW,
            row_weights_TS,
            x_TSF,
            *weights,
            *biases,
        )
        return list(adapted[: len(weights)]), list(adapted[len(weights) :])

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy starts without the memory of plans, which is large and belongs to its graphs.
        return _with_options, (self._options,)


def _with_options(options: dict[str, Any]) -> MlpAdaptation:
    return MlpAdaptation(**options)


class _Lease:
    """A plan that nobody else has until this is gone."""

    def __init__(self, options: dict[str, Any], idle: list[MlpPlan]) -> None:
        self._idle = idle
        try:
            self.plan = idle.pop()
        except IndexError:
            self.plan = MlpPlan(**options)

    def __del__(self) -> None:
        self._idle.append(self.plan)


class _Adapt(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 (autograd passes by position)
        ctx: Any,
        lease: _Lease,
        is_differentiated: bool,
        count: int,
        labels_TSW: Tensor,
        row_weights_TS: Tensor,
        x_TSF: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        weights, biases = lease.plan.adapt(
            parameters[:count],
            parameters[count:],
            x_TSF,
            labels_TSW,
            row_weights_TS,
            is_final=not is_differentiated,
        )
        if is_differentiated:
            ctx.lease, ctx.count = lease, count
        return tuple(value.clone() for value in (*weights, *biases))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        weights, biases, x_gradient = ctx.lease.plan.pull_back(
            cotangents[: ctx.count], cotangents[ctx.count :], needs_inputs=ctx.needs_input_grad[5]
        )
        gradients = [None if x_gradient is None else x_gradient.clone()]
        gradients += [value.clone() for value in (*weights, *biases)]
        return None, None, None, None, None, *gradients
