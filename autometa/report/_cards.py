"""The pictures of a study as the dashboard's cards, which are low and have no heading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autometa.report._evidence import Evidence
from autometa.report._figures import pictures
from autometa.report._per_table import per_table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_TITLES: Final = {
    "per_table": "Points over the best baseline, by table",
    "adaptation": "Accuracy and log-loss by inner steps",
    "rungs": "Values at the rungs",
    "first_and_confirmed": "Values in the search, and confirmed",
    "calibration": "Calibration",
    "trust": "Trials led by past studies, and trust in these",
}
"""Pictures that become cards, with their titles."""
_HEIGHT: Final = 440
"""Pixels that the dashboard gives to a card; what is below them it cuts off."""
_BUTTONS_WIDTH: Final = 50
_MOST_TABLES: Final = 16
"""Tables whose names can be read at that height."""


def cards(evidence: Evidence) -> dict[str, Figure]:
    """Returns the cards that can be drawn of a study, by name."""
    figures, titles = pictures(evidence), dict(_TITLES)
    if evidence.winner is not None:
        tables = evidence.winner.sheet.frame["table"].nunique()
        if tables > _MOST_TABLES:
            ends = _MOST_TABLES // 2
            figures["per_table"] = per_table(evidence.winner, ends=ends)
            titles["per_table"] += f": the {ends} best and the {ends} worst of {tables}"
    return {
        name: as_card(figures[name], title) for name, title in titles.items() if name in figures
    }


def as_card(figure: Figure, title: str) -> Figure:
    """Returns a picture as the dashboard can show it: titled, and readable where it is narrow.

    A card has no heading of its own, and Plotly's row of buttons would lie on a legend above.
    """
    from plotly.graph_objects import Figure

    card = Figure(figure)
    card.update_layout(
        title={"text": title, "x": 0.0, "xanchor": "left", "font": {"size": 15}, "pad": {"l": 8}},
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0.0},
        modebar={"orientation": "v"},
        margin={"r": max(_BUTTONS_WIDTH, figure.layout.margin.r), "b": 90},
        height=_HEIGHT,
    )
    return card
