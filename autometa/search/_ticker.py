"""Something to be done again and again while the main thread works."""

from __future__ import annotations

import threading
from collections.abc import Callable

from autometa.errors import AutometaError
from autometa.logging import get_logger

_logger = get_logger(__name__)


class Ticker:
    """Calls a function again and again in a thread while this one is busy.

    A storage that fails for a moment is logged and the calls go on; any other error, such as one
    of the caller's ``on_event``, ends them and is raised at the end.

    Args:
        tick: what to call.
        seconds: time between two calls.

    >>> ticked = threading.Event()
    >>> with Ticker(ticked.set, seconds=0.01):
    ...     ticked.wait(timeout=60)
    True
    """

    def __init__(self, tick: Callable[[], object], *, seconds: float) -> None:
        self._tick = tick
        self._seconds = seconds
        self._error: Exception | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._end.set()
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            try:
                self._tick()
            except AutometaError as error:
                _logger.warning("progress could not be read or kept: %s", error)
            except Exception as error:
                self._error = error
                return
