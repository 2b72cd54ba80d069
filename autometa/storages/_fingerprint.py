"""Comparing what a study was started with to what it is resumed with."""

from __future__ import annotations

import json
from typing import Any

from autometa.errors import UserError

_ABSENT = "(absent)"
_MOST_LINES = 30
_MOST_CHARACTERS = 80


def as_json(value: Any, what: str) -> Any:
    """Returns a value as JSON gives it back, so that stored and fresh ones compare equal.

    Raises:
        UserError: JSON has no form for it, such as for NaN or an object.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{what} must be made of finite numbers, text, lists and dictionaries, but {error}; "
            "convert it first."
        ) from None


def fingerprint_changes(old: Any, new: Any) -> list[str]:
    """Returns one line ``key: old -> new`` for each key that differs; keys are dotted paths.

    Both sides are JSON values. The order of dictionary keys means nothing; what depends on an
    order must be a list. ``1`` equals ``1.0`` but not ``true``.
    """
    before, after = _flatten(old), _flatten(new)
    keys = [*before, *(key for key in after if key not in before)]
    return [
        f"{key}: {_shown(before.get(key))} -> {_shown(after.get(key))}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def shortened(lines: list[str]) -> str:
    """Returns the lines as an indented block, cut after the first thirty."""
    rest = len(lines) - _MOST_LINES
    tail = [f"... and {rest} more"] if rest > 0 else []
    return "".join(f"\n  {line}" for line in [*lines[:_MOST_LINES], *tail])


def _flatten(value: Any, path: str = "") -> dict[str, tuple[str, Any]]:
    """Maps each dotted path to (kind, leaf); lists of plain values are leaves."""
    if isinstance(value, dict) and (value or not path):
        return {
            key: leaf
            for name, item in value.items()
            for key, leaf in _flatten(item, f"{path}.{name}" if path else str(name)).items()
        }
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return {
            key: leaf
            for index, item in enumerate(value)
            for key, leaf in _flatten(item, f"{path}[{index}]").items()
        }
    return {path: (_kinds(value), value)}


def _kinds(value: Any) -> str:
    # Python takes True for 1; a study file does not.
    items = value if isinstance(value, list) else [value]
    return "".join("b" if isinstance(item, bool) else "-" for item in items)


def _shown(leaf: tuple[str, Any] | None) -> str:
    text = _ABSENT if leaf is None else json.dumps(leaf[1], ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
