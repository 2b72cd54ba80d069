"""One thread per process, so that results do not depend on the number of cores.

Two threads of a numerical library on a busy machine wait for each other for ever, and sums that
are split over threads differ in their last digits from one machine to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Limits PyTorch and the linear algebra of NumPy to one thread, and restores them after.

    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)
