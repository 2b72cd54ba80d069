"""Pictures of benchmarks: drawn where matplotlib is installed, else a sentence says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MISSING = "There is no picture, because matplotlib is not installed: pip install matplotlib."


def save_picture(
    path: Path, size: tuple[float, float], draw: Callable[[Figure], None]
) -> str | None:
    """Writes a picture; returns a sentence where there is none.

    Args:
        path: of the PNG.
        size: width and height in inches.
        draw: draws on the empty figure.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return _MISSING
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    draw(figure)
    figure.savefig(path)
    return None


def picture_lines(name: str, caption: str, problem: str | None) -> list[str]:
    """Returns the lines of a page that show a picture beside it, or say why there is none."""
    return ["", problem or f"![{caption}]({name}.png)"]
