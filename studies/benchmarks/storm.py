"""Faults that fall on the workers of one study at random, until its budget is used up."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna

from autometa.storages import storage_errors, trials_done

_CALM_SECONDS = 900.0
"""How long the rest of the budget may take once nothing happens any more."""

_POLL_SECONDS = 0.1
_LOOK_SECONDS = 0.5
_MOST_ERRORS = 50
_PAUSE_SECONDS = (0.2, 0.8)
_FREEZE_SECONDS = (0.5, 3.0)


@dataclass
class Storm:
    """Eight workers, or some other number, on one study, and what happens to them.

    Attributes:
        url: the study's storage.
        name: its name.
        folder: where the workers' run folder, ``told`` and ``errors`` are.
        restart: restarts the storage's server; None for a file, where a worker is killed in the
            middle of a write instead.
        workers: number of workers.
        random: draws what happens when, and to whom.
        faults: how often each fault happened.
        seconds: from the first told trial to the end of the last worker.
    """

    url: str
    name: str
    folder: Path
    restart: Callable[[], None] | None
    workers: int
    random: random.Random
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    _processes: dict[int, BaseProcess] = field(default_factory=dict)
    _errors: int = 0
    _next_fault: float = 0.0
    _last_fault: float = 0.0

    def rage(self, study: optuna.Study, *, trials: int, seconds: float) -> None:
        """Lets the workers do so many trials, with faults during the first seconds.

        The seconds begin with the first trial that is told: before, workers only start.

        Raises:
            RuntimeError: the trials are not done long after the faults have ended.
        """
        started = time.monotonic()
        try:
            self._work_until((self.folder / "told").exists, started)
            began = time.monotonic()
            self._next_fault, self._last_fault = began, began + seconds

            def is_done() -> bool:
                with storage_errors(study._storage):
                    return trials_done(study) >= trials

            self._work_until(is_done, began + seconds)
            for process in self._processes.values():
                process.join(120)
        finally:
            for process in self._processes.values():
                process.kill()
                process.join()
        self.seconds = time.monotonic() - began

    def _work_until(self, is_done: Callable[[], bool], calm_since: float) -> None:
        """Keeps all workers going, under faults as long as there are any, until something holds."""
        next_look = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= next_look:
                if is_done():
                    return
                next_look = now + _LOOK_SECONDS
            if now > calm_since + _CALM_SECONDS:
                raise RuntimeError(f"the workers must be done {_CALM_SECONDS:g} s after the faults")
            self._replace()
            if self._next_fault <= now < self._last_fault:
                self._strike()
                self._next_fault = now + self.random.uniform(*_PAUSE_SECONDS)
            time.sleep(_POLL_SECONDS)

    def _replace(self) -> None:
        """Starts the workers that are missing, each under its index."""
        for index in range(self.workers):
            process = self._processes.get(index)
            if process is not None and process.exitcode in (None, 0):
                continue  # at work, or at the end of the budget
            if process is not None and process.exitcode == 1:
                self._errors += 1
                if self._errors > _MOST_ERRORS:
                    raise RuntimeError(f"workers end with errors; see {self.folder / 'errors'}")
            # From a file's name, so that the workers' own module is imported by their server.
            from storm_worker import work

            arguments = (self.url, self.name, str(self.folder), index)
            self._processes[index] = get_context("forkserver").Process(target=work, args=arguments)
            self._processes[index].start()

    def _strike(self) -> None:
        """Does one thing at random: kill, freeze, or hit the storage. The first thing is a kill."""
        index = self.random.randrange(self.workers)
        fault = self.random.choices(["kill", "freeze", "storage"], weights=[6, 3, 1])[0]
        if not self.faults.total():
            fault = "kill"  # however short the storm is
        if fault == "kill":
            self.faults["kills"] += self._send(index, signal.SIGKILL)
        elif fault == "freeze":
            self.faults["freezes"] += self._freeze(index)
        elif self.restart is not None:
            self.restart()
            self.faults["restarts"] += 1
        else:
            self.faults["kills in a write"] += self._send(index, signal.SIGUSR1)

    def _freeze(self, index: int) -> bool:
        """Stops a worker for a while; returns whether there is one."""
        if not self._send(index, signal.SIGSTOP):
            return False
        process = self._processes[index]

        def wake() -> None:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, signal.SIGCONT)

        # In a thread: this one may wait for a lock that the frozen worker holds.
        threading.Timer(self.random.uniform(*_FREEZE_SECONDS), wake).start()
        return True

    def _send(self, index: int, number: signal.Signals) -> bool:
        """Sends a signal to a worker; returns whether there is one."""
        process = self._processes.get(index)
        if process is None or process.pid is None or process.exitcode is not None:
            return False
        os.kill(process.pid, number)
        return True
