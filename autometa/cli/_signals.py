"""Ending a long command by a signal: the first one asks, the second one ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from autometa.errors import StoppedError

_SHOW_CURSOR = b"\x1b[?25h\n"


class StopSignals:
    """While entered, SIGINT and SIGTERM set ``event`` instead of ending the process.

    Attributes:
        event: set by the first signal.
        exit_code: 130 after SIGINT, 143 after SIGTERM, and 143 where ``event`` was set otherwise.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.exit_code = 128 + signal.SIGTERM
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        # Python allows handlers in the main thread only; elsewhere the caller has its own ways.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if isinstance(error, StoppedError):
            error.exit_code = self.exit_code

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.event.is_set():
            # Nothing may be asked of locks here: the interrupted code may hold them. Worker
            # processes notice that their parent is gone.
            if sys.stderr.isatty():
                with contextlib.suppress(OSError):
                    os.write(2, _SHOW_CURSOR)
            os._exit(128 + number)
        self.exit_code = 128 + number
        self.event.set()
