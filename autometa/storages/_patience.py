"""Waiting for a server that is gone for a moment, such as a restarted database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 300.0
"""How long a server may be gone; a worker's lease outlives it."""

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0

_logger = logging.getLogger("autometa.storages")
_Result = TypeVar("_Result")


class Patience:
    """Repeats what failed because of an outage, after 1, 2, 4, ... seconds, up to a minute each.

    Within a repeated action further ones are not repeated by themselves, and neither is anything
    between :meth:`suspend` and its end: the outermost action starts from its beginning.

    Args:
        place: the storage, fit to be shown.
        is_outage: whether an error means that the server may be back soon.
        stop: set by a signal handler; from then on nothing is waited for.
    """

    def __init__(
        self,
        place: str,
        *,
        is_outage: Callable[[BaseException], bool],
        stop: threading.Event | None = None,
    ) -> None:
        self._place = place
        self._is_outage = is_outage
        self._stop = stop if stop is not None else threading.Event()
        self._here = threading.local()

    @property
    def is_suspended(self) -> bool:
        """Whether this thread is inside of a repeated action or a lock."""
        return bool(getattr(self._here, "is_suspended", False))

    @is_suspended.setter
    def is_suspended(self, value: bool) -> None:
        self._here.is_suspended = value

    def repeat(self, action: Callable[[int], _Result]) -> _Result:
        """Returns the action's result; it is given the number of the attempt, from 0 on.

        Raises:
            Exception: the action's, when it is no outage or the outage lasts for too long.
        """
        if self.is_suspended:
            return action(0)
        attempt, waits = 0, _FIRST_WAIT_SECONDS
        began: float | None = None
        while True:
            self.is_suspended = True
            try:
                return action(attempt)
            except Exception as error:
                now = time.monotonic()
                began = now if began is None else began
                is_over = now - began + waits > PATIENCE_SECONDS or self._stop.is_set()
                if is_over or not self._is_outage(error):
                    raise
            finally:
                self.is_suspended = False
            _logger.warning("%s does not answer; trying again in %g s", self._place, waits)
            self._stop.wait(waits)
            attempt += 1
            waits = min(2 * waits, _LONGEST_WAIT_SECONDS)
