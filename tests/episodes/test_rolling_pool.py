"""Which batch an outer step trains on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from autometa.episodes._rolling_pool import POOL, RollingPool

STEPS = 4000


def numbers(reuse: int, *, seed: int = 0, steps: int = STEPS) -> list[int]:
    """The batches of the first steps."""
    pool = RollingPool(reuse=reuse, seed=seed)
    return [pool.number(step) for step in range(steps)]


def test_without_reuse_every_step_has_its_own_batch() -> None:
    """The stream is what it is without a pool."""
    assert numbers(1) == list(range(STEPS))


@pytest.mark.parametrize("reuse", [2, 8, 50])
def test_batches_join_one_after_the_other_and_serve_alike(reuse: int) -> None:
    """After the first fill, every ``reuse``-th step brings the next batch."""
    found = numbers(reuse)

    assert found[:POOL] == list(range(POOL))
    assert found[POOL::reuse] == list(range(POOL, POOL + len(found[POOL::reuse])))
    newest = np.maximum.accumulate(found)
    assert (newest - found).max() < POOL
    served = Counter(found)
    settled = [served[number] for number in range(POOL, max(found) - POOL)]
    if settled:
        assert np.mean(settled) == pytest.approx(reuse, rel=0.1)


def test_the_choice_is_a_function_of_seed_and_step() -> None:
    """Any order of calls gives the same; another seed gives another."""
    pool = RollingPool(reuse=8, seed=0)
    backwards = [pool.number(step) for step in reversed(range(600))]

    assert backwards[::-1] == numbers(8, steps=600)
    assert numbers(8, seed=1, steps=600) != numbers(8, steps=600)
