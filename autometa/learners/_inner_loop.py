"""The inner loop shared by every learner: a few descent steps on per-task quantities.

MAML (Finn, Abbeel, Levine, ICML 2017, arXiv 1703.03400, algorithm 1, lines 5 to 7):

    theta'_i = theta - alpha * grad_theta L_support_i(f_theta)

``descend`` repeats it; what changes between learners is which quantities are fast (all weights,
column scales, the head) and where their direction comes from (autograd or a closed form).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Fast: TypeAlias = dict[str, Tensor]
"""Quantities that adapt to a task; every tensor has a leading task axis."""

Order: TypeAlias = Literal["first", "second"]


def descend(
    fast: Fast, direction: Callable[[Fast], Fast], *, inner_lr: float, inner_steps: int
) -> Fast:
    """Returns the fast quantities after ``inner_steps`` steps of size ``inner_lr``.

    Args:
        fast: the start of each task.
        direction: maps the current quantities to the directions to descend along.
        inner_lr: step size.
        inner_steps: number of steps; 0 returns the start.

    >>> start = {"scale": torch.tensor([[4.0]])}
    >>> descend(start, lambda fast: {"scale": 2 * fast["scale"]}, inner_lr=0.25, inner_steps=2)
    {'scale': tensor([[1.]])}
    """
    for _ in range(inner_steps):
        step = direction(fast)
        fast = {name: value - inner_lr * step[name] for name, value in fast.items()}
    return fast


def support_gradient(
    loss: Callable[[Fast], Tensor], fast: Fast, *, order: Order, clip: float
) -> Fast:
    """Returns the gradient of each task's support loss with respect to its fast quantities.

    With ``order="second"`` the gradient itself stays differentiable, so that the outer loop sees
    how the step depends on the meta-parameters; with ``"first"`` it is a constant (FOMAML,
    section 5.2 of the paper). Works with gradients disabled too, as in evaluation.

    Args:
        loss: maps fast quantities to the support loss of each task (T).
        fast: where to take the gradient.
        order: ``"second"`` or ``"first"``.
        clip: every entry is clipped to [-clip, clip]; inner gradients of shallow networks explode
            otherwise, and clipping only the outer gradient comes too late.

    >>> fast = {"scale": torch.tensor([[0.25], [3.0]])}
    >>> gradient = support_gradient(
    ...     lambda fast: fast["scale"].square().sum(1), fast, order="first", clip=1.0
    ... )
    >>> gradient["scale"].tolist()
    [[0.5], [1.0]]
    """
    is_outer_differentiated = torch.is_grad_enabled()
    with torch.enable_grad():
        # An alias cuts off the paths between fast quantities (a prototype head depends on the
        # weights that it starts from), so that these are partial derivatives, as in evaluation.
        leaves = {
            name: value.view_as(value)
            if is_outer_differentiated and value.requires_grad
            else value.detach().requires_grad_(True)
            for name, value in fast.items()
        }
        gradients = torch.autograd.grad(
            loss(leaves).sum(),
            tuple(leaves.values()),
            create_graph=is_outer_differentiated and order == "second",
        )
    return {
        name: gradient.clamp(-clip, clip) for name, gradient in zip(leaves, gradients, strict=True)
    }
