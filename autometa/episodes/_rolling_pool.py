"""Which of the drawn batches an outer step trains on, as a pure function of the step.

A batch joins the pool at its first step; between first steps, batches that joined lately are
trained on once more. The pool fills before it rolls: the first steps all bring a batch of their
own, so that a candidate that is pruned early has seen a fair number of tasks.
"""

from __future__ import annotations

import numpy as np

POOL = 64
"""Batches that a step may choose among."""

_PURPOSE = 0x9001
_BLOCK = 256
"""Steps whose choices are drawn at once."""


class RollingPool:
    """Maps outer steps to numbers of batches, each of which serves ``reuse`` steps on average.

    Args:
        reuse: steps per batch, at least 1; with 1 every step has a batch of its own.
        seed: seed of the choices.
    """

    def __init__(self, *, reuse: int, seed: int) -> None:
        self._reuse = reuse
        self._seed = seed
        self._block: tuple[int, list[int]] = (-1, [])

    def number(self, step: int) -> int:
        """Returns the number of the batch of a step, both counted from 0."""
        if step < POOL or self._reuse == 1:
            return step
        joined, others = divmod(step - POOL, self._reuse)
        newest = POOL + joined
        return newest if others == 0 else newest - self._age(step)

    def _age(self, step: int) -> int:
        """Returns how many batches have joined since the chosen one, below ``POOL``."""
        block, position = divmod(step, _BLOCK)
        if self._block[0] != block:
            entropy = np.random.SeedSequence([self._seed, _PURPOSE, block])
            ages = np.random.default_rng(entropy).integers(POOL, size=_BLOCK)
            self._block = (block, ages.tolist())
        return self._block[1][position]
