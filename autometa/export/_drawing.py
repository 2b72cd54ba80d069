"""How the episodes of a score sheet were drawn, in words that follow the name of its setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_WAYS = 5

_COUNTS = {
    "unequal": "unequal counts per class",
    "natural": "natural class frequencies",
}


def drawing(episodes: Mapping[str, Any]) -> str:
    """Returns what is not as usual in the drawing of episodes; nothing where all is.

    Args:
        episodes: the section of a study file; exports older than a key lack it.

    >>> drawing({"ways": "all", "counts": "unequal"})
    ' with all classes and unequal counts per class'
    >>> drawing({"ways": 3})
    ' with up to 3 classes'
    >>> drawing({})
    ''
    """
    words = []
    ways = episodes.get("ways", DEFAULT_WAYS)
    if ways != DEFAULT_WAYS:
        words.append(classes(ways))
    if episodes.get("counts") in _COUNTS:
        words.append(_COUNTS[episodes["counts"]])
    return f" with {' and '.join(words)}" if words else ""


def classes(ways: object) -> str:
    """Returns how many classes an episode has, in words."""
    return "all classes" if ways == "all" else f"up to {ways} classes"
