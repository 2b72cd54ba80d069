"""Pictures of the search: rungs, confirmation, and the meta-parameters of its trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autometa.report._canvas import BLUE, GREY, ORANGE, canvas, shown
from autometa.report._evidence import Evidence
from autometa.report._words import is_gap

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_LOGARITHMIC_RATIO = 30.0
"""Numbers that span more than this factor are drawn on a logarithmic axis."""
_TICKS = 5
_FOOT = 0.12
"""Share of an axis below its smallest number, for trials that did not draw it."""
_NOT_DRAWN = "not drawn"


def rung_curves(evidence: Evidence) -> Figure | None:
    """Draws the value of every trial at its rungs, the winner's above the others."""
    if not evidence.curves:
        return None
    won = None if evidence.winner is None else evidence.winner.trial
    figure = canvas(xaxis_title="outer steps", yaxis_title="log-loss gain (nats)")
    rungs = list(evidence.spec.training.rungs)
    figure.update_xaxes(type="log", tickvals=rungs, ticktext=[str(rung) for rung in rungs])
    # The winner last, so that it lies on top.
    for number in sorted(evidence.curves, key=lambda number: number == won):
        curve = evidence.curves[number]
        is_winner = number == won
        figure.add_scatter(
            x=list(curve),
            y=list(curve.values()),
            mode="lines+markers",
            line={"color": BLUE if is_winner else GREY, "width": 3 if is_winner else 1},
            marker={"size": 6 if is_winner else 4},
            opacity=1.0 if is_winner else 0.45,
            name=f"trial {number}" + (" (winner)" if is_winner else ""),
            showlegend=is_winner,
        )
    return figure


def trust(evidence: Evidence) -> Figure | None:
    """Draws the trials' values by who proposed them, above the trust in each past study."""
    past = evidence.past
    if past is None:
        return None
    rung = evidence.spec.training.rungs[0]
    values = {number: curve[rung] for number, curve in evidence.curves.items() if rung in curve}
    figure = canvas(
        height=520,
        xaxis={"title": "trial", "anchor": "y2"},
        yaxis={"title": "gain (nats)", "domain": [0.56, 1.0]},
        yaxis2={"title": "trust", "domain": [0.0, 0.44]},
    )
    for name, colour, is_led in (("led by the past", ORANGE, True), ("others", BLUE, False)):
        numbers = [number for number in values if (number in past.led) == is_led]
        figure.add_scatter(
            x=numbers,
            y=[values[number] for number in numbers],
            mode="markers",
            marker={"color": colour, "size": 8},
            name=name,
        )
    named = {source for trusts in past.trust.values() for source in trusts}
    last = past.trust[max(past.trust)] if past.trust else {}
    for source in sorted(named, key=lambda source: -last.get(source, 0.0)):
        numbers = [number for number, trusts in past.trust.items() if source in trusts]
        figure.add_scatter(
            x=numbers,
            y=[past.trust[number][source] for number in numbers],
            mode="lines+markers",
            marker={"size": 4},
            name=shown(source),
            yaxis="y2",
        )
    return figure


def first_and_confirmed(evidence: Evidence) -> Figure | None:
    """Draws each finalist's value in the search beside its values with fresh seeds."""
    confirmed = evidence.confirmed_values()
    if not confirmed:
        return None
    firsts = evidence.trials.set_index("trial")["value"]
    numbers = sorted(confirmed, key=lambda number: -float(np.mean(confirmed[number])))
    names = [f"trial {number}" for number in numbers]
    figure = canvas(yaxis_title="log-loss gain (nats)")
    figure.add_scatter(
        x=names,
        y=[firsts.get(number) for number in numbers],
        mode="markers",
        marker={"color": ORANGE, "size": 11, "symbol": "diamond"},
        name="in the search",
    )
    figure.add_scatter(
        x=_repeated(names, [len(confirmed[number]) for number in numbers]),
        y=[value for number in numbers for value in confirmed[number]],
        mode="markers",
        marker={"color": BLUE, "size": 9, "opacity": 0.7},
        name="with fresh seeds",
    )
    return figure


def importance(evidence: Evidence) -> Figure | None:
    """Draws the importance of each meta-parameter, learner by learner."""
    if not evidence.importances:
        return None
    figure = canvas(xaxis_title="share of the variance (%)")
    for learner, values in evidence.importances.items():
        names = [shown(name) for name in values][::-1]
        shares = [100 * value for value in values.values()][::-1]
        figure.add_bar(x=shares, y=names, orientation="h", name=shown(learner))
    figure.update_layout(showlegend=len(evidence.importances) > 1, yaxis={"automargin": True})
    return figure


def parallel_coordinates(evidence: Evidence) -> Figure | None:
    """Draws every trial that reached the first rung through its meta-parameters to its value.

    Lines on common axes, and not Plotly's own kind of picture, which a browser without WebGL
    does not draw.
    """
    from plotly.colors import sample_colorscale

    rung = evidence.spec.training.rungs[0]
    values = {number: curve[rung] for number, curve in evidence.curves.items() if rung in curve}
    frame = evidence.trials[evidence.trials["trial"].isin(values)]
    columns = [name for name in frame.columns if name.startswith("params.")]
    if len(frame) < 2 or not columns:
        return None
    value_N = np.array([values[number] for number in frame["trial"]])
    axes = [_axis(name.removeprefix("params."), list(frame[name])) for name in columns]
    axes.append(_axis(f"value at {rung}", value_N.tolist()))
    shares_N = value_N.argsort().argsort() / (len(value_N) - 1)
    figure = canvas(height=430, margin={"l": 70, "r": 70, "t": 70, "b": 30}, showlegend=False)
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
        figure.add_vline(x=number, line={"color": GREY, "width": 1})
        figure.add_annotation(x=number, y=1.1, text=f"<b>{axis.name}</b>", showarrow=False)
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
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, range=[-0.08, 1.16])
    return figure


def _repeated(names: Iterable[str], counts: Iterable[int]) -> list[str]:
    return [name for name, count in zip(names, counts, strict=True) for _ in range(count)]


@dataclass(frozen=True)
class _Axis:
    """An axis of the parallel coordinates: where trials and ticks are on it, between 0 and 1."""

    name: str
    places: list[float]
    ticks: dict[str, float]


def _axis(name: str, values: list[Any]) -> _Axis:
    """Returns the axis of a meta-parameter; what a trial did not draw is at its foot."""
    known = [value for value in values if not is_gap(value)]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        words = sorted({_word(value) for value in values})
        ticks = {word: (place + 0.5) / len(words) for place, word in enumerate(words)}
        return _Axis(shown(name), [ticks[_word(value)] for value in values], ticks)
    low, high = float(min(known)), float(max(known))
    is_logarithmic = low > 0 and high / low > _LOGARITHMIC_RATIO
    foot = _FOOT if len(known) < len(values) else 0.0

    def place_of(value: float) -> float:
        if high == low:
            return 0.5
        share = (value - low) / (high - low)
        if is_logarithmic:
            share = float(np.log(value / low) / np.log(high / low))
        return foot + (1 - foot) * share

    marks = sorted({float(value) for value in known})
    if len(marks) > _TICKS:
        marks = (np.geomspace if is_logarithmic else np.linspace)(low, high, _TICKS).tolist()
    ticks = {_word(mark): place_of(mark) for mark in marks}
    if foot:
        ticks[_NOT_DRAWN] = 0.0
    return _Axis(
        shown(name), [0.0 if is_gap(value) else place_of(float(value)) for value in values], ticks
    )


def _word(value: object) -> str:
    if is_gap(value):
        return _NOT_DRAWN
    return f"{value:.3g}" if isinstance(value, float) else shown(value)
