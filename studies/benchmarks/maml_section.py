"""The section of the meta-training benchmark that sets MAML beside other implementations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from typing import Any

from benchmark_page import Target, table
from maml_contender import Workload, shape
from maml_peers import CONTENDERS, REFERENCE, Higher, Learn2Learn, TorchOpt, available
from maml_picture import draw_cells
from maml_plain import Ours
from maml_speed import (
    INNER_STEPS,
    ORDERS,
    TASKS,
    TOLERANCE,
    WIDTHS,
    Agreement,
    Cell,
    check_agreement,
    measure,
)
from training_page import Section

_SMALL, _LARGE = WIDTHS[1], WIDTHS[2]

_LABEL = ("widths", "inner steps", "tasks")


@dataclass(frozen=True)
class _Bound:
    """How many times as fast as a peer autometa is to be, in second order."""

    peer: str
    widths: tuple[int, ...]
    tasks: tuple[int, ...]
    ratio: float

    @property
    def name(self) -> str:
        tasks = ", ".join(map(str, self.tasks))
        return f"{self.peer} / {Ours.name}, widths {shape(self.widths)}, tasks {tasks}"

    def holds_for(self, workload: Workload) -> bool:
        is_covered = workload.widths == self.widths and workload.tasks in self.tasks
        return is_covered and workload.order == "second"


_BOUNDS = (
    _Bound(Learn2Learn.name, _SMALL, (4,), 6.5),
    _Bound(Learn2Learn.name, _SMALL, (16, 32), 9.0),
    _Bound(Learn2Learn.name, _LARGE, TASKS, 1.7),
    _Bound(REFERENCE.name, _SMALL, (4,), 4.0),
    _Bound(REFERENCE.name, _SMALL, (16, 32), 8.0),
    _Bound(REFERENCE.name, _LARGE, TASKS, 1.5),
)


def maml_section(is_quick: bool) -> Section:
    """Checks the contenders, times them, and returns the section.

    Args:
        is_quick: only the cells that have targets, in fewer and shorter slices.
    """
    contenders, reasons = available()
    for name, reason in reasons.items():
        print(f"{name} is left out: {reason}", flush=True)
    agreements = check_agreement(contenders)
    for name, agreement in agreements.items():
        print(f"{name}: loss {agreement.loss:.1e}, gradient {agreement.gradient:.1e}", flush=True)
    grid = [Workload(*case) for case in product(WIDTHS, INNER_STEPS, TASKS, ORDERS)]
    if is_quick:
        grid = [cell for cell in grid if any(bound.holds_for(cell) for bound in _BOUNDS)]
    rounds, slice_seconds = (3, 0.1) if is_quick else (5, 0.15)
    cells = []
    for workload in grid:
        cell = measure(workload, contenders, rounds=rounds, slice_seconds=slice_seconds)
        times = ", ".join(f"{name} {value:.2f}" for name, value in cell.milliseconds.items())
        print(f"{workload}: {times} ms", flush=True)
        cells.append(cell)
    return Section(
        key="maml",
        title="MAML beside other implementations",
        figures=_figures(cells, agreements, reasons),
        lines=_lines(cells, agreements, reasons),
        targets=[_target(bound, cells) for bound in _BOUNDS],
        draw=lambda part: draw_cells(part, cells),
        height=3.6 * len({workload.order for workload in grid}) + 0.8,
    )


def _target(bound: _Bound, cells: Sequence[Cell]) -> Target:
    """Returns the lowest ratio over the cells that the bound is for."""
    ratios = [
        (
            cell.ratio(bound.peer, Ours.name),
            f"{_LABEL[1]} {cell.workload.inner_steps}, {_LABEL[2]} {cell.workload.tasks}",
        )
        for cell in cells
        if bound.holds_for(cell.workload) and {bound.peer, Ours.name} <= set(cell.milliseconds)
    ]
    value, where = min(ratios, default=(None, ""))
    return Target(bound.name, bound.ratio, value, where)


def _figures(
    cells: Sequence[Cell], agreements: dict[str, Agreement], reasons: dict[str, str]
) -> dict[str, Any]:
    return {
        "versions": _versions(agreements),
        "left_out": reasons,
        "agreement": {name: vars(agreement) for name, agreement in agreements.items()},
        "cells": [
            {
                **vars(cell.workload),
                "megaflop": cell.workload.flop_floor() / 1e6,
                "peak_gflops": cell.peak_gflops,
                "milliseconds": cell.milliseconds,
                "slices": {
                    name: [round(value, 4) for value in values]
                    for name, values in cell.slices.items()
                },
            }
            for cell in cells
        ],
    }


def _lines(
    cells: Sequence[Cell], agreements: dict[str, Agreement], reasons: dict[str, str]
) -> list[str]:
    loss = max(agreement.loss for agreement in agreements.values())
    gradient = max(agreement.gradient for agreement in agreements.values())
    peaks = sorted(cell.peak_gflops for cell in cells)
    versions = ", ".join(f"{name} {number}" for name, number in _versions(agreements).items())
    lines = [
        f"- In float64 all contenders agree with the {REFERENCE.name} to {loss:.0e} in the loss "
        f"and {gradient:.0e} in the gradient (bound {TOLERANCE:.0e}).",
        "- The floor is the time of the matrix products that cannot be left out, at the peak of "
        f"sgemm: {peaks[0]:.0f} to {peaks[-1]:.0f} GFLOP/s, measured in the same rounds.",
        f"- Versions: {versions}. `{Higher.library}` and `{TorchOpt.library}` (`MetaSGD`) have no "
        "first order of their own.",
        *[f"- {name} is left out: {reason}." for name, reason in reasons.items()],
    ]
    for order in ORDERS:
        chosen = [cell for cell in cells if cell.workload.order == order]
        if chosen:
            lines += ["", f"{order.capitalize()} order, ms per outer step:", ""]
            lines += _times(chosen)
            lines += ["", f"{order.capitalize()} order, share of the peak of sgemm in %:", ""]
            lines += _shares(chosen)
    return lines


def _versions(names: Collection[str]) -> dict[str, str]:
    """Returns the versions of the libraries that were measured."""
    libraries = {contender.library for contender in CONTENDERS if contender.name in names}
    return {library: version(library) for library in sorted(libraries)}


def _times(cells: Sequence[Cell]) -> list[str]:
    names = list(cells[0].milliseconds)
    rows = []
    for cell in cells:
        best = min(cell.milliseconds, key=cell.milliseconds.__getitem__)
        row = [*_label(cell.workload), f"{cell.floor_milliseconds:.2f}"]
        for name in names:
            text = f"{cell.milliseconds[name]:.2f}"
            row.append(f"**{text}**" if name == best else text)
        rows.append(row)
    return table([*_LABEL, "floor", *names], rows)


def _shares(cells: Sequence[Cell]) -> list[str]:
    names = list(cells[0].milliseconds)
    rows = [
        [*_label(cell.workload), *(f"{100 * cell.share_of_peak(name):.1f}" for name in names)]
        for cell in cells
    ]
    return table([*_LABEL, *names], rows)


def _label(workload: Workload) -> list[str]:
    return [shape(workload.widths), str(workload.inner_steps), str(workload.tasks)]
