"""Parallel coordinates: every trial of a learner through its meta-parameters to its value.

A study that searches the learner too has meta-parameters that no trial shares with another
learner's: one learner is drawn, the winner's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autometa.config import Choices, Dimension, FloatRange, IntRange
from autometa.report._canvas import GREY, canvas, shown
from autometa.report._evidence import Evidence
from autometa.report._words import is_gap

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_FEWEST = 2
"""Trials of a learner below which there is nothing to compare."""
_TICKS = 5
_FOOT = 0.12
"""Share of an axis below its smallest number, for trials that did not draw it."""
_NOT_DRAWN = "not drawn"
_HEADS = (1.09, 1.18)
"""Heights of the names of neighbouring axes, which side by side would overlap."""


def drawn_learner(evidence: Evidence) -> str | None:
    """Returns the learner whose trials are drawn: the winner's, else the most frequent one.

    None where no learner has two trials that reached the first rung.
    """
    counts = {
        learner: len(evidence.reached(learner))
        for learner, branch in evidence.spec.space.branches.items()
        if branch
    }
    enough = {learner: count for learner, count in counts.items() if count >= _FEWEST}
    if evidence.winner is not None and evidence.winner.config.name in enough:
        return evidence.winner.config.name
    return max(enough, key=lambda learner: enough[learner], default=None)


def parallel_coordinates(evidence: Evidence) -> Figure | None:
    """Draws a learner's trials that reached the first rung, through their meta-parameters.

    Lines on common axes, and not Plotly's own kind of picture, which a browser without WebGL
    does not draw.
    """
    from plotly.colors import sample_colorscale

    learner = drawn_learner(evidence)
    if learner is None:
        return None
    frame, values = evidence.reached(learner), evidence.first_values()
    value_N = np.array([values[number] for number in frame["trial"]])
    axes = _axes(evidence, learner, value_N.tolist())
    shares_N = value_N.argsort().argsort() / (len(value_N) - 1)
    figure = canvas(height=430, margin={"l": 70, "r": 50, "t": 20, "b": 20}, showlegend=False)
    # The best last, so that they lie on top.
    for place in value_N.argsort():
        figure.add_scatter(
            x=list(range(len(axes))),
            y=[axis.places[place] for axis in axes],
            mode="lines",
            line={"color": sample_colorscale("Viridis", [1 - shares_N[place]])[0], "width": 1.5},
            hovertext=f"trial {frame['trial'].iloc[place]}: {value_N[place]:+.4f}",
            hoverinfo="text",
        )
    for number, axis in enumerate(axes):
        _draw(figure, number, axis)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, range=[-0.06, 1.24])
    return figure


@dataclass(frozen=True)
class _Axis:
    """An axis: where trials and ticks are on it, between 0 and 1."""

    name: str
    places: list[float]
    ticks: dict[str, float]


def _draw(figure: Figure, number: int, axis: _Axis) -> None:
    head = _HEADS[number % len(_HEADS)]
    figure.add_shape(
        type="line", x0=number, x1=number, y0=0, y1=head - 0.04, line={"color": GREY, "width": 1}
    )
    figure.add_annotation(x=number, y=head, text=f"<b>{axis.name}</b>", showarrow=False)
    for text, place in axis.ticks.items():
        figure.add_annotation(
            x=number,
            y=place,
            text=text,
            showarrow=False,
            xanchor="right",
            font={"size": 11},
            xshift=-3,
            bgcolor="rgba(255, 255, 255, 0.7)",
        )


def _axes(evidence: Evidence, learner: str, values: list[float]) -> list[_Axis]:
    """Returns the axes of the meta-parameters that were drawn, and that of the values."""
    space, frame = evidence.spec.space, evidence.reached(learner)
    columns = {
        field: f"params.{space.parameter_name(learner, field)}" for field in space.branches[learner]
    }
    axes = [
        _placed(field, list(frame[column]), *_scale(space.branches[learner][field]))
        for field, column in columns.items()
        if column in frame
    ]
    low, high = min(values), max(values)
    title = f"value at {evidence.spec.training.rungs[0]}"
    share_of = _share(low, high, log=False)
    return [*axes, _placed(title, values, share_of, np.linspace(low, high, _TICKS).tolist())]


def _placed(
    name: str, values: Sequence[Any], share_of: Callable[[Any], float], marks: Sequence[Any]
) -> _Axis:
    """Returns an axis; trials that did not draw its meta-parameter are at its foot."""
    foot = _FOOT if any(map(is_gap, values)) else 0.0

    def place_of(value: Any) -> float:
        return 0.0 if is_gap(value) else foot + (1 - foot) * share_of(value)

    ticks = {_word(mark): place_of(mark) for mark in marks}
    if foot:
        ticks[_NOT_DRAWN] = 0.0
    return _Axis(shown(name), [place_of(value) for value in values], ticks)


def _scale(dimension: Dimension) -> tuple[Callable[[Any], float], list[Any]]:
    """Returns where the values of a dimension are, between 0 and 1, and which get a tick."""
    if isinstance(dimension, Choices):
        choices = list(dimension.choices)
        if all(isinstance(choice, int | float) for choice in choices):
            choices.sort()
        places = {choice: (place + 0.5) / len(choices) for place, choice in enumerate(choices)}
        return places.__getitem__, choices
    return _share(dimension.low, dimension.high, log=dimension.log), _marks(dimension)


def _share(low: float, high: float, *, log: bool) -> Callable[[Any], float]:
    def share_of(value: Any) -> float:
        if low == high:
            return 0.5
        if log:
            return float(np.log(value / low) / np.log(high / low))
        return float((value - low) / (high - low))

    return share_of


def _marks(item: FloatRange | IntRange) -> list[float] | list[int]:
    """Returns the values with a tick: whole numbers where the meta-parameter is one."""
    spaced = (np.geomspace if item.log else np.linspace)(item.low, item.high, _TICKS)
    if isinstance(item, FloatRange):
        return [float(value) for value in spaced]
    return sorted({item.clip(round(float(value))) for value in spaced})


def _word(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else shown(value)
