"""MAML's inner loop on MLPs and its exact second-order derivative, written out by hand.

Finn, Abbeel, Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML
2017, arXiv 1703.03400, algorithm 1, and section 5.2 for the first order. With alpha the inner
rate and theta all parameters of a task, a step is

    theta_{k+1} = theta_k - alpha clip(gradient(theta_k))

and the pull-back runs the steps in reverse: with g the derivative of the query loss with respect
to theta_{k+1}, and u = g where the gradient was not clipped, 0 elsewhere,

    g <- g - alpha Hessian(theta_k) u

The Hessian times a vector is the tangent of the gradient as theta moves along that vector
(Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994);
``_mlp_passes.py`` has the equations. What the tangent of dL/dx gives, the inputs receive.

Nothing here goes through autograd, which records, dispatches and allocates several times as much
as small MLPs cost. All tasks move by the same batched products, in memory that is there already,
and the host never waits for a value, so that a CUDA graph can hold a call. The first step starts
from weights that all tasks share: its products are those of one tall matrix of T * S rows.

Products per row and step, with P weights of which P_1 in the first layer: 3 P - P_1 for a
gradient, and 6 P - 4 P_1 for a Hessian times a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from autometa.learners._inner_loop import Order
from autometa.learners._mlp_buffers import Sizes
from autometa.learners._mlp_tape import Descent, PullBack, QueryPass, Recipe
from autometa.learners._row_loss import Loss
from autometa.learners._workspace import Take, Workspace

_CACHE_BYTES = 12 * 2**20
"""Parameters of the tasks that are moved at a time, which is to fit into a CPU's last cache: three
layers of 256 units take a fifth less time so. Smaller networks are moved all at once."""


class MlpPlan:
    """Adapts the MLPs of T tasks by gradient steps and differentiates through all of them.

    ``meta_gradient`` does all of it in one call. ``adapt`` and ``pull_back`` are its parts, for
    callers whose query loss, inputs or head depend on more than the weights.

    A network is a list of weights (out, in), as those of ``nn.Linear``, and a list of biases
    (out): the hidden layers', then the head's. The head is shared, or per task with weight (T, W,
    units) and bias (T, W). One weight more than there are biases means that the head sees the
    inputs beside the hidden units: it is the head's weight on them. Without hidden layers the
    network is linear; on features as inputs that adapts the head alone (ANIL, Raghu et al., ICLR
    2020, arXiv 1909.09157).

    Ways that a task does not have are marked by a head bias of -1e9. Rows of padding have weight 0
    and may hold anything finite.

    All tensors have one floating dtype and lie on one device. What is returned lies in the plan's
    own memory and is overwritten by the next call.

    Args:
        inner_lr: step size alpha of the inner loop.
        inner_steps: number of steps; 0 leaves the start.
        order: ``"second"``, or ``"first"`` to take the inner gradient as a constant.
        loss: ``"cross_entropy"`` in nats, for labels that sum to 1 over the ways, or
            ``"squared_error"``, summed over the outputs. Either is averaged over rows.
        clip: every entry of an inner gradient is clipped to [-clip, clip]; None leaves them. An
            entry that the clip touches has derivative 0.
        hidden_scale: factor of the hidden units that the head sees.
    """

    def __init__(
        self,
        *,
        inner_lr: float,
        inner_steps: int,
        order: Order = "second",
        loss: Loss = "cross_entropy",
        clip: float | None = None,
        hidden_scale: float = 1.0,
    ) -> None:
        self.recipe = Recipe(inner_lr, inner_steps, order, loss, clip, hidden_scale)
        self._workspace = Workspace()
        self._sums = Workspace()
        self._latest: PullBack | None = None

    @property
    def memory(self) -> int:
        """How many numbers the plan's own memory holds."""
        return self._workspace.size + self._sums.size

    @torch.no_grad()
    def meta_gradient(  # noqa: PLR0917 (support and query are two pairs of inputs and labels)
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        x_TSF: Tensor,
        labels_TSW: Tensor,
        x_TQF: Tensor,
        labels_TQW: Tensor,
        *,
        support_weights_TS: Tensor | None = None,
        query_weights_TQ: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Returns the query loss after adaptation and its gradients.

        Args:
            weights: initial weights of the hidden layers and the head.
            biases: their initial biases.
            x_TSF: support inputs.
            labels_TSW: support labels, one-hot, or targets.
            x_TQF: query inputs.
            labels_TQW: query labels or targets.
            support_weights_TS: weight of each support row in its task's loss; 1 / S if None.
            query_weights_TQ: weight of each query row in the query loss; 1 / (T * Q) if None,
                which makes that loss the mean over tasks and rows.

        Returns:
            The loss, a scalar tensor, and the gradients with respect to weights and biases, in the
            shapes that those have.
        """
        start = [*weights, *biases]
        sizes = _sizes(weights, biases, x_TSF)
        tasks, rows, _ = x_TQF.shape
        support = _Batch(x_TSF, labels_TSW, support_weights_TS, 1 / x_TSF.shape[1])
        query = _Batch(x_TQF, labels_TQW, query_weights_TQ, 1 / (tasks * rows))
        copies = 2 + (self.recipe.inner_steps if self.recipe.has_hessians else 0)
        parts = _parts(sizes, copies, _CACHE_BYTES // x_TSF.element_size())
        if len(parts) == 1 or x_TSF.device.type != "cpu":
            loss, gradients = self._part(sizes, start, support, query)
        else:
            loss, gradients = self._summed(parts, sizes, start, support, query)
        return loss, gradients[: len(weights)], gradients[len(weights) :]

    @torch.no_grad()
    def adapt(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        x_TSF: Tensor,
        labels_TSW: Tensor,
        row_weights_TS: Tensor | None = None,
        *,
        is_final: bool = False,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the weights (T, out, in) and biases (T, out) of every task after the inner loop.

        Args:
            weights: initial weights of the hidden layers and the head.
            biases: their initial biases.
            x_TSF: support inputs.
            labels_TSW: support labels, one-hot, or targets.
            row_weights_TS: weight of each support row in its task's loss; 1 / S if None.
            is_final: no ``pull_back`` will follow, so that no step needs to be kept.
        """
        sizes = _sizes(weights, biases, x_TSF)
        rows = x_TSF.shape[1]

        def build(take: Take) -> tuple[Descent, PullBack | None]:
            descent = Descent(take, sizes, rows, self.recipe, is_final=is_final)
            return descent, None if is_final else PullBack(take, descent)

        descent, self._latest = self._workspace.layout(
            ("adapt", sizes, rows, is_final), build, x_TSF
        )
        _set_start(descent, [*weights, *biases])
        _fill(descent, _Batch(x_TSF, labels_TSW, row_weights_TS, 1 / rows))
        descent.calls.make()
        return descent.adapted[: len(weights)], descent.adapted[len(weights) :]

    @torch.no_grad()
    def pull_back(
        self,
        weight_cotangents: Sequence[Tensor],
        bias_cotangents: Sequence[Tensor],
        *,
        needs_inputs: bool = False,
    ) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
        """Returns the derivatives with respect to what the latest ``adapt`` was given.

        Args:
            weight_cotangents: derivatives with respect to the adapted weights (T, out, in).
            bias_cotangents: derivatives with respect to the adapted biases (T, out).
            needs_inputs: whether the derivative with respect to the support inputs is asked for.

        Returns:
            The derivatives with respect to the initial weights and biases, in the shapes that
            those have, and to the support inputs (T, S, F): None if not asked for, or where the
            inner gradient is a constant, so that nothing depends on them.

        Raises:
            RuntimeError: the latest call was not an ``adapt`` that kept its steps.
        """
        pull_back = self._latest
        if pull_back is None:
            raise RuntimeError("pull_back must follow an adapt that is not final")
        cotangents = [*weight_cotangents, *bias_cotangents]
        gradients, x_gradient = pull_back.gradients, None
        if not self.recipe.has_hessians:
            pairs = zip(gradients, cotangents, strict=True)
            gradients = [
                torch.sum(value, 0, out=total) if total.dim() < value.dim() else value
                for total, value in pairs
            ]
        else:
            for place, value in zip(pull_back.given, cotangents, strict=True):
                place.copy_(value)
            calls = pull_back.calls
            if needs_inputs:
                calls, x_gradient = pull_back.calls_with_inputs
            calls.make()
        count = len(weight_cotangents)
        return gradients[:count], gradients[count:], x_gradient

    def _part(
        self, sizes: Sizes, start: list[Tensor], support: _Batch, query: _Batch
    ) -> tuple[Tensor, list[Tensor]]:
        """Returns loss and gradients of tasks that are moved together."""
        rows = support.x_TRF.shape[1], query.x_TRF.shape[1]

        def build(take: Take) -> tuple[Descent, QueryPass, PullBack]:
            descent = Descent(take, sizes, rows[0], self.recipe, is_final=False)
            pull_back = PullBack(take, descent)
            return descent, QueryPass(take, rows[1], descent, pull_back), pull_back

        self._latest = None
        key = ("meta-gradient", sizes, *rows)
        descent, query_pass, pull_back = self._workspace.layout(key, build, query.x_TRF)
        _set_start(descent, start)
        _fill(descent, support)
        _fill(query_pass, query)
        descent.calls.make()
        query_pass.calls.make()
        if self.recipe.has_hessians:
            pull_back.calls.make()
        return query_pass.loss.value, pull_back.gradients

    def _summed(
        self,
        parts: Sequence[slice],
        sizes: Sizes,
        start: list[Tensor],
        support: _Batch,
        query: _Batch,
    ) -> tuple[Tensor, list[Tensor]]:
        """Returns loss and gradients of tasks that are moved part by part."""
        shapes = tuple(value.shape for value in start)

        def build(take: Take) -> tuple[Tensor, list[Tensor]]:
            return take(), [take(*shape) for shape in shapes]

        loss, totals = self._sums.layout(shapes, build, query.x_TRF)
        for value in (loss, *totals):
            value.zero_()
        is_own = [not sizes.is_shared(block) for block in range(len(start))]
        for part in parts:
            own = [value[part] if own else value for value, own in zip(start, is_own, strict=True)]
            part_sizes = sizes._replace(tasks=len(support.x_TRF[part]))
            part_loss, gradients = self._part(part_sizes, own, support.part(part), query.part(part))
            loss.add_(part_loss)
            for total, gradient, own_ in zip(totals, gradients, is_own, strict=True):
                (total[part] if own_ else total).add_(gradient)
        return loss, totals


@lru_cache
def _parts(sizes: Sizes, copies: int, fitting_numbers: int) -> tuple[slice, ...]:
    """Returns which tasks are moved together, in parts of about equal size.

    Args:
        sizes: sizes of the network and the batch.
        copies: how many copies of a task's parameters a part looks at.
        fitting_numbers: how many numbers it may look at.
    """
    tasks = sizes.tasks
    fitting_tasks = fitting_numbers // (copies * sum(out * inn for out, inn in sizes.shapes()))
    count = -(-tasks // max(fitting_tasks, 1))
    size = -(-tasks // count)
    return tuple(slice(first, first + size) for first in range(0, tasks, size))


class _Batch(NamedTuple):
    """Support or query rows of every task.

    Attributes:
        x_TRF: inputs.
        labels_TRW: labels or targets.
        weights_TR: weights of the rows, or None.
        default: the weight of all of them where there are none.
    """

    x_TRF: Tensor
    labels_TRW: Tensor
    weights_TR: Tensor | None
    default: float

    def part(self, part: slice) -> _Batch:
        """Returns the rows of some of the tasks."""
        weights_TR = None if self.weights_TR is None else self.weights_TR[part]
        return _Batch(self.x_TRF[part], self.labels_TRW[part], weights_TR, self.default)


def _set_start(descent: Descent, start: list[Tensor]) -> None:
    for value, place in zip(start, descent.start, strict=True):
        _require_shape("a parameter", value, place.shape)
    torch._foreach_copy_(descent.start, start)


def _fill(place: Descent | QueryPass, batch: _Batch) -> None:
    tasks, ways, rows = place.loss.shape
    _require_shape("inputs", batch.x_TRF, place.x.stack.shape)
    _require_shape("labels", batch.labels_TRW, (tasks, rows, ways))
    if batch.weights_TR is not None:
        _require_shape("weights of rows", batch.weights_TR, (tasks, rows))
    place.x.stack.copy_(batch.x_TRF)
    place.loss.set_rows(batch.labels_TRW, batch.weights_TR, batch.default)


def _require_shape(name: str, value: Tensor, shape: Sequence[int]) -> None:
    if value.shape != torch.Size(shape):
        # Copied into their place, they would be repeated without a word.
        raise ValueError(f"{name} must have shape {tuple(shape)}; got {tuple(value.shape)}")


def _sizes(weights: Sequence[Tensor], biases: Sequence[Tensor], x_TSF: Tensor) -> Sizes:
    return Sizes(
        tasks=x_TSF.shape[0],
        inputs=x_TSF.shape[2],
        hidden=tuple(weight.shape[0] for weight in weights[: len(biases) - 1]),
        ways=biases[-1].shape[-1],
        has_skip=len(weights) > len(biases),
        is_head_shared=biases[-1].dim() == 1,
    )
