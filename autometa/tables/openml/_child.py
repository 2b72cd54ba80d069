"""The child process that speaks to OpenML, and its private folder."""

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

_PROGRAM = "autometa.tables.openml._client"
_POLL_SECONDS = 0.1
_ABANDONED_SECONDS = 60.0
_LOCK = "alive.lock"
_ERRORS = "errors.txt"


class Child:
    """One run of ``_client``: a line goes in, a line comes out, or it is killed.

    Args:
        server: URL of OpenML's XML interface.
        private: the folder that is its own.
        on_wait: called about ten times a second while a line is waited for; may raise.
    """

    def __init__(self, server: str, private: Path, on_wait: Callable[[], object]) -> None:
        self._on_wait = on_wait
        self._lines: queue.Queue[str] = queue.Queue()
        self._errors = private / _ERRORS
        package = str(Path(__file__).parents[3])
        others = os.environ.get("PYTHONPATH")
        environment = os.environ | {
            "PYTHONPATH": f"{package}{os.pathsep}{others}" if others else package,
            # The client makes its folders and reads a configuration as soon as it is imported.
            "OPENML_CACHE_DIR": str(private),
            "XDG_CONFIG_HOME": str(private),
            "PYTHONWARNINGS": "ignore",
        }
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                # -P: a file of the working folder must not be imported in a library's place.
                [sys.executable, "-P", "-m", _PROGRAM, server, str(private)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                encoding="utf-8",
                # An interrupt from the terminal reaches this process alone.
                start_new_session=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, request: dict[str, Any]) -> None:
        """Writes a request; that the child has died is noticed when its answer is read."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def line(self, seconds: float) -> str | None:
        """Returns the next line: "" where the child has died, None where none came in time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._on_wait()
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=_POLL_SECONDS)
        return None

    def last_words(self) -> str:
        """Returns the last line that it wrote to stderr."""
        with contextlib.suppress(OSError):
            lines = self._errors.read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self.process.stdout:
                self._lines.put(line)
        self._lines.put("")


@contextlib.contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Yields a folder that is this process's own, and removes it in the end.

    Raises:
        OSError: the parent cannot be written.
    """
    path = Path(tempfile.mkdtemp(prefix=".client-", dir=parent))
    lock = FileLock(path / _LOCK)
    try:
        with lock:
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Removes the private folders of processes that were killed."""
    for path in parent.glob(".client-*"):
        with contextlib.suppress(OSError):
            is_young = time.time() - path.stat().st_mtime < _ABANDONED_SECONDS
            if is_young and not (path / _LOCK).exists():
                continue  # its owner has not locked it yet
        lock = FileLock(path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        lock.release()
        shutil.rmtree(path, ignore_errors=True)
