"""Ending a long command by a signal: the first one asks, the second one ends it at once.

A terminal sends Ctrl-C to a command and to all of its processes, pools of the library included,
which would die with a traceback each. So the signals are blocked, which processes inherit, and a
thread of the command alone waits for them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

from autometa.errors import RunError, StoppedError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h\n"


class StopSignals:
    """While entered, SIGINT and SIGTERM set ``event`` instead of ending the process.

    A failure after that counts as the stop that was asked for.

    Attributes:
        event: set by the first signal.
        exit_code: 130 after SIGINT, 143 after SIGTERM, and 143 where ``event`` was set otherwise.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.exit_code = 128 + signal.SIGTERM
        self._handlers: dict[signal.Signals, Any] = {}
        self._mask: set[signal.Signals | int] | None = None
        self._waiter = threading.Thread(target=self._wait, daemon=True)
        self._is_over = False

    def __enter__(self) -> StopSignals:
        # Python allows handlers in the main thread only; elsewhere the caller has its own ways.
        if threading.current_thread() is not threading.main_thread():
            return self
        # A thread that was there before gets what is blocked here, and Python calls the handler.
        for number in _SIGNALS:
            self._handlers[number] = signal.signal(number, self._handle)
        if hasattr(signal, "pthread_sigmask"):
            # Started with the first pool, it would unblock both signals (Python 3.11, 3.12).
            resource_tracker.ensure_running()
            self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            self._waiter.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._mask is not None:
            self._is_over = True
            assert self._waiter.ident is not None
            with contextlib.suppress(ProcessLookupError):
                signal.pthread_kill(self._waiter.ident, signal.SIGTERM)
            self._waiter.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if isinstance(error, RunError) and self.event.is_set():
            stopped = StoppedError("stopped; run the same command to go on")
            stopped.exit_code = self.exit_code
            raise stopped from error
        if isinstance(error, StoppedError):
            error.exit_code = self.exit_code

    def _wait(self) -> None:
        while True:
            number = signal.sigwait(_SIGNALS)
            if self._is_over:
                return
            self._handle(number, None)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.event.is_set():
            _end_at_once(128 + number)
        self.exit_code = 128 + number
        self.event.set()


def _end_at_once(code: int) -> None:
    """Ends this process and its pools; workers that are commands notice that it is gone."""
    for process in multiprocessing.active_children():
        process.kill()
    # Nothing may be asked of locks here: the interrupted code may hold them.
    if sys.stderr.isatty():
        with contextlib.suppress(OSError):
            os.write(2, _SHOW_CURSOR)
    os._exit(code)
