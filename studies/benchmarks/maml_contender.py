"""What a contender of the MAML benchmark is: weights and tasks in, loss and gradient out.

All contenders compute the loss of Finn, Abbeel, Levine, ICML 2017, arXiv 1703.03400, algorithm 1:
each task's copy of the weights makes ``inner_steps`` gradient steps on the support rows, the loss
is the mean cross-entropy of the query rows over all tasks, and its gradient is taken with respect
to the weights before the first step. In first order the inner gradients are constants (section
5.2).

Axes: T tasks, S support rows, Q query rows, F features, W ways.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

Order: TypeAlias = Literal["second", "first"]

FEATURES = 32
WAYS = 5
SHOTS = 5
QUERIES = 15
"""Query rows per class."""

_INNER_LR = 0.05


@dataclass(frozen=True)
class Network:
    """The weights before the first inner step, in the layout of ``torch.nn.Linear`` (out, in)."""

    weights: list[Tensor]
    biases: list[Tensor]

    def module(self) -> nn.Sequential:
        """Returns a module with a copy of the weights."""
        layers: list[nn.Module] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
            layer.load_state_dict({"weight": weight, "bias": bias})
            layers += [layer, nn.ReLU()]
        return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class Descent:
    """How a task adapts."""

    inner_lr: float
    inner_steps: int
    order: Order


@dataclass(frozen=True)
class Tasks:
    """Support and query rows of a meta-batch; labels as integers, and one-hot for who needs it."""

    x_TSF: Tensor
    y_TS: Tensor
    x_TQF: Tensor
    y_TQ: Tensor
    labels_TSW: Tensor
    labels_TQW: Tensor


@dataclass(frozen=True)
class Workload:
    """A cell of the grid: a network with hidden layers ``widths``, and how it is meta-trained."""

    widths: tuple[int, ...]
    inner_steps: int
    tasks: int
    order: Order

    def __str__(self) -> str:
        """Returns the cell in words."""
        steps_and_tasks = f"inner steps {self.inner_steps}, tasks {self.tasks}"
        return f"widths {shape(self.widths)}, {steps_and_tasks}, {self.order} order"

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of units of each layer, inputs and outputs included."""
        return (FEATURES, *self.widths, WAYS)

    def network(self, dtype: torch.dtype) -> Network:
        """Returns initial weights, the same in each call."""
        generator = torch.Generator().manual_seed(0)
        weights, biases = [], []
        for fan_in, fan_out in pairwise(self.sizes):
            weight = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
            bias = torch.randn(fan_out, generator=generator, dtype=torch.float64)
            weights.append((weight * math.sqrt(2 / fan_in)).to(dtype))
            biases.append((bias * 0.01).to(dtype))
        return Network(weights, biases)

    def draw_tasks(self, dtype: torch.dtype) -> Tasks:
        """Returns tasks of Gaussian classes, the same in each call."""
        generator = torch.Generator().manual_seed(1)
        centres_TWF = torch.randn(self.tasks, WAYS, FEATURES, generator=generator)

        def rows(per_class: int) -> tuple[Tensor, Tensor]:
            count = WAYS * per_class
            order_TR = torch.rand(self.tasks, count, generator=generator).argsort(1)
            y_TR = order_TR % WAYS
            noise_TRF = torch.randn(self.tasks, count, FEATURES, generator=generator)
            x_TRF = torch.take_along_dim(centres_TWF, y_TR[..., None], 1) + noise_TRF
            return x_TRF.to(dtype), y_TR

        (x_TSF, y_TS), (x_TQF, y_TQ) = rows(SHOTS), rows(QUERIES)
        labels_TSW, labels_TQW = (one_hot(y_TR, WAYS).to(dtype) for y_TR in (y_TS, y_TQ))
        return Tasks(x_TSF, y_TS, x_TQF, y_TQ, labels_TSW, labels_TQW)

    def descent(self) -> Descent:
        """Returns how tasks adapt."""
        return Descent(_INNER_LR, self.inner_steps, self.order)

    def flop_floor(self) -> int:
        """Returns the floating-point operations of the matrix products that cannot be left out.

        With P the weights of all layers and P1 those of the first: a forward and backward pass
        costs 3 P - P1 multiply-adds per row (nothing flows back into the inputs), and a product
        of the Hessian with a vector 6 P - 4 P1. First order needs the passes alone.
        """
        layers = [fan_in * fan_out for fan_in, fan_out in pairwise(self.sizes)]
        gradient, hessian = 3 * sum(layers) - layers[0], 6 * sum(layers) - 4 * layers[0]
        support, query = self.inner_steps * WAYS * SHOTS, WAYS * QUERIES
        products = (support + query) * gradient
        if self.order == "second":
            products += support * hessian
        return 2 * self.tasks * products


def shape(widths: tuple[int, ...]) -> str:
    """Returns the widths of hidden layers as one word."""
    return "x".join(map(str, widths))


class AbstractContender(ABC):
    """A way to compute MAML's loss and gradient.

    The constructor copies the weights and builds what a training run builds once; the harness then
    calls ``meta_gradient`` once per outer step, and lets an optimiser move ``parameters``.
    """

    name: ClassVar[str]

    library: ClassVar[str] = "torch"

    stubs: ClassVar[tuple[str, ...]] = ()
    """Packages that the library imports without need for MAML."""

    orders: ClassVar[tuple[Order, ...]] = ("second", "first")

    parameters: list[Tensor]
    """The weights that the outer optimiser moves: weight and bias of each layer in turn."""

    def __init__(self, network: Network, descent: Descent) -> None:
        self.descent = descent
        self.is_second_order = descent.order == "second"
        self._build(network)

    def meta_gradient(self, tasks: Tasks) -> Tensor:
        """Returns the loss, and leaves its gradient in ``grad`` of each parameter."""
        for parameter in self.parameters:
            parameter.grad = None
        return self._meta_gradient(tasks)

    def gradients(self) -> list[Tensor]:
        """Returns the gradients of the last call, those of weights as (out, in)."""
        found = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        assert len(found) == len(self.parameters)
        return found

    def _build(self, network: Network) -> None:
        """Sets ``parameters``."""
        layers = zip(network.weights, network.biases, strict=True)
        self.parameters = [part.clone().requires_grad_() for layer in layers for part in layer]

    @abstractmethod
    def _meta_gradient(self, tasks: Tasks) -> Tensor: ...
