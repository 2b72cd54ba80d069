"""Local worker processes of one command: started, watched, replaced when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import IO

from autometa.errors import RunError
from autometa.logging import get_logger

_logger = get_logger(__name__)

PARENT_VARIABLE = "AUTOMETA_PARENT"
"""Environment variable that tells a worker which process started it, so that it ends with it."""

STORAGE_VARIABLE = "AUTOMETA_STORAGE"
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 20.0
_RESTARTS_PER_WORKER = 4
"""While no trial is done: parameters that have killed three workers are given up, which counts."""


def run_processes(
    storage_url: str,
    study_name: str,
    *,
    workers: int,
    log_folder: Path,
    stop: Event,
    on_tick: Callable[[], int],
    arguments: tuple[str, ...] = (),
) -> None:
    """Runs ``workers`` processes of ``autometa worker`` until all of them have ended by themselves.

    Each has one thread. One that is killed is replaced, four times for each of the workers as
    long as no further trial is done. When ``stop`` is set they are asked to end, and killed after
    20 seconds.

    Args:
        storage_url: absolute URL of the storage; passed in the environment, not on the command
            line, because other users can read command lines.
        study_name: the study.
        workers: number of processes.
        log_folder: what the workers print goes to ``worker-<index>.log`` in it.
        stop: set to end early.
        on_tick: called about five times a second; returns how many trials are done.
        arguments: further arguments of the worker command.

    Raises:
        RunError: workers kept dying.

    >>> url, logs, stop = "journal:/studies.journal", Path("logs"), Event()
    >>> stop.set()
    >>> run_processes(url, "tiny", workers=2, log_folder=logs, stop=stop, on_tick=lambda: 0)
    >>> sorted(path.name for path in logs.iterdir())
    ['worker-0.log', 'worker-1.log']
    """
    log_folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        PARENT_VARIABLE: str(os.getpid()),
        STORAGE_VARIABLE: storage_url,
    }
    command = [sys.executable, "-m", "autometa", "worker", study_name, *arguments]
    logs: list[IO[bytes]] = []

    def start(index: int) -> subprocess.Popen[bytes]:
        log = (log_folder / f"worker-{index}.log").open("ab")
        logs.append(log)
        return subprocess.Popen(
            [*command, "--index", str(index)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            # Its own group: an interrupt from the terminal reaches this process alone, which
            # then asks its workers to end.
            start_new_session=True,
        )

    processes: dict[int, subprocess.Popen[bytes]] = {}
    restarts = done = 0
    try:
        for index in range(workers):
            processes[index] = start(index)
        while processes and not stop.is_set():
            if (now_done := on_tick()) > done:
                restarts, done = 0, now_done
            time.sleep(_POLL_SECONDS)
            for index, process in list(processes.items()):
                code = process.poll()
                if code is None:
                    continue
                del processes[index]
                if code == 0:
                    continue
                if restarts == _RESTARTS_PER_WORKER * workers or code in (1, 2):
                    raise RunError(
                        f"worker {index} ended with code {code}; see "
                        f"{log_folder / f'worker-{index}.log'} for its last words, then run the "
                        "same command again"
                    )
                restarts += 1
                _logger.warning("worker %d was killed (code %d); starting another", index, code)
                processes[index] = start(index)
    finally:
        _end(list(processes.values()))
        for log in logs:
            log.close()


def has_parent() -> bool:
    """Returns whether a command started this worker, which has opened the storage before it."""
    return PARENT_VARIABLE in os.environ


def has_lost_parent() -> bool:
    """Returns whether the command that started this worker is gone (never for one of its own)."""
    parent = os.environ.get(PARENT_VARIABLE)
    return parent is not None and os.getppid() != int(parent)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Asks processes to end, and kills those that have not after a grace period."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
