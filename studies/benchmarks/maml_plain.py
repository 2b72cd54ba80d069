"""MAML on a ReLU network by autometa, and in plain PyTorch as people write it.

Axes: T tasks, S support rows, Q query rows, F features, R rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from maml_contender import AbstractContender, Network, Tasks
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy, linear, relu

from autometa.learners._mlp_plan import MlpPlan


class Ours(AbstractContender):
    """The hand-written plan: no autograd, all tasks at once, buffers that are reused."""

    name = "autometa"

    def _build(self, network: Network) -> None:
        super()._build(network)
        self.plan = MlpPlan(
            inner_lr=self.descent.inner_lr,
            inner_steps=self.descent.inner_steps,
            order=self.descent.order,
        )

    def _meta_gradient(self, tasks: Tasks) -> Tensor:
        weights, biases = self.parameters[::2], self.parameters[1::2]
        loss, weight_gradients, bias_gradients = self.plan.meta_gradient(
            weights, biases, tasks.x_TSF, tasks.labels_TSW, tasks.x_TQF, tasks.labels_TQW
        )
        for parameter, gradient in zip(
            [*weights, *biases], [*weight_gradients, *bias_gradients], strict=True
        ):
            parameter.grad = gradient
        return loss


class TaskLoop(AbstractContender):
    """A functional network and ``torch.autograd.grad``, task by task: what most code does."""

    name = "per-task loop"

    def _meta_gradient(self, tasks: Tasks) -> Tensor:
        total = torch.zeros((), dtype=tasks.x_TSF.dtype)
        for task in range(len(tasks.x_TSF)):
            fast: Sequence[Tensor] = self.parameters
            for _ in range(self.descent.inner_steps):
                loss = cross_entropy(_forward(fast, tasks.x_TSF[task]), tasks.y_TS[task])
                steps = torch.autograd.grad(loss, fast, create_graph=self.is_second_order)
                fast = [
                    value - self.descent.inner_lr * step
                    for value, step in zip(fast, steps, strict=True)
                ]
            loss = cross_entropy(_forward(fast, tasks.x_TQF[task]), tasks.y_TQ[task])
            loss = loss / len(tasks.x_TSF)
            torch.autograd.backward(loss)
            total += loss.detach()
        return total


class Batched(AbstractContender):
    """Weights with a task axis, ``baddbmm`` and autograd: the same loop for all tasks at once."""

    name = "batched autograd"

    def _build(self, network: Network) -> None:
        # (in, out) is the faster layout under autograd, which transposes in the backward pass.
        super()._build(
            Network([weight.T.contiguous() for weight in network.weights], network.biases)
        )

    def _meta_gradient(self, tasks: Tasks) -> Tensor:
        count, rows = tasks.y_TS.shape
        fast = [
            part.expand(count, *part.shape) if part.dim() == 2 else part.expand(count, 1, -1)
            for part in self.parameters
        ]
        for _ in range(self.descent.inner_steps):
            logits = self._forward(fast, tasks.x_TSF).flatten(0, 1)
            loss = cross_entropy(logits, tasks.y_TS.flatten(), reduction="sum") / rows
            steps = torch.autograd.grad(loss, fast, create_graph=self.is_second_order)
            fast = [
                torch.sub(value, step, alpha=self.descent.inner_lr)
                for value, step in zip(fast, steps, strict=True)
            ]
        loss = cross_entropy(self._forward(fast, tasks.x_TQF).flatten(0, 1), tasks.y_TQ.flatten())
        torch.autograd.backward(loss)
        return loss.detach()

    def gradients(self) -> list[Tensor]:
        """Returns the gradients of the last call, those of weights turned back to (out, in)."""
        return [part.T if part.dim() == 2 else part for part in super().gradients()]

    @staticmethod
    def _forward(fast: Sequence[Tensor], x_TRF: Tensor) -> Tensor:
        hidden = x_TRF
        for layer in range(0, len(fast), 2):
            hidden = torch.baddbmm(fast[layer + 1], hidden, fast[layer])
            hidden = relu(hidden) if layer < len(fast) - 2 else hidden
        return hidden


class Vmap(AbstractContender):
    """``torch.func``: the loss of one task written with ``grad``, mapped over tasks by ``vmap``."""

    name = "torch.func vmap"

    def _build(self, network: Network) -> None:
        self.module = network.module()
        self.names = [name for name, _ in self.module.named_parameters()]
        self.parameters = list(self.module.parameters())

    def _meta_gradient(self, tasks: Tasks) -> Tensor:
        def loss_of(fast: dict[str, Tensor], x_RF: Tensor, y_R: Tensor) -> Tensor:
            return cross_entropy(functional_call(self.module, fast, (x_RF,)), y_R)

        def query_loss(x_SF: Tensor, y_S: Tensor, x_QF: Tensor, y_Q: Tensor) -> Tensor:
            fast = dict(zip(self.names, self.parameters, strict=True))
            for _ in range(self.descent.inner_steps):
                steps = grad(loss_of)(fast, x_SF, y_S)
                if not self.is_second_order:
                    steps = {name: step.detach() for name, step in steps.items()}
                fast = {
                    name: value - self.descent.inner_lr * steps[name]
                    for name, value in fast.items()
                }
            return loss_of(fast, x_QF, y_Q)

        loss = vmap(query_loss)(tasks.x_TSF, tasks.y_TS, tasks.x_TQF, tasks.y_TQ).mean()
        torch.autograd.backward(loss)
        return loss.detach()


def _forward(fast: Sequence[Tensor], x_RF: Tensor) -> Tensor:
    hidden = x_RF
    for layer in range(0, len(fast), 2):
        hidden = linear(hidden, fast[layer], fast[layer + 1])
        hidden = relu(hidden) if layer < len(fast) - 2 else hidden
    return hidden
