"""The ledger of seconds: how long a study has been worked on, over all its runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from types import TracebackType

import optuna

from autometa.storages._open import storage_errors

SPENT_PREFIX = "autometa:spent:"


class SpentSeconds:
    """Counts the seconds of one run and adds those of all other runs of the study.

    Each run writes an attribute of its own, so that no run overwrites another; kill -9 loses at
    most the time since the last :meth:`beat`. One process per command owns such a counter:
    workers of that command do not, or the same second would be counted once for each.

    >>> study = optuna.create_study()
    >>> now = iter([0.0, 2.0, 7.0]).__next__
    >>> run = SpentSeconds(study, clock=now)
    >>> run.beat()
    False
    >>> run.total()
    7.0

    Args:
        study: the study whose budget is kept.
        every_seconds: how much time may pass between two writes.
        clock: seconds from a steady clock.
        since: when the run began, on that clock; now where missing.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        every_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        since: float | None = None,
    ) -> None:
        self.run_id = uuid.uuid4().hex
        self._study = study
        self._every_seconds = every_seconds
        self._clock = clock
        self._start = self._written = clock() if since is None else since

    def beat(self) -> bool:
        """Writes the seconds of this run when it is time; cheap, so call it often.

        Returns:
            Whether it has written.

        Raises:
            RunError: the storage failed.
        """
        now = self._clock()
        if now - self._written < self._every_seconds:
            return False
        self._write(now)
        return True

    def total(self) -> float:
        """Returns the seconds of all runs so far, this one up to now.

        Raises:
            RunError: the storage failed.
        """
        with storage_errors(self._study._storage):
            return spent_seconds(self._study, without=self.run_id) + self._clock() - self._start

    def close(self) -> None:
        """Writes the final seconds of this run; the counter goes on if it is used again."""
        self._write(self._clock())

    def __enter__(self) -> SpentSeconds:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, now: float) -> None:
        with storage_errors(self._study._storage):
            self._study.set_user_attr(SPENT_PREFIX + self.run_id, round(now - self._start, 3))
        self._written = now


def spent_seconds(study: optuna.Study, *, without: str | None = None) -> float:
    """Returns the seconds that all runs have written.

    Args:
        study: the study.
        without: the id of a run to leave out.
    """
    return sum(
        float(value)
        for key, value in study.user_attrs.items()
        if key.startswith(SPENT_PREFIX) and key != f"{SPENT_PREFIX}{without}"
    )
