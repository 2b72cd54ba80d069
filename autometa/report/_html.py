"""The frame of a report: one HTML file that asks nothing of a network.

A policy in the page forbids every request, so that a name of a table could not cause one either.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1f23; margin: 0 auto; max-width: 1060px;
  padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 34px 0 8px;
  border-bottom: 1px solid #dde1e6; padding-bottom: 4px; }
p, li { max-width: 76ch; } .lead { font-size: 17px; } .quiet { color: #5b6169; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13.5px; }
th, td { padding: 4px 10px; border-bottom: 1px solid #e8ebef; text-align: right;
  white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
th { color: #5b6169; font-weight: 600; } tr.ours { background: #eaf2fa; font-weight: 600; }
code, pre { font: 13px/1.45 ui-monospace, monospace; background: #f4f6f8; }
pre { padding: 10px 14px; overflow-x: auto; } code { padding: 1px 4px; }
.wide { min-width: 760px; } summary { cursor: pointer; }
.modebar-container { opacity: 0; } .js-plotly-plot:hover .modebar-container,
.js-plotly-plot:focus-within .modebar-container { opacity: 1; }
"""
_BUTTONS = ["select2d", "lasso2d", "autoScale2d"]
"""Buttons of Plotly that do nothing for these pictures."""
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, sections: Sequence[str]) -> str:
    """Returns a whole page with Plotly's script inside.

    Args:
        title: of the page, plain text.
        sections: HTML.
    """
    from plotly.offline import get_plotlyjs

    # The script stands in the page as it is: none of its own texts ends it.
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Returns a heading with what belongs to it; HTML."""
    return "\n".join([f"<h2>{escape(title)}</h2>", *parts])


def paragraph(text: str, *, style: str = "") -> str:
    """Returns a paragraph of plain text."""
    attribute = f' class="{style}"' if style else ""
    return f"<p{attribute}>{escape(text)}</p>"


def bullets(texts: Sequence[str]) -> str:
    """Returns a list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def commands(lines: Sequence[str]) -> str:
    """Returns lines to be typed."""
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def folded(title: str, html: str) -> str:
    """Returns HTML that is shown when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>\n{html}\n</details>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, ours: Sequence[int] = ()) -> str:
    """Returns a table of plain texts.

    Args:
        header: of the columns.
        rows: as many texts each.
        ours: places of rows that stand out.
    """
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join(
        f"<tr class='{'ours' if place in ours else 'other'}'>"
        + "".join(f"<td>{escape(text)}</td>" for text in row)
        + "</tr>"
        for place, row in enumerate(rows)
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def picture_section(
    title: str, caption: str, figure: Figure, name: str, *, is_wide: bool = False
) -> str:
    """Returns a heading, what a picture shows, and the picture; HTML.

    Args:
        title: of the section.
        caption: what the picture shows.
        figure: the picture; the page has Plotly's script already.
        name: of the picture in the page.
        is_wide: whether it keeps a width that it can be read at, and is scrolled on a narrow page.
    """
    from plotly.io import to_html

    html: str = to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=f"picture-{name}",
        config={"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": _BUTTONS},
    )
    if is_wide:
        html = f'<div class="scroll"><div class="wide">{html}</div></div>'
    return section(title, paragraph(caption, style="quiet"), html)
