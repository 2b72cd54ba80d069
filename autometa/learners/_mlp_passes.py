"""The passes of an MLP over the rows of T tasks: forward, backward, and the tangents of both.

Notation: T tasks, R rows, F inputs, W ways or other outputs. ' is a transpose, * an elementwise
product, c the factor of the hidden units that the head sees.

    units      A_0 = x,  A_j = relu(A_{j-1} W_j' + b_j)
    logits     Z = c A_H V' + x M' + d                  head V and d; M where inputs skip to it
    errors     E = dL/dZ
    deltas     D_H = (c E V) * [A_H > 0],  D_j = (D_{j+1} W_{j+1}) * [A_j > 0]
    gradient   W_j: D_j' A_{j-1},  b_j: D_j' 1,  V: c E' A_H,  M: E' x,  d: E' 1

The tangent R{.} of each as the parameters move along (U_j, u_j, ...) (Pearlmutter, "Fast exact
multiplication by the Hessian", Neural Computation 6, 1994) is the product rule applied to it:

    R{A_j} = (A_{j-1} U_j' + u_j + R{A_{j-1}} W_j') * [A_j > 0],  R{A_0} = 0
    R{Z}   = c (A_H U_V' + R{A_H} V') + x U_M' + u_d
    R{E}   = the second derivative of L times R{Z}
    R{D_H} = c (R{E} V + E U_V) * [A_H > 0]
    R{D_j} = (R{D_{j+1}} W_{j+1} + D_{j+1} U_{j+1}) * [A_j > 0]

Everything is written into memory that is there already, by calls that are added to a list.
"""

from __future__ import annotations

import torch

from autometa.learners._calls import Calls
from autometa.learners._mlp_buffers import Parameters, Pass, Rows
from autometa.learners._row_loss import RowLoss

_keep_where_positive = torch.ops.aten.threshold_backward.grad_input


def add_forward(calls: Calls, run: Pass, theta: Parameters) -> None:
    """Adds what writes units and logits."""
    for layer, out in enumerate(run.hidden):
        below = run.units[layer]
        if theta.shared is not None:
            weight, bias = theta.shared[layer], theta.shared[layer - len(run.hidden) - 1]
            calls.add(torch.addmm, bias, below.flat, weight.T, out=out.flat)
        else:
            weights, bias = theta.turned[layer], theta.biases[layer]
            calls.add(torch.baddbmm, bias, below.stack, weights, out=out.stack)
        calls.add(out.stack.relu_)
    _add_logits(calls, run, theta, run.units[-1], run.units[0])


def add_backward(calls: Calls, run: Pass, theta: Parameters) -> None:
    """Adds what writes the deltas, given the errors."""
    for layer in reversed(range(len(run.deltas))):
        _add_delta(calls, run, theta, layer)
        _add_mask(calls, run.deltas[layer], run.hidden[layer])


def add_tangent(
    calls: Calls, moved: Pass, run: Pass, *, theta: Parameters, along: Parameters, loss: RowLoss
) -> None:
    """Adds what writes the tangents of the units, errors and deltas of a pass.

    Args:
        calls: where to add it.
        moved: where the tangents are written.
        run: the pass.
        theta: its parameters.
        along: how they move.
        loss: the loss of its rows.
    """
    for layer, out in enumerate(moved.hidden):
        weights, bias = along.turned[layer], along.biases[layer]
        calls.add(torch.baddbmm, bias, run.units[layer].stack, weights, out=out.stack)
        below = moved.hidden[layer - 1]
        if layer and theta.shared is not None:
            calls.add(out.flat.addmm_, below.flat, theta.shared[layer].T)
        elif layer:
            calls.add(out.stack.baddbmm_, below.stack, theta.turned[layer])
        _add_mask(calls, out, run.hidden[layer])

    _add_logits(calls, moved, along, run.units[-1], run.units[0])
    if moved.hidden:
        top = moved.hidden[-1].turned
        calls.add(moved.logits.baddbmm_, theta.head, top, alpha=moved.scale)
    loss.add_tangent(calls, run.logits, moved.logits, moved.errors)

    for layer in reversed(range(len(moved.deltas))):
        out = moved.deltas[layer]
        _add_delta(calls, moved, theta, layer)
        if layer == len(moved.deltas) - 1:
            calls.add(out.stack.baddbmm_, run.errors_turned, along.head, alpha=run.scale)
        else:
            above = run.deltas[layer + 1]
            calls.add(out.stack.baddbmm_, above.stack, along.blocks[layer + 1])
        _add_mask(calls, out, run.hidden[layer])


def add_inputs_tangent(
    calls: Calls,
    out: Rows,
    moved: Pass,
    run: Pass,
    *,
    theta: Parameters,
    along: Parameters,
    factor: float,
) -> None:
    """Adds what adds ``factor`` R{dL/dx} to ``out``, given the tangents of a pass."""
    for cotangents, parameters in ((moved, theta), (run, along)):
        errors = cotangents.errors_turned
        if not cotangents.deltas:
            alpha = factor * run.scale
            calls.add(out.stack.baddbmm_, errors, parameters.head, alpha=alpha)
        elif parameters.shared is not None:
            delta, weight = cotangents.deltas[0].flat, parameters.shared[0]
            calls.add(out.flat.addmm_, delta, weight, alpha=factor)
        else:
            delta, weight = cotangents.deltas[0].stack, parameters.blocks[0]
            calls.add(out.stack.baddbmm_, delta, weight, alpha=factor)
        if parameters.skip is not None:
            calls.add(out.stack.baddbmm_, errors, parameters.skip, alpha=factor)


def _add_logits(calls: Calls, run: Pass, theta: Parameters, top: Rows, inputs: Rows) -> None:
    bias, head = theta.head_bias, theta.head
    calls.add(torch.baddbmm, bias, head, top.turned, alpha=run.scale, out=run.logits)
    if theta.skip is not None:
        calls.add(run.logits.baddbmm_, theta.skip, inputs.turned)


def _add_delta(calls: Calls, run: Pass, theta: Parameters, layer: int) -> None:
    """Adds what writes the derivative with respect to a hidden layer's units, after its ReLU."""
    out = run.deltas[layer]
    if layer == len(run.deltas) - 1:
        calls.add(out.stack.baddbmm_, run.errors_turned, theta.head, beta=0, alpha=run.scale)
    elif theta.shared is not None:
        calls.add(torch.mm, run.deltas[layer + 1].flat, theta.shared[layer + 1], out=out.flat)
    else:
        calls.add(torch.bmm, run.deltas[layer + 1].stack, theta.blocks[layer + 1], out=out.stack)


def _add_mask(calls: Calls, out: Rows, units: Rows) -> None:
    """Adds what sets to zero what does not pass a ReLU whose outputs are ``units``."""
    calls.add(_keep_where_positive, out.stack, units.stack, 0, grad_input=out.stack)
