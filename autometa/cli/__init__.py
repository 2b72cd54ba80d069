"""The commands of ``autometa``; the only place that prints."""

from __future__ import annotations

from autometa.cli._main import main

__all__ = ["main"]
