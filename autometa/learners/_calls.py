"""Calls of PyTorch that are written down once and made many times."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


class Calls:
    """A list of calls on tensors that stay where they are.

    Finding the tensors, their views and the scalars of a call in Python takes a good part of its
    time where the tensors are small.
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[], Any]] = []

    def add(self, function: Callable[..., Any], *tensors: Any, **options: Any) -> None:
        """Writes down a call, which writes to memory that is there already."""
        self._calls.append(partial(function, *tensors, **options))

    def make(self) -> None:
        """Makes all calls in their order."""
        for call in self._calls:
            call()
