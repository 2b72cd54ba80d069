"""Pictures of the exported winner: by inner steps, and how calibrated it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autometa.report._canvas import BLUE, GREY, ORANGE, canvas
from autometa.report._evidence import Winner
from autometa.search import LEARNER_METHOD

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_BINS = 10


def adaptation(winner: Winner) -> Figure | None:
    """Draws accuracy and log-loss against inner steps; None where the learner has no inner loop."""
    points = winner.provenance.get("adaptation", [])
    if len(points) < 2:
        return None
    steps = [int(point["inner_steps"]) for point in points]
    figure = canvas(
        xaxis_title="inner steps",
        yaxis_title="accuracy (%)",
        yaxis2={
            "title": "log-loss (nats)",
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "tickmode": "auto",
        },
        margin={"l": 60, "r": 100, "t": 40, "b": 50},
    )
    for name, factor, colour, axis in (
        ("accuracy", 100, BLUE, "y"),
        ("log_loss", 1, ORANGE, "y2"),
    ):
        figure.add_scatter(
            x=steps,
            y=[factor * float(point[name]) for point in points],
            mode="lines+markers",
            line={"color": colour},
            name=name.replace("_", "-"),
            yaxis=axis,
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
