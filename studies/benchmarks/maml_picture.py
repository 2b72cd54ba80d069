"""The part of the meta-training picture that sets MAML beside other implementations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from maml_contender import shape
from maml_peers import CONTENDERS
from maml_plain import Ours
from maml_speed import INNER_STEPS, ORDERS, WIDTHS, Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_COLOURS = ("#c1272d", "#333333", "#e08a1e", "#2a7f3f", "#7b4ea3", "#8c6239", "#1f6fb4")
_MARKERS = "osD^vPX"
_STYLES = {
    contender.name: {"color": colour, "marker": marker}
    for contender, colour, marker in zip(CONTENDERS, _COLOURS, _MARKERS, strict=True)
}


def draw_cells(part: SubFigure, cells: Sequence[Cell]) -> None:
    """Draws a row of panels for each order, and in it a panel for each network."""
    orders = [order for order in ORDERS if any(cell.workload.order == order for cell in cells)]
    shapes = [widths for widths in WIDTHS if any(cell.workload.widths == widths for cell in cells)]
    panels = part.subplots(len(orders), len(shapes), squeeze=False, sharey="col")
    for row, order in zip(panels, orders, strict=True):
        for axes, widths in zip(row, shapes, strict=True):
            case = (order, widths)
            _draw_panel(axes, [c for c in cells if (c.workload.order, c.workload.widths) == case])
            axes.set_title(f"widths {shape(widths)}, {order} order", fontsize=10)
        row[0].set_ylabel("CPU time per outer step (ms)")
    handles, names = panels[0, 0].get_legend_handles_labels()
    part.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    part.suptitle("MAML on one thread: autometa and other implementations", fontsize=12)


def _draw_panel(axes: Axes, cells: Sequence[Cell]) -> None:
    """Draws a line over the numbers of tasks for each contender and number of inner steps."""
    for inner_steps in INNER_STEPS:
        places = [i for i, cell in enumerate(cells) if cell.workload.inner_steps == inner_steps]
        floors = [cells[place].floor_milliseconds for place in places]
        is_first = inner_steps == INNER_STEPS[0]
        axes.plot(places, floors, "k:", linewidth=1.0, label="FLOP floor" if is_first else None)
        for name in cells[0].milliseconds:
            axes.plot(
                places,
                [cells[place].milliseconds[name] for place in places],
                label=name if is_first else None,
                linewidth=2.4 if name == Ours.name else 1.0,
                markersize=7 if name == Ours.name else 5,
                zorder=3 if name == Ours.name else 2,
                **_STYLES[name],
            )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(
        range(len(cells)),
        [f"{cell.workload.inner_steps} / {cell.workload.tasks}" for cell in cells],
    )
    axes.set_xlabel("inner steps / tasks")
    axes.grid(axis="y", which="both", linewidth=0.4, alpha=0.5)
