"""What starts the workers of a command where it is not the command itself.

The storage coordinates workers, whoever starts them; an engine only finds places for them and
starts those anew that die.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Protocol


class WorkerEngine(Protocol):
    """Starts ``run_worker`` a number of times and watches over it.

    A command calls :meth:`check` once, before it reads any table, and :meth:`run` for the search,
    several times where the machine's clock was changed. What is left of the budget is in the
    storage: an engine counts nothing.

    >>> from autometa.search import RayCluster
    >>> engine: WorkerEngine = RayCluster("ray://head:10001")
    >>> engine.check("journal:studies.journal")
    Traceback (most recent call last):
        ...
    autometa.errors.UserError: ...
    """

    def check(self, storage_url: str) -> None:
        """Refuses what cannot work; starts nothing.

        Args:
            storage_url: absolute URL of the storage.

        Raises:
            UserError: something is missing or does not fit.
        """
        ...

    def run(
        self,
        storage_url: str,
        study_name: str,
        *,
        workers: int,
        log_folder: Path,
        stop: Event,
        on_tick: Callable[[], int],
    ) -> None:
        """Runs workers until all of them have ended by themselves, or ``stop`` is set.

        Args:
            storage_url: absolute URL of the storage, perhaps with a password.
            study_name: the study.
            workers: how many.
            log_folder: for what the workers have to say.
            stop: set to end early, with the running trials given back.
            on_tick: called about five times a second; returns how many trials are done.

        Raises:
            UserError: there is no place for the workers.
            RunError: workers kept dying, or one ended with an error.
        """
        ...
