"""Sections, page and picture of the meta-training benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_page import Target, origin, target_table
from picture import save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure


@dataclass(frozen=True)
class Section:
    """A part of the benchmark.

    Attributes:
        key: its name in the JSON file.
        title: its heading on the page.
        figures: what it measured, ready for JSON.
        lines: what it says, in Markdown.
        targets: what is checked.
        draw: draws its part of the picture.
        height: inches of that part.
    """

    key: str
    title: str
    figures: dict[str, Any]
    lines: list[str]
    targets: list[Target] = field(default_factory=list)
    draw: Callable[[SubFigure], None] | None = None
    height: float = 4.0


def page(sections: Sequence[Section]) -> str:
    """Returns the page of the meta-training benchmark."""
    lines = [
        "# Meta-training: time per outer step",
        "",
        f"{origin('meta_training')} Ratios mean more than milliseconds, which change with the "
        "machine and with its load.",
        "",
        *target_table([target for section in sections for target in section.targets]),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", *section.lines]
    return "\n".join([*lines, ""])


def draw(sections: Sequence[Section], path: Path) -> str | None:
    """Writes the picture; returns a sentence where there is none."""
    drawn = [section for section in sections if section.draw is not None]
    if not drawn:
        return "There is nothing to draw."
    heights = [section.height for section in drawn]

    def draw_all(figure: Figure) -> None:
        parts = figure.subfigures(len(drawn), 1, height_ratios=heights, squeeze=False)[:, 0]
        for section, part in zip(drawn, parts, strict=True):
            if section.draw is not None:
                section.draw(part)

    return save_picture(path, (12.0, sum(heights)), draw_all)
