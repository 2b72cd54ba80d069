"""Memory and calls, for one combination of shapes, of what ``MlpPlan`` does.

``_mlp_plan.py`` has the algorithm, ``_mlp_passes.py`` the equations of a pass.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from autometa.learners._calls import Calls
from autometa.learners._inner_loop import Order
from autometa.learners._mlp_buffers import Parameters, Pass, Rows, Sizes, outside
from autometa.learners._mlp_passes import (
    add_backward,
    add_forward,
    add_inputs_tangent,
    add_tangent,
)
from autometa.learners._row_loss import Loss, RowLoss
from autometa.learners._workspace import Take

_keep_where_inside = torch.ops.aten.hardtanh_backward.grad_input


class Recipe(NamedTuple):
    """The options of ``MlpPlan``."""

    inner_lr: float
    inner_steps: int
    order: Order
    loss: Loss
    clip: float | None
    hidden_scale: float

    @property
    def has_hessians(self) -> bool:
        """Whether inner gradients are differentiated."""
        return self.order == "second" and self.inner_steps > 0


class Descent:
    """The inner loop on support rows.

    Attributes:
        start: where the initial parameters belong: weights, then biases.
        x: where the inputs belong (T, S, F).
        loss: the loss of the rows.
        runs: the passes of each step.
        thetas: every task's parameters before each step, and after the last.
        gradients: the clipped gradient of each step; empty without a clip.
        adapted: what comes after the last step: weights, then biases.
        calls: all steps.

    Args:
        take: where the memory comes from.
        sizes: sizes of the network and the batch.
        rows: number of support rows S.
        recipe: options of the plan.
        is_final: nothing looks back at the steps, so that all of them use the memory of one.
    """

    def __init__(
        self, take: Take, sizes: Sizes, rows: int, recipe: Recipe, *, is_final: bool
    ) -> None:
        self.sizes, self.recipe = sizes, recipe
        steps = recipe.inner_steps
        kept = steps if recipe.has_hessians and not is_final else min(steps, 1)
        repeats = steps if kept == 1 else 1
        own = Parameters.started(take, sizes)
        self.start = outside(own.shared or (), sizes)
        self.x = Rows(take(sizes.tasks, rows, sizes.inputs))
        self.loss = RowLoss(take, (sizes.tasks, sizes.ways, rows), recipe.loss)
        self.runs = [
            Pass(take, sizes, self.x, scale=recipe.hidden_scale) for _ in range(kept)
        ] * repeats
        self.thetas = [own, *[Parameters.taken(take, sizes) for _ in range(kept)] * repeats]
        clipped = 0 if recipe.clip is None else kept
        self.gradients = [Parameters.taken(take, sizes) for _ in range(clipped)] * repeats
        self.adapted = outside(self.thetas[-1].blocks, sizes)
        self.calls = Calls()
        for step in range(steps):
            self._add_step(step)

    def _add_step(self, step: int) -> None:
        calls, run, theta, out = self.calls, self.runs[step], *self.thetas[step : step + 2]
        add_forward(calls, run, theta)
        self.loss.add_errors(calls, run.logits, run.errors)
        add_backward(calls, run, theta)
        inner_lr, clip = self.recipe.inner_lr, self.recipe.clip
        if clip is None:
            for index, block in enumerate(theta.blocks):
                left, right, factor = run.lefts[index], run.rights[index], run.factors[index]
                moved = out.blocks[index]
                calls.add(torch.baddbmm, block, left, right, alpha=-inner_lr * factor, out=moved)
            return
        gradient = self.gradients[step]
        for index, block in enumerate(gradient.blocks):
            add_gradient(calls, block, run, index)
        calls.add(torch.clamp, gradient.flat, -clip, clip, out=gradient.flat)
        if step > 0:
            calls.add(torch.sub, theta.flat, gradient.flat, alpha=inner_lr, out=out.flat)
            return
        for block, slope, moved in zip(theta.blocks, gradient.blocks, out.blocks, strict=True):
            calls.add(torch.sub, block, slope, alpha=inner_lr, out=moved)


class PullBack:
    """The way back from derivatives with respect to the adapted parameters.

    Attributes:
        cotangent: those derivatives, which are overwritten.
        given: where they belong: weights, then biases.
        sums: for each block of parameters the derivative with respect to a start that all share.
        gradients: derivatives with respect to the start: weights, then biases.
    """

    def __init__(self, take: Take, descent: Descent) -> None:
        sizes, recipe = descent.sizes, descent.recipe
        self._descent = descent
        self.cotangent = Parameters.taken(take, sizes)
        self.given = outside(self.cotangent.blocks, sizes)
        self.sums = [take(*shape) for shape in sizes.shapes()]
        self.gradients = [
            total if sizes.is_shared(index) else value
            for index, (total, value) in enumerate(
                zip(outside(self.sums, sizes), self.given, strict=True)
            )
        ]
        if recipe.has_hessians:
            self._moved = Pass(take, sizes, descent.x, scale=recipe.hidden_scale)
            self._along = self.cotangent if recipe.clip is None else Parameters.taken(take, sizes)
            self._x_gradient = Rows(take(*descent.x.stack.shape))

    @cached_property
    def calls(self) -> Calls:
        """All steps in reverse, and sums over tasks."""
        return self._written(None)

    @cached_property
    def calls_with_inputs(self) -> tuple[Calls, Tensor]:
        """The same with the derivative with respect to the inputs, and where that is written."""
        return self._written(self._x_gradient), self._x_gradient.stack

    def _written(self, x_gradient: Rows | None) -> Calls:
        calls, sizes = Calls(), self._descent.sizes
        if x_gradient is not None:
            calls.add(x_gradient.stack.zero_)
        for step in reversed(range(self._descent.recipe.inner_steps)):
            self._add_step_back(calls, step, x_gradient)
        for index, block in enumerate(self.cotangent.blocks):
            # Those of the hidden layers' weights are taken by the first step.
            if index >= sizes.depth and sizes.is_shared(index):
                calls.add(torch.sum, block, 0, out=self.sums[index])
        return calls

    def _add_step_back(self, calls: Calls, step: int, x_gradient: Rows | None) -> None:
        descent, moved, along = self._descent, self._moved, self._along
        run, theta, recipe = descent.runs[step], descent.thetas[step], descent.recipe
        if recipe.clip is not None:
            calls.add(
                _keep_where_inside,
                self.cotangent.flat,
                descent.gradients[step].flat,
                -recipe.clip,
                recipe.clip,
                grad_input=along.flat,
            )
        add_tangent(calls, moved, run, theta=theta, along=along, loss=descent.loss)
        if x_gradient is not None:
            add_inputs_tangent(
                calls,
                x_gradient,
                moved,
                run,
                theta=theta,
                along=along,
                factor=-recipe.inner_lr,
            )
        sizes = descent.sizes
        for index, block in enumerate(self.cotangent.blocks):
            alpha = -recipe.inner_lr * run.factors[index]
            if step == 0 and index < sizes.depth:
                # All tasks start from the same weights, so that their sum is what is asked for.
                total, delta = self.sums[index], moved.deltas[index].flat_turned
                calls.add(torch.sum, block, 0, out=total)
                calls.add(total.addmm_, delta, run.units[index].flat, alpha=alpha)
                if index > 0:
                    delta, below = run.deltas[index].flat_turned, moved.hidden[index - 1].flat
                    calls.add(total.addmm_, delta, below, alpha=alpha)
                continue
            # Of a bias one factor is constant, and both passes have the same.
            rights = run.rights if index < sizes.weights else moved.rights
            calls.add(block.baddbmm_, moved.lefts[index], rights[index], alpha=alpha)
            if 0 < index <= sizes.depth:
                calls.add(block.baddbmm_, run.lefts[index], moved.rights[index], alpha=alpha)


class QueryPass:
    """The query loss of the adapted networks, and its derivatives.

    Attributes:
        x: where the inputs belong (T, Q, F).
        loss: the loss of the rows.
        calls: the pass; leaves the derivatives where the pull-back begins, or, where that has
            nothing to do, ends.
    """

    def __init__(self, take: Take, rows: int, descent: Descent, pull_back: PullBack) -> None:
        sizes, recipe = descent.sizes, descent.recipe
        self.x = Rows(take(sizes.tasks, rows, sizes.inputs))
        self.loss = RowLoss(take, (sizes.tasks, sizes.ways, rows), recipe.loss)
        run = Pass(take, sizes, self.x, scale=recipe.hidden_scale)
        self.calls = calls = Calls()
        add_forward(calls, run, descent.thetas[-1])
        self.loss.add_value_and_errors(calls, run.logits, run.errors)
        add_backward(calls, run, descent.thetas[-1])
        for index, block in enumerate(pull_back.cotangent.blocks):
            total = pull_back.sums[index]
            is_bias = index >= sizes.weights
            layer = index - sizes.weights if is_bias else index
            if layer >= sizes.depth:
                add_gradient(calls, block, run, index)
                if sizes.is_shared(index) and not recipe.has_hessians:
                    calls.add(torch.sum, block, 0, out=total)
            elif recipe.has_hessians and is_bias:
                calls.add(torch.sum, run.deltas[layer].stack, 1, keepdim=True, out=block)
            elif recipe.has_hessians:
                add_gradient(calls, block, run, index)
            # Of a hidden layer the sum over tasks is enough: one product, or none.
            elif is_bias:
                calls.add(torch.sum, run.deltas[layer].flat, 0, keepdim=True, out=total)
            else:
                delta, below = run.deltas[layer].flat_turned, run.units[layer].flat
                calls.add(torch.mm, delta, below, out=total)


def add_gradient(calls: Calls, out: Tensor, run: Pass, index: int) -> None:
    """Adds what writes the gradient of one block of parameters."""
    left, right, factor = run.lefts[index], run.rights[index], run.factors[index]
    calls.add(out.baddbmm_, left, right, beta=0, alpha=factor)
