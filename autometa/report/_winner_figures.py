"""Pictures of the exported winner: on each table, by inner steps, and how calibrated it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from autometa.report._canvas import BLUE, GREY, ORANGE, canvas, shown
from autometa.report._evidence import Winner
from autometa.search import LEARNER_METHOD

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW_HEIGHT = 22
_BINS = 10
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class TableAdvantage:
    """How much more accurate the winner is than the best baseline on a table.

    Attributes:
        table: name of the table.
        mean: over its episodes, between -1 and 1.
        low: lower end of the 95 % interval over them.
        high: upper end.
    """

    table: str
    mean: float
    low: float
    high: float


def per_table(winner: Winner) -> Figure:
    """Draws the winner's advantage over the best baseline on each table, best first."""
    rows = table_advantages(winner)
    names = [shown(row.table) for row in rows][::-1]
    means = np.array([100 * row.mean for row in rows])[::-1]
    lows = np.array([100 * row.low for row in rows])[::-1]
    highs = np.array([100 * row.high for row in rows])[::-1]
    figure = canvas(
        height=140 + _ROW_HEIGHT * len(rows),
        xaxis_title="points of accuracy over the best single baseline",
    )
    figure.add_scatter(
        x=means,
        y=names,
        error_x={"type": "data", "array": highs - means, "arrayminus": means - lows, "width": 3},
        mode="markers",
        marker={"color": np.where(means >= 0, BLUE, ORANGE), "size": 8},
        hovertext=[f"{name}: {mean:+.1f}" for name, mean in zip(names, means, strict=True)],
        hoverinfo="text",
        showlegend=False,
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    return figure


def table_advantages(winner: Winner) -> list[TableAdvantage]:
    """Returns the winner's advantage on each table over all its episodes, best first.

    The baseline is the single one with the best mean over all tables at an episode's setting and
    shot, never one per table.
    """
    sheet = winner.sheet
    key = ["setting", "shot", "table", "episode", "seed"]
    wide = sheet.frame.pivot(index=key, columns="method", values="accuracy")
    differences = []
    for setting, shot in sheet.cells():
        best = sheet.best_baseline(setting=setting, shot=shot, exclude=(LEARNER_METHOD,))
        cell = wide.xs((setting, shot), level=("setting", "shot"))
        differences.append((cell[LEARNER_METHOD] - cell[best]).dropna())
    found = []
    for table, values in pd.concat(differences).groupby(level="table"):
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        error = _NORMAL_95 * spread / len(values) ** 0.5
        mean = float(values.mean())
        found.append(TableAdvantage(str(table), mean, mean - error, mean + error))
    return sorted(found, key=lambda advantage: -advantage.mean)


def adaptation(winner: Winner) -> Figure | None:
    """Draws accuracy against inner steps; None where the learner has no inner loop."""
    points = winner.provenance.get("adaptation", [])
    if len(points) < 2:
        return None
    steps = [int(point["inner_steps"]) for point in points]
    figure = canvas(xaxis_title="inner steps", yaxis_title="accuracy (%)")
    figure.add_scatter(
        x=steps,
        y=[100 * float(point["accuracy"]) for point in points],
        mode="lines+markers",
        line={"color": BLUE},
        showlegend=False,
    )
    own = getattr(winner.config, "inner_steps", None)
    if own is not None:
        figure.add_vline(x=own, line={"color": GREY, "dash": "dot"}, annotation_text="trained with")
    return figure


def calibration(winner: Winner) -> Figure:
    """Draws accuracy against confidence, episodes sorted into ten bins by confidence."""
    figure = canvas(xaxis_title="mean confidence (%)", yaxis_title="accuracy (%)")
    frame = winner.sheet.frame
    lowest = 100.0
    for method, colour in ((LEARNER_METHOD, BLUE), ("logistic_regression", ORANGE)):
        own = frame[frame["method"] == method].sort_values("confidence")
        bins = np.array_split(100 * own[["confidence", "accuracy"]].to_numpy(), _BINS)
        points = np.array([part.mean(0) for part in bins if len(part)])
        if len(points):
            lowest = min(lowest, float(points.min()))
            figure.add_scatter(
                x=points[:, 0],
                y=points[:, 1],
                mode="lines+markers",
                line={"color": colour},
                name=method,
            )
    figure.add_scatter(
        x=[lowest, 100],
        y=[lowest, 100],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        name="calibrated",
    )
    return figure
