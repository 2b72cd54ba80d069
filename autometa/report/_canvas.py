"""What all pictures of a report share: colours, layout, and texts that are safe to draw."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BLUE: Final = "#1f6fb2"
ORANGE: Final = "#d9730d"
GREY: Final = "#8a8f98"

LAYOUT: Final[Mapping[str, Any]] = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 13},
    "margin": {"l": 60, "r": 40, "t": 40, "b": 50},
    "height": 380,
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0.0},
    # In a row the buttons would lie on the legend of a narrow page.
    "modebar": {"orientation": "v"},
}
_MOST_CHARACTERS = 34


def canvas(**layout: Any) -> Figure:
    """Returns an empty figure in the style of all others."""
    from plotly.graph_objects import Figure

    return Figure(layout={**LAYOUT, **layout})


def shown(text: object) -> str:
    """Returns a text as Plotly may draw it: not longer than a label, and without HTML of its own.

    Plotly reads a part of HTML in texts, and names of tables come from outside.
    """
    words = str(text)
    if len(words) > _MOST_CHARACTERS:
        words = f"{words[: _MOST_CHARACTERS - 1]}…"
    return escape(words)
