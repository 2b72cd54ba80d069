"""Watching a worker between outer steps and batches: stop flag, deadlines, lease."""

from __future__ import annotations

import threading
import time

import optuna

from autometa.errors import RunError
from autometa.search._processes import has_lost_parent
from autometa.search._study import deadline_of
from autometa.storages import stamp_trial

_RENEW_SECONDS = 30.0


class TrialInterrupted(BaseException):
    """Raised inside a trial to stop it: a signal arrived or the study's seconds are spent."""


class TrialOvertimeError(RunError):
    """A trial ran longer than search.seconds_per_trial."""


class TrialWatch:
    """Says when the running trial has to end.

    Args:
        study: the study that is worked on.
        stop: set when the worker has to end; also set here when its parent is gone.
        limit_seconds: how long one trial may take; None for ever.
    """

    def __init__(
        self, study: optuna.Study, stop: threading.Event, *, limit_seconds: float | None
    ) -> None:
        self._study = study
        self._stop = stop
        self._limit_seconds = limit_seconds
        self._trial: optuna.Trial | None = None
        self._started = self._renewed = self._deadline = 0.0

    def start(self, trial: optuna.Trial) -> None:
        """Begins watching a trial."""
        self._trial = trial
        self._started = self._renewed = time.monotonic()
        self._deadline = deadline_of(self._study)

    def before_trials(self, _done: int, _all: int) -> None:
        """Says whether to go on with what precedes the first trial.

        Raises:
            TrialInterrupted: the worker has to end, or the study's time is over.
        """
        self._deadline = deadline_of(self._study)
        self._require_time()

    def on_step(self, _step: int) -> None:
        """Renews the worker's lease now and then; called after outer steps and while scoring.

        Raises:
            TrialInterrupted: the worker has to end, or the study's time is over.
            TrialOvertimeError: the trial takes too long.
        """
        self._require_time()
        now = time.monotonic()
        if self._limit_seconds is not None and now - self._started > self._limit_seconds:
            # Without the seconds that it took, so that equal failures have equal reasons.
            raise TrialOvertimeError(
                f"a trial may take search.seconds_per_trial = {self._limit_seconds:g} s, and this "
                "one took longer; raise it or lower training.outer_steps"
            )
        if now - self._renewed > _RENEW_SECONDS and self._trial is not None:
            self._renewed = now
            stamp_trial(self._trial)
            # The command moves the deadline when the machine's clock is changed.
            self._deadline = deadline_of(self._study)

    def _require_time(self) -> None:
        if has_lost_parent():
            self._stop.set()
        if self._stop.is_set() or time.time() >= self._deadline:
            raise TrialInterrupted
