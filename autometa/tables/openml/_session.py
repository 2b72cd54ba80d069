"""Asks OpenML through a child process: deadlines, retries with back-off, an end at any time."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from autometa.errors import UserError
from autometa.logging import get_logger
from autometa.tables.openml._failures import KEY_VARIABLE

SERVER_VARIABLE = "AUTOMETA_OPENML_SERVER"
DEADLINE_VARIABLE = "AUTOMETA_OPENML_DEADLINE"
DEFAULT_SERVER = "https://www.openml.org/api/v1/xml"

_LOG = get_logger(__name__)
_PROGRAM = "autometa.tables.openml._client"
_WAITS = (1.0, 2.0, 4.0)
_POLL_SECONDS = 0.1
_START_SECONDS = 120.0
_ABANDONED_SECONDS = 60.0
_LOCK = "alive.lock"
_LOCAL = {"127.0.0.1", "localhost", "::1"}


class RefusedError(Exception):
    """OpenML does not have it, or not for this user: asking again would not help."""


class UnreachableError(Exception):
    """There was no whole answer, however often it was asked for."""


@dataclass(frozen=True)
class Settings:
    """How OpenML is asked.

    Attributes:
        server: URL of its XML interface.
        seconds: deadline of one request for facts.
        table_seconds: deadline of one request for a table's rows.
        waits: seconds between the tries of one request; there is one try more.
    """

    server: str = DEFAULT_SERVER
    seconds: float = 60.0
    table_seconds: float = 900.0
    waits: tuple[float, ...] = field(default_factory=lambda: _WAITS)

    @classmethod
    def from_environment(cls) -> Settings:
        """Returns the settings that the environment asks for.

        ``$AUTOMETA_OPENML_SERVER`` is another server, ``$AUTOMETA_OPENML_DEADLINE`` the seconds
        of every request.

        Raises:
            UserError: one of them is not what it must be.
        """
        server = os.environ.get(SERVER_VARIABLE, "").strip().rstrip("/") or DEFAULT_SERVER
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(
                f"{SERVER_VARIABLE} must be a URL such as {DEFAULT_SERVER}; got {server!r}: "
                "correct or unset it"
            )
        if parts.scheme == "http" and parts.hostname not in _LOCAL and os.environ.get(KEY_VARIABLE):
            raise UserError(
                f"{KEY_VARIABLE} is sent over https only, but {SERVER_VARIABLE} is {server!r}: "
                "unset one of them"
            )
        text = os.environ.get(DEADLINE_VARIABLE, "").strip()
        if not text:
            return cls(server=server)
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise UserError(
                f"{DEADLINE_VARIABLE} must be a number of seconds above 0; got {text!r}: "
                "correct or unset it"
            )
        return cls(server=server, seconds=seconds, table_seconds=seconds)


class Session:
    """One child process, started by the first request and again after it had to be killed.

    Args:
        settings: how OpenML is asked.
        folder: where the child's private cache folder is made, and removed at the end.
        on_wait: called about ten times a second while an answer is waited for; what it raises
            ends the request, and the child.
    """

    def __init__(self, settings: Settings, folder: Path, on_wait: Callable[[], object]) -> None:
        self._settings = settings
        self._folder = folder
        self._on_wait = on_wait
        self._child: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self._private: Path | None = None
        self._lock: FileLock | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._kill()
        if self._lock is not None:
            self._lock.release()
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)

    def ask(self, what: str, **details: Any) -> dict[str, Any]:
        """Returns the answer to a request (see ``_client``).

        Raises:
            RefusedError: the server says that there is no answer.
            UnreachableError: there was no whole answer in any of the tries.
        """
        seconds = self._settings.table_seconds if what == "table" else self._settings.seconds
        reason = ""
        for wait in (*self._settings.waits, None):
            reply = self._reply({"ask": what, **details}, seconds)
            if "answer" in reply:
                answer: dict[str, Any] = reply["answer"]
                return answer
            reason = reply["failure"]
            if reply["is_final"]:
                raise RefusedError(reason)
            if wait is not None:
                _LOG.info("%s %s: %s; trying again", what, details.get("id", ""), reason)
                self._sleep(wait)
        raise UnreachableError(reason)

    def _reply(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._child is None:
            self._child = self._started()
            # Its imports are not part of any request's deadline.
            line = self._line(_START_SECONDS)
            if not line:
                return self._lost(line, "the process that asks OpenML did not start")
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except OSError:
            return self._lost("")
        line = self._line(seconds)
        if not line:
            return self._lost(line, f"there was no answer within {seconds:g} seconds")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _line(self, seconds: float) -> str | None:
        """Returns the child's next line: "" where it has died, None where none came in time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._on_wait()
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=_POLL_SECONDS)
        return None

    def _lost(self, line: str | None, why: str = "") -> dict[str, Any]:
        """Ends a child that has died or is too late, and returns that as its answer."""
        self._kill()
        reason = why if line is None else "the process that asks OpenML was killed"
        return {"failure": reason, "is_final": False}

    def _started(self) -> subprocess.Popen[str]:
        private = self.private_folder()
        package = str(Path(__file__).parents[3])
        others = os.environ.get("PYTHONPATH")
        environment = os.environ | {
            "PYTHONPATH": f"{package}{os.pathsep}{others}" if others else package,
            # The client makes its folders and reads a configuration as soon as it is imported.
            "OPENML_CACHE_DIR": str(private),
            "XDG_CONFIG_HOME": str(private),
            "PYTHONWARNINGS": "ignore",
        }
        self._lines = queue.Queue()
        child = subprocess.Popen(
            # -P: a file of the working folder must not be imported in a library's place.
            [sys.executable, "-P", "-m", _PROGRAM, self._settings.server, str(private)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            encoding="utf-8",
            # An interrupt from the terminal reaches this process alone.
            start_new_session=True,
        )
        threading.Thread(target=_listen, args=(child, self._lines), daemon=True).start()
        return child

    def private_folder(self) -> Path:
        if self._private is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_abandoned(self._folder)
            self._private = Path(tempfile.mkdtemp(prefix=".client-", dir=self._folder))
            self._lock = FileLock(self._private / _LOCK)
            self._lock.acquire()
        return self._private

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _sleep(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._on_wait()
            time.sleep(min(_POLL_SECONDS, seconds))


def remove_abandoned(folder: Path) -> None:
    """Removes the private folders of processes that were killed."""
    for path in folder.glob(".client-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < _ABANDONED_SECONDS:
                continue  # its owner may not have locked it yet
        lock = FileLock(path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        lock.release()
        shutil.rmtree(path, ignore_errors=True)


def _listen(child: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert child.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        for line in child.stdout:
            lines.put(line)
    lines.put("")
