"""What ``tune`` shows on stderr while it runs: a live block on a terminal, else plain lines."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self

from autometa.cli._printing import clean, duration, say
from autometa.cli._progress import Status

if TYPE_CHECKING:
    from rich.console import RenderableType

    from autometa.study_result import Event

SILENCE_SECONDS = 15.0
"""Without a terminal a line is printed at least this often."""

_CHECK_SECONDS = 0.5
_REFRESHES_PER_SECOND = 4
_BAR_WIDTH = 60


class Display(Protocol):
    """Shows events while entered; called from any thread."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...

    def __call__(self, event: Event) -> None: ...


def open_display(stop: threading.Event) -> Display:
    """Returns the display that fits stderr.

    Args:
        stop: what a signal sets; the display then says that the command is ending.
    """
    return LiveDisplay(stop) if sys.stderr.isatty() else PlainDisplay(stop)


class PlainDisplay:
    """One line for each stage, message and finished trial, and one every fifteen seconds."""

    def __init__(self, stop: threading.Event, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._stop = stop
        self._silence_seconds = silence_seconds
        self._status = Status()
        self._lock = threading.Lock()
        self._printed_at = self._started = time.monotonic()
        self._shown: object = None
        self._has_said_stop = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def __call__(self, event: Event) -> None:
        """Prints what the event tells, if it tells anything new."""
        with self._lock:
            is_new_stage = self._status.update(event)
            if event.message:
                self._print(clean(event.message))
                return
            shown = self._news()
            is_finished = 0 < event.total == event.done
            if is_new_stage or (shown != self._shown and (is_finished or event.progress)):
                self._print(self._line())
            self._shown = shown

    def _news(self) -> object:
        """Returns what has to differ for a new line: the trials that have ended."""
        status = self._status
        if status.stage != "search" or status.progress is None:
            return status.stage, status.done
        states = status.progress.states
        ended = {name: states.get(name, 0) for name in ("COMPLETE", "PRUNED", "FAIL")}
        return status.stage, status.done, tuple(ended.items())

    def _watch(self) -> None:
        while not self._end.wait(_CHECK_SECONDS):
            with self._lock:
                if self._stop.is_set() and not self._has_said_stop:
                    self._has_said_stop = True
                    self._print("stopping after the current step; a second signal ends it at once")
                elif self._status.stage and self._is_silent():
                    self._print(self._line())

    def _is_silent(self) -> bool:
        return time.monotonic() - self._printed_at >= self._silence_seconds - _CHECK_SECONDS

    def _line(self) -> str:
        return clean("; ".join((self._status.headline(), *self._status.details())))

    def _print(self, line: str) -> None:
        self._printed_at = time.monotonic()
        say(f"[{duration(self._printed_at - self._started)}] {line}")


class LiveDisplay:
    """A block at the bottom of the terminal that is redrawn four times a second."""

    def __init__(self, stop: threading.Event) -> None:
        from rich.console import Console
        from rich.live import Live

        self._stop = stop
        self._status = Status()
        self._started = time.monotonic()
        self._live = Live(
            get_renderable=self._render,
            console=Console(stderr=True, highlight=False),
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Takes the event into the block; a message stays on the screen above it."""
        from rich.text import Text

        self._status.update(event)
        if event.message:
            self._live.console.print(Text(clean(event.message)))

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        status = self._status
        elapsed = duration(time.monotonic() - self._started)
        rows: list[RenderableType] = [
            Text.assemble((status.headline() or "starting", "bold"), (f"  [{elapsed}]", "dim"))
        ]
        if status.total:
            filled = _BAR_WIDTH * min(status.done, status.total) // status.total
            rows.append(
                Text.assemble(("━" * filled, "green"), ("━" * (_BAR_WIDTH - filled), "dim"))
            )
        rows += [Text(clean(line)) for line in status.details()]
        if self._stop.is_set():
            rows.append(
                Text("stopping after the current step; Ctrl-C again ends it at once", "yellow")
            )
        return Group(*rows)
