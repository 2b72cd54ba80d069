"""The picture of the winner on each table, at each shot, and the figures that are drawn in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from autometa.report._canvas import GREY, canvas, shown
from autometa.report._evidence import Winner
from autometa.search import LEARNER_METHOD
from autometa.typing import Setting

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Cell: TypeAlias = tuple[Setting, int]
"""A setting and a shot."""

_NORMAL_95 = 1.96
_ROW_HEIGHT, _CELL_HEIGHT = 16, 9
_BAND = 0.5
"""Share of a table's row that its shots are spread over."""
_PALEST = 0.45
_SYMBOLS = ("circle", "diamond")


@dataclass(frozen=True)
class Advantage:
    """How much more accurate the winner is than the best baseline.

    Attributes:
        mean: over episodes, between -1 and 1.
        low: lower end of the 95 % interval over them.
        high: upper end.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def over(cls, values: pd.Series) -> Advantage:
        """Returns the mean of the episodes' differences with its interval."""
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        error = _NORMAL_95 * spread / len(values) ** 0.5
        mean = float(values.mean())
        return cls(mean, mean - error, mean + error)


@dataclass(frozen=True)
class TableAdvantage:
    """The winner's advantage on a table.

    Attributes:
        table: name of the table.
        mean: over all its episodes, between -1 and 1.
        cells: setting and shot -> advantage there.
    """

    table: str
    mean: float
    cells: Mapping[Cell, Advantage]


def table_advantages(winner: Winner) -> list[TableAdvantage]:
    """Returns the winner's advantage on each table, best first by the mean over all episodes.

    The baseline is the single one with the best mean over all tables at an episode's setting and
    shot, never one per table.
    """
    sheet = winner.sheet
    key = ["setting", "shot", "table", "episode", "seed"]
    wide = sheet.frame.pivot(index=key, columns="method", values="accuracy")
    differences: dict[Cell, pd.Series] = {}
    for setting, shot in sheet.cells():
        best = sheet.best_baseline(setting=setting, shot=shot, exclude=(LEARNER_METHOD,))
        cell = wide.xs((setting, shot), level=("setting", "shot"))
        differences[setting, shot] = (cell[LEARNER_METHOD] - cell[best]).dropna()
    found: dict[str, dict[Cell, Advantage]] = {}
    for cell_key, values in differences.items():
        for table, own in values.groupby(level="table"):
            found.setdefault(str(table), {})[cell_key] = Advantage.over(own)
    means = pd.concat(differences.values()).groupby(level="table").mean()
    rows = [TableAdvantage(table, float(means[table]), cells) for table, cells in found.items()]
    return sorted(rows, key=lambda row: -row.mean)


def per_table(winner: Winner, *, ends: int | None = None) -> Figure:
    """Draws the winner's advantage over the best baseline on each table, best first.

    Args:
        winner: the exported winner.
        ends: how many of the best and as many of the worst tables to draw; all where None.
    """
    rows = table_advantages(winner)
    if ends is not None and len(rows) > 2 * ends:
        rows = [*rows[:ends], *rows[-ends:]]
    rows.reverse()
    cells = winner.sheet.cells()
    figure = canvas(
        height=150 + (_ROW_HEIGHT + _CELL_HEIGHT * (len(cells) - 1)) * len(rows),
        xaxis_title="points over the best baseline",
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[f"{shown(row.table)}  {100 * row.mean:+.1f}" for row in rows],
        # The first and the last row stand off the frame.
        range=[-0.7, len(rows) - 0.3],
        automargin=True,
    )
    # Shots from the top of a row down, as the legend has them from the left.
    offsets = np.linspace(_BAND / 2, -_BAND / 2, len(cells)) if len(cells) > 1 else [0.0]
    for place, offset in enumerate(offsets):
        _add_cell(figure, rows, cells, place=place, offset=float(offset))
    figure.add_scatter(
        x=[100 * row.mean for row in rows],
        y=list(range(len(rows))),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 14, "color": GREY, "line": {"width": 2}},
        hovertext=[f"{shown(row.table)}: mean {100 * row.mean:+.1f}" for row in rows],
        hoverinfo="text",
        name="mean",
        showlegend=len(cells) > 1,
        visible=len(cells) > 1,
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    return figure


def _add_cell(
    figure: Figure,
    rows: list[TableAdvantage],
    cells: list[Cell],
    *,
    place: int,
    offset: float,
) -> None:
    """Adds the points of one setting and shot, with their intervals."""
    from plotly.colors import sample_colorscale

    setting, shot = cells[place]
    settings = list(dict.fromkeys(setting for setting, _ in cells))
    shots = sorted({shot for _, shot in cells})
    name = f"K={shot}" if len(settings) == 1 else f"{setting}, K={shot}"
    shades = np.linspace(_PALEST, 1.0, len(shots)) if len(shots) > 1 else [0.75]
    scored = [
        (at, row, row.cells[cells[place]])
        for at, row in enumerate(rows)
        if cells[place] in row.cells
    ]
    figure.add_scatter(
        x=[100 * own.mean for _, _, own in scored],
        y=[at + offset for at, _, _ in scored],
        error_x={
            "type": "data",
            "array": [100 * (own.high - own.mean) for _, _, own in scored],
            "arrayminus": [100 * (own.mean - own.low) for _, _, own in scored],
            "width": 2,
            "thickness": 1,
        },
        mode="markers",
        marker={
            "color": sample_colorscale("Blues", [shades[shots.index(shot)]])[0],
            "symbol": _SYMBOLS[settings.index(setting) % len(_SYMBOLS)],
            "size": 7,
        },
        hovertext=[
            f"{shown(row.table)}, {name}: {100 * own.mean:+.1f}, "
            f"{100 * own.low:+.1f} to {100 * own.high:+.1f}"
            for _, row, own in scored
        ],
        hoverinfo="text",
        name=name,
        showlegend=len(cells) > 1,
    )
