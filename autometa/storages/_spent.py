"""The ledger of seconds: how long a study has been worked on, over all its runs.

Seconds during which several runs were at work count once, as they do for who waits for the study.
A run's length comes from a steady clock; the time of day only says which runs overlap, so that a
changed clock can hide or repeat an overlap but not stretch a run.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import optuna

from autometa.storages._open import storage_errors

SPENT_PREFIX = "autometa:spent:"
"""User attribute of a study, with the id of a run: the seconds of that run."""

BEGAN_PREFIX = "autometa:began:"
"""Likewise: when the run began, in UTC seconds. Without it, a run overlaps with no other."""


class SpentSeconds:
    """Counts the seconds of one run and adds those of all other runs of the study.

    Each run writes attributes of its own, so that no run overwrites another; kill -9 loses at
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
        time_of_day: UTC seconds since the epoch.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        every_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        since: float | None = None,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self.run_id = uuid.uuid4().hex
        self._study = study
        self._every_seconds = every_seconds
        self._clock = clock
        now = clock()
        self._start = self._written = now if since is None else since
        self._began = time_of_day() - (now - self._start)
        self._has_begun = False

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
            runs = _runs(self._study.user_attrs)
            runs[self.run_id] = (self._began, self._clock() - self._start)
            return _seconds_covered(runs)

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
            if not self._has_begun:
                self._study.set_user_attr(BEGAN_PREFIX + self.run_id, round(self._began, 3))
                self._has_begun = True
            self._study.set_user_attr(SPENT_PREFIX + self.run_id, round(now - self._start, 3))
        self._written = now


def spent_seconds(study: optuna.Study) -> float:
    """Returns the seconds that the runs of a study have written, those at one time once.

    >>> study = optuna.create_study()
    >>> for began in (0.0, 30.0):  # runs of a minute, of which half a minute is shared
    ...     minute = iter([0.0, 60.0]).__next__
    ...     SpentSeconds(study, clock=minute, time_of_day=lambda: began).close()
    >>> spent_seconds(study)
    90.0
    """
    return _seconds_covered(_runs(study.user_attrs))


def _runs(attributes: Mapping[str, Any]) -> dict[str, tuple[float | None, float]]:
    """Returns when each run began, where that is known, and its seconds."""
    runs: dict[str, tuple[float | None, float]] = {}
    for key, value in attributes.items():
        if key.startswith(SPENT_PREFIX):
            run_id = key.removeprefix(SPENT_PREFIX)
            runs[run_id] = (attributes.get(BEGAN_PREFIX + run_id), float(value))
    return runs


def _seconds_covered(runs: Mapping[str, tuple[float | None, float]]) -> float:
    total = sum(seconds for began, seconds in runs.values() if began is None)
    covered_until = float("-inf")
    dated = sorted((began, seconds) for began, seconds in runs.values() if began is not None)
    for began, seconds in dated:
        end = began + seconds
        # Times of day are large numbers: no difference of two is taken where none is needed.
        total += seconds if began >= covered_until else max(0.0, end - covered_until)
        covered_until = max(covered_until, end)
    return total
