"""Memory that a hand-written pass lays its tensors out in, once, and then uses again.

Training batches differ in their numbers of tasks, rows and ways, so that buffers of fixed shapes
do not do, and allocating afresh costs as much as small products do. A workspace is one flat
buffer that only grows; a layout is a set of views into it for one combination of shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

Take: TypeAlias = Callable[..., Tensor]
"""Maps a shape to a tensor of that shape, whose values are undefined."""

Layout = TypeVar("Layout")

_ALIGNMENT = 16
_MAX_KEPT_TENSORS = 8192


def aligned(size: int) -> int:
    """Returns the least multiple of 16 numbers (64 bytes in float32) that holds ``size``."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class Workspace:
    """One flat buffer that only grows, and the latest layouts of views into it.

    All layouts share the memory: asking for one makes the values of all others undefined. They are
    kept because making a few hundred views takes as long as a small inner loop, but only the
    latest, because views take memory themselves.
    """

    def __init__(self) -> None:
        self._buffer = torch.empty(0)
        self._layouts: dict[Hashable, tuple[Any, int]] = {}
        self._kept = 0

    @property
    def size(self) -> int:
        """How many numbers the buffer holds."""
        return self._buffer.numel()

    def layout(self, key: Hashable, build: Callable[[Take], Layout], like: Tensor) -> Layout:
        """Returns the layout of a key, which ``build`` makes if it is not among the latest.

        Args:
            key: all that decides which tensors ``build`` takes.
            build: makes a layout of the tensors that it takes, and does not read their values.
            like: a tensor of the dtype and device wanted; a change of either empties the workspace.
        """
        if self._buffer.dtype != like.dtype or self._buffer.device != like.device:
            self._renew(0, like)
        if key in self._layouts:
            # Back to the end, so that the first is the one that was not asked for the longest.
            self._layouts[key] = self._layouts.pop(key)
        else:
            layout, tensors, needed = self._built(build)
            if needed > self.size:
                # Some room to grow, because a new buffer ends all layouts.
                self._renew(needed + needed // 4, like)
                layout, tensors, _ = self._built(build)
            self._layouts[key] = layout, tensors
            self._kept += tensors
            while self._kept > _MAX_KEPT_TENSORS and len(self._layouts) > 1:
                self._kept -= self._layouts.pop(next(iter(self._layouts)))[1]
        found: Layout = self._layouts[key][0]
        return found

    def _renew(self, size: int, like: Tensor) -> None:
        self._layouts.clear()
        self._kept = 0
        self._buffer = torch.empty(size, dtype=like.dtype, device=like.device)

    def _built(self, build: Callable[[Take], Layout]) -> tuple[Layout, int, int]:
        """Returns a layout and how many tensors and numbers it takes.

        Tensors that do not fit have a shape, but no memory.
        """
        tensors, taken = 0, 0

        def take(*shape: int) -> Tensor:
            nonlocal tensors, taken
            start, size = taken, math.prod(shape)
            tensors += 1
            taken += aligned(size)
            if taken > self.size:
                return torch.empty(shape, dtype=self._buffer.dtype, device="meta")
            return self._buffer[start : start + size].view(shape)

        return build(take), tensors, taken
