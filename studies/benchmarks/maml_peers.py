"""MAML on a ReLU network by other libraries, and the list of all contenders.

Each library is used as its own examples use it: where they loop over tasks, so does the contender.
"""

from __future__ import annotations

import importlib

import torch
from maml_contender import AbstractContender, Network, Tasks
from maml_plain import Batched, Ours, TaskLoop, Vmap
from stubbed_import import import_with_stubs
from torch import Tensor
from torch.nn.functional import cross_entropy


class Higher(AbstractContender):
    """``higher``: a context per task in which an ordinary optimiser becomes differentiable."""

    name = "higher"
    library = "higher"
    orders = ("second",)  # first order would have to be written by hand

    def _build(self, network: Network) -> None:
        self.module = network.module()
        self.parameters = list(self.module.parameters())
        self.inner = torch.optim.SGD(self.module.parameters(), lr=self.descent.inner_lr)

    def _meta_gradient(self, tasks: Tasks) -> Tensor:
        higher = importlib.import_module(self.library)
        total = torch.zeros((), dtype=tasks.x_TSF.dtype)
        for task in range(len(tasks.x_TSF)):
            context = higher.innerloop_ctx(self.module, self.inner, copy_initial_weights=False)
            with context as (fast, inner):
                for _ in range(self.descent.inner_steps):
                    inner.step(cross_entropy(fast(tasks.x_TSF[task]), tasks.y_TS[task]))
                loss = cross_entropy(fast(tasks.x_TQF[task]), tasks.y_TQ[task])
                loss = loss / len(tasks.x_TSF)
                torch.autograd.backward(loss)
                total += loss.detach()
        return total


class TorchOpt(AbstractContender):
    """``TorchOpt``: its differentiable ``MetaSGD``, put back to the start after each task."""

    name = "TorchOpt"
    library = "torchopt"
    orders = ("second",)  # MetaSGD.step always keeps the graph

    def _build(self, network: Network) -> None:
        torchopt = importlib.import_module(self.library)
        self.module = network.module()
        self.parameters = list(self.module.parameters())
        self.inner = torchopt.MetaSGD(self.module, lr=self.descent.inner_lr)

    def _meta_gradient(self, tasks: Tasks) -> Tensor:
        torchopt = importlib.import_module(self.library)
        start = torchopt.extract_state_dict(self.module, by="reference", detach_buffers=True)
        inner_start = torchopt.extract_state_dict(self.inner, by="reference")
        losses = []
        for task in range(len(tasks.x_TSF)):
            for _ in range(self.descent.inner_steps):
                self.inner.step(cross_entropy(self.module(tasks.x_TSF[task]), tasks.y_TS[task]))
            losses.append(cross_entropy(self.module(tasks.x_TQF[task]), tasks.y_TQ[task]))
            torchopt.recover_state_dict(self.module, start)
            torchopt.recover_state_dict(self.inner, inner_start)
        loss = torch.stack(losses).mean()
        torch.autograd.backward(loss)
        return loss.detach()


class Learn2Learn(AbstractContender):
    """``learn2learn``: ``MAML(module, lr)``, then ``clone()`` and ``adapt(loss)`` for each task."""

    name = "learn2learn"
    library = "learn2learn"
    stubs = ("gym", "torchvision")

    def _build(self, network: Network) -> None:
        learn2learn = import_with_stubs(self.library, self.stubs)
        self.maml = learn2learn.algorithms.MAML(
            network.module(), lr=self.descent.inner_lr, first_order=not self.is_second_order
        )
        self.parameters = list(self.maml.parameters())

    def _meta_gradient(self, tasks: Tasks) -> Tensor:
        total = torch.zeros((), dtype=tasks.x_TSF.dtype)
        for task in range(len(tasks.x_TSF)):
            fast = self.maml.clone()
            for _ in range(self.descent.inner_steps):
                fast.adapt(cross_entropy(fast(tasks.x_TSF[task]), tasks.y_TS[task]))
            loss = cross_entropy(fast(tasks.x_TQF[task]), tasks.y_TQ[task]) / len(tasks.x_TSF)
            torch.autograd.backward(loss)
            total += loss.detach()
        return total


REFERENCE = TaskLoop
"""What the others are compared with."""

CONTENDERS: tuple[type[AbstractContender], ...] = (
    Ours,
    TaskLoop,
    Batched,
    Vmap,
    TorchOpt,
    Higher,
    Learn2Learn,
)


def available() -> tuple[list[type[AbstractContender]], dict[str, str]]:
    """Returns the contenders whose library can be imported, and why the others are left out."""
    found, reasons = [], {}
    for contender in CONTENDERS:
        try:
            import_with_stubs(contender.library, contender.stubs)
        # A library that was built for another version of Python or torch fails in many ways.
        except Exception as error:
            reasons[contender.name] = f"{type(error).__name__}: {error}"
        else:
            found.append(contender)
    return found, reasons
