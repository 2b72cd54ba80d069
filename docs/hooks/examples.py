"""Extension of mkdocstrings: what a docstring shows after ``>>>`` becomes its examples section."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Puts a heading before examples, or Markdown would take their prompts for quotations."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrites the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = with_heading(obj.docstring.value)


def with_heading(docstring: str) -> str:
    """Returns a docstring whose examples, at its end, stand under ``Examples:``."""
    text = inspect.cleandoc(docstring)
    before, prompt, after = text.partition("\n>>> ")
    if not prompt:
        return docstring
    return f"{before}\nExamples:\n{textwrap.indent(prompt[1:] + after, '    ')}\n"
