"""MAML implementations side by side: first whether they agree, then their time per outer step.

An outer step is loss, gradient and one step of ``torch.optim.Adam(fused=True)``, the same for all.
Adam's rate is zero, so that it does its work and every step starts from the same weights.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from maml_contender import AbstractContender, Order, Tasks, Workload
from maml_peers import REFERENCE
from torch import Tensor

WIDTHS = ((16,), (64, 64), (256, 256, 256))
INNER_STEPS = (1, 5)
TASKS = (4, 16, 32)
ORDERS: tuple[Order, ...] = ("second", "first")

TOLERANCE = 1e-8
"""Largest relative difference of losses and of gradients in float64."""

_SINGLE_TOLERANCE = 1e-3
"""The same in float32, where it only guards against timing something else."""

_PEAK = "sgemm"
_PEAK_SIZE = 256
"""Rows and columns of the square product that stands for the peak of sgemm."""


@dataclass(frozen=True)
class Cell:
    """What one cell of the grid took.

    Attributes:
        workload: the cell.
        milliseconds: the median of each contender, in process CPU time per outer step.
        slices: what the medians are of.
        peak_gflops: sgemm of a large square product in slices of the same rounds, in GFLOP/s.
    """

    workload: Workload
    milliseconds: dict[str, float]
    slices: dict[str, list[float]]
    peak_gflops: float

    @property
    def floor_milliseconds(self) -> float:
        """The time that the unavoidable matrix products take at the peak."""
        return self.workload.flop_floor() / self.peak_gflops / 1e6

    def share_of_peak(self, name: str) -> float:
        """Returns the unavoidable operations per second of a contender as a share of the peak."""
        return self.floor_milliseconds / self.milliseconds[name]

    def ratio(self, name: str, to: str) -> float:
        """Returns how many times as long ``name`` takes as ``to``."""
        return self.milliseconds[name] / self.milliseconds[to]


@dataclass(frozen=True)
class Agreement:
    """The largest differences of a contender from the reference.

    Attributes:
        loss: relative difference of the losses.
        gradient: norm of the difference of the gradients, over the norm of the reference's.
    """

    loss: float
    gradient: float

    def is_within(self, tolerance: float) -> bool:
        """Whether both are within the tolerance; what is not a number is not."""
        return self.loss <= tolerance and self.gradient <= tolerance


class DisagreementError(RuntimeError):
    """A contender computes something else than the reference, so that its time means nothing."""


def check_agreement(contenders: Sequence[type[AbstractContender]]) -> dict[str, Agreement]:
    """Compares losses and gradients with the reference in float64, in the cells of fewest tasks.

    Each contender is called twice, so that what it keeps from call to call is seen too.

    Raises:
        DisagreementError: one of them differs by more than the tolerance.
    """
    found: dict[str, list[tuple[float, float]]] = {contender.name: [] for contender in contenders}
    for widths, inner_steps, order in product(WIDTHS, INNER_STEPS, ORDERS):
        workload = Workload(widths, inner_steps, TASKS[0], order)
        tasks = workload.draw_tasks(torch.float64)
        reference = _build(REFERENCE, workload, torch.float64)
        expected = _outcome(reference, tasks)
        for contender in contenders:
            if order in contender.orders:
                built = _build(contender, workload, torch.float64)
                found[contender.name] += [
                    _difference(_outcome(built, tasks), expected) for _ in range(2)
                ]
    agreements = {
        name: Agreement(*(_largest(values) for values in zip(*differences, strict=True)))
        for name, differences in found.items()
    }
    failed = [
        f"{name} (loss {agreement.loss:.1e}, gradient {agreement.gradient:.1e})"
        for name, agreement in agreements.items()
        if not agreement.is_within(TOLERANCE)
    ]
    if failed:
        raise DisagreementError(
            f"all contenders must agree with the {REFERENCE.name} to {TOLERANCE:.0e} in float64, "
            f"but these differ: {', '.join(failed)}"
        )
    return agreements


def measure(
    workload: Workload,
    contenders: Sequence[type[AbstractContender]],
    *,
    rounds: int,
    slice_seconds: float,
) -> Cell:
    """Times the contenders of one cell in float32: in each round each of them runs for a slice.

    Raises:
        DisagreementError: in float32 one of them is not even near the reference.
    """
    tasks = workload.draw_tasks(torch.float32)
    expected = _outcome(_build(REFERENCE, workload, torch.float32), tasks)
    steps: dict[str, Callable[[], object]] = {_PEAK: _large_product()}
    for contender in contenders:
        if workload.order not in contender.orders:
            continue
        built = _build(contender, workload, torch.float32)
        difference = Agreement(*_difference(_outcome(built, tasks), expected))
        if not difference.is_within(_SINGLE_TOLERANCE):
            raise DisagreementError(
                f"{contender.name} must be near the {REFERENCE.name} in float32, but differs by "
                f"{difference.loss:.1e} in the loss and {difference.gradient:.1e} in the gradient "
                f"at {workload}"
            )
        steps[contender.name] = _outer_step(built, tasks)
        steps[contender.name]()
    slices: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            slices[name].append(1e3 * _seconds_per_call(step, slice_seconds))
    medians = {name: statistics.median(values) for name, values in slices.items()}
    peak_gflops = 2 * _PEAK_SIZE**3 / medians.pop(_PEAK) / 1e6
    slices.pop(_PEAK)
    return Cell(workload, medians, slices, peak_gflops)


def _build(
    contender: type[AbstractContender], workload: Workload, dtype: torch.dtype
) -> AbstractContender:
    return contender(workload.network(dtype), workload.descent())


def _outcome(contender: AbstractContender, tasks: Tasks) -> tuple[float, Tensor]:
    loss = contender.meta_gradient(tasks).item()
    return loss, torch.cat([gradient.flatten() for gradient in contender.gradients()])


def _difference(
    outcome: tuple[float, Tensor], expected: tuple[float, Tensor]
) -> tuple[float, float]:
    loss = abs(outcome[0] - expected[0]) / abs(expected[0])
    return loss, float((outcome[1] - expected[1]).norm() / expected[1].norm())


def _largest(values: Iterable[float]) -> float:
    """Returns the maximum, or not a number where one of them is none."""
    return float(torch.tensor(list(values), dtype=torch.float64).max())


def _outer_step(contender: AbstractContender, tasks: Tasks) -> Callable[[], object]:
    optimizer = torch.optim.Adam(contender.parameters, lr=0.0, fused=True)

    def step() -> None:
        contender.meta_gradient(tasks)
        optimizer.step()

    return step


def _large_product() -> Callable[[], object]:
    left, right, out = (torch.ones(_PEAK_SIZE, _PEAK_SIZE) for _ in range(3))
    return lambda: torch.mm(left, right, out=out)


def _seconds_per_call(step: Callable[[], object], slice_seconds: float) -> float:
    gc.collect()  # the garbage of one contender is not collected in the slice of the next
    calls = 0
    start = now = time.process_time()
    while now - start < slice_seconds:
        step()
        calls += 1
        now = time.process_time()
    return (now - start) / calls
