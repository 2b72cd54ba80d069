"""Asks OpenML through a child process: deadlines, retries with back-off, an end at any time."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from autometa.errors import RunError
from autometa.tables.openml._child import Child, private_folder, remove_abandoned
from autometa.tables.openml._failures import DENIED, DISK, LASTING, NETWORK, PASSING, UNREADABLE
from autometa.tables.openml._settings import Settings
from autometa.tables.openml._store import Store

_START_SECONDS = 120.0
_POLL_SECONDS = 0.1


class RefusedError(Exception):
    """OpenML does not have it: asking again, today or another day, would not help."""


class UnansweredError(Exception):
    """There was no whole answer, however often it was asked for.

    Attributes:
        kind: why (see ``_failures``).
    """

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Session:
    """Asks for one thing after the other; a child that had to be killed is started again.

    Args:
        settings: how OpenML is asked.
        store: the cache; the child's private folder is made in it, and removed in the end.
        on_wait: called about ten times a second while an answer is waited for; what it raises
            ends the request, and the child.
        on_note: called with a line for people before a request is tried again.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        on_wait: Callable[[], object] = lambda: None,
        on_note: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.on_wait = on_wait
        self.on_note = on_note
        self._child: Child | None = None
        self._private: Path | None = None
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Session:
        remove_abandoned(self.store.folder)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._kill()
        self._resources.close()

    def private_folder(self) -> Path:
        """Returns the child's own folder.

        Raises:
            RunError: the cache folder cannot be written.
        """
        if self._private is None:
            with self.store.writing():
                folder = private_folder(self.store.folder)
                self._private = self._resources.enter_context(folder)
        return self._private

    def ask(self, what: str, **details: Any) -> dict[str, Any]:
        """Returns the answer to a request (see ``_client``).

        Raises:
            RefusedError: OpenML says that it does not have it.
            UnansweredError: there was no whole answer in any of the tries.
            RunError: the cache folder cannot be written, or the client cannot be started.
        """
        settings = self.settings
        seconds = settings.table_seconds if what == "table" else settings.seconds
        for count, wait in enumerate((*settings.waits, None), start=1):
            reply = self._reply({"ask": what, **details}, seconds)
            if "answer" in reply:
                answer: dict[str, Any] = reply["answer"]
                return answer
            reason, kind = reply["failure"], reply["kind"]
            if kind == LASTING:
                raise RefusedError(reason)
            if kind == DISK:
                raise self.store.unwritable(reason)
            # A file that cannot be read may be broken on its way, but hardly twice.
            if wait is None or kind == DENIED or (kind == UNREADABLE and count > 1):
                break
            named = f"{what} {details.get('id', '')}".strip()
            self.on_note(f"{named}: {reason}; trying again in {wait:g} s")
            self._sleep(wait)
        raise UnansweredError(reason, kind)

    def _reply(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._child is None:
            private = self.private_folder()
            self._child = Child(self.settings.server, private, self.on_wait)
            # Its imports are not part of any request's deadline.
            if not self._child.line(_START_SECONDS):
                words = self._child.last_words() or "it said nothing"
                self._kill()
                raise RunError(f"the openml client must start, but it does not ({words[:300]})")
        self._child.send(request)
        line = self._child.line(seconds)
        if line:
            reply: dict[str, Any] = json.loads(line)
            return reply
        self._kill()
        if line is None:
            return {"failure": f"there was no answer within {seconds:g} seconds", "kind": NETWORK}
        return {"failure": "the process that asks OpenML was killed", "kind": PASSING}

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _sleep(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.on_wait()
            time.sleep(min(_POLL_SECONDS, seconds))
