"""Pictures of the search: rungs, confirmation, the past, and which meta-parameters matter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from autometa.report._canvas import BLUE, GREY, ORANGE, canvas, shown
from autometa.report._evidence import Evidence

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


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
    values = evidence.first_values()
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
    for source in sorted(named, key=lambda source: -abs(last.get(source, 0.0))):
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


def _repeated(names: Iterable[str], counts: Iterable[int]) -> list[str]:
    return [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
