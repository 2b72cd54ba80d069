"""The loop of one worker: ask, train, tell, until the study's budget is used up.

Several workers, also of several restarts, share one budget, which is counted in the storage. A
worker that is killed leaves a running trial; the next one to look fails it and queues its
parameters again, and the checkpoint lets it go on from the last rung.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch
from optuna.trial import TrialState
from threadpoolctl import threadpool_limits

from autometa.config import StudySpec
from autometa.errors import AutometaError, RunError
from autometa.logging import get_logger
from autometa.search._data import StudyData
from autometa.search._objective import Objective
from autometa.search._processes import has_lost_parent
from autometa.search._samplers import build_pruner, build_sampler
from autometa.search._space import candidate_config
from autometa.search._study import deadline_of, load_spec
from autometa.storages import (
    INTERRUPTED,
    REASON,
    fail_and_requeue,
    load_study,
    open_storage,
    reap_orphans,
    stamp_trial,
    storage_errors,
    study_lock,
    trials_done,
)

_logger = get_logger(__name__)
_RENEW_SECONDS = 30.0
_WAIT_SECONDS = 0.5


class TrialInterrupted(BaseException):
    """Raised inside a trial to stop it: a signal arrived or the study's seconds are spent."""


class TrialOvertimeError(RunError):
    """A trial ran longer than search.seconds_per_trial."""


@dataclass
class WorkerReport:
    """What a worker did.

    Attributes:
        finished: trials that it completed, pruned or failed.
        reason: why it stopped: ``budget``, ``time`` or ``stopped``.
    """

    finished: int
    reason: str


def run_worker(
    storage_url: str,
    study_name: str,
    *,
    run_folder: Path,
    worker: int = 0,
    stop: threading.Event | None = None,
    data: StudyData | None = None,
    on_trial: Callable[[optuna.trial.FrozenTrial], None] | None = None,
) -> WorkerReport:
    """Works on a study until its budget is used up, its time is over, or ``stop`` is set.

    Args:
        storage_url: where the study is.
        study_name: its name; the specification is read from the study.
        run_folder: where checkpoints are kept.
        worker: index of this worker, part of the sampler's seed.
        stop: set by a signal handler to end after the current outer step.
        data: the study's tables where already loaded.
        on_trial: called with every trial that this worker finished.

    Raises:
        UserError: there is no such study.
        RunError: the storage failed, or the study's tables have changed.
    """
    torch.set_num_threads(1)
    # NumPy's linear algebra too: two threads on a busy machine wait for each other for ever.
    threadpool_limits(limits=1)
    storage = open_storage(storage_url, create=False)
    study = load_study(storage, study_name)
    spec = load_spec(study)
    data = data if data is not None else StudyData.load(spec)
    stop = stop if stop is not None else threading.Event()
    running = _Running(study=study, stop=stop, limit_seconds=spec.search.seconds_per_trial)
    objective = Objective(spec, data=data, run_folder=run_folder, on_step=running.on_step)
    finished = 0
    while True:
        if stop.is_set():
            return WorkerReport(finished, "stopped")
        if time.time() >= deadline_of(study):
            return WorkerReport(finished, "time")
        with storage_errors(storage):
            reap_orphans(study)
            if trials_done(study) >= spec.search.trials:
                return WorkerReport(finished, "budget")
            trial = _claim(study, spec, worker=worker)
            if trial is None:
                # Other workers run the last trials; should one of them die, this one goes on.
                stop.wait(_WAIT_SECONDS)
                continue
            running.start(trial)
            told = _run_trial(study, trial, objective)
        if told is None:
            continue
        finished += 1
        if on_trial is not None:
            on_trial(told)


def _run_trial(
    study: optuna.Study, trial: optuna.Trial, objective: Objective
) -> optuna.trial.FrozenTrial | None:
    """Runs one trial and tells its end; None where it was interrupted or lost to a reaper."""
    try:
        try:
            value = objective(trial)
        except optuna.TrialPruned:
            told = study.tell(trial, state=TrialState.PRUNED)
        except TrialInterrupted:
            fail_and_requeue(study, trial, reason=INTERRUPTED, requeue=True)
            return None
        except (AutometaError, ArithmeticError, MemoryError) as error:
            trial.set_user_attr(REASON, f"{type(error).__name__}: {error}")
            told = study.tell(trial, state=TrialState.FAIL)
            _logger.warning("trial %d failed: %s", trial.number, error)
        else:
            told = study.tell(trial, value)
    except (optuna.exceptions.UpdateFinishedTrialError, ValueError) as error:
        if study.trials[trial.number].state == TrialState.RUNNING:
            raise
        # A reaper took this worker for dead, for example while it was suspended.
        _logger.warning("trial %d was taken over meanwhile: %s", trial.number, error)
        return None
    _clean_up(objective, told)
    return told


def _clean_up(objective: Objective, told: optuna.trial.FrozenTrial) -> None:
    """Removes the checkpoint of a told trial, but keeps the final weights of a completed one."""
    if told.state == TrialState.COMPLETE:
        return
    checkpoints = objective.checkpoints_of(candidate_config(objective.spec, told.params))
    if checkpoints is not None:
        checkpoints.remove()


def _claim(study: optuna.Study, spec: StudySpec, *, worker: int) -> optuna.Trial | None:
    """Asks for a trial and marks it as this worker's; None where the budget is claimed already.

    Counting and asking are one step under the study's lock, so that workers that look at the
    same moment do not run more trials than the budget has.
    """
    with study_lock(study._storage):
        trials = study.get_trials(deepcopy=False)
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        if trials_done(study) + running >= spec.search.trials:
            return None
        study.sampler = build_sampler(spec, worker=worker, trials=len(trials))
        study.pruner = build_pruner(spec)
        trial = study.ask()
        stamp_trial(trial)
        return trial


@dataclass
class _Running:
    """Watches the running trial between outer steps: stop flag, deadlines, lease."""

    study: optuna.Study
    stop: threading.Event
    limit_seconds: float | None
    _trial: optuna.Trial | None = None
    _started: float = 0.0
    _renewed: float = 0.0
    _deadline: float = 0.0

    def start(self, trial: optuna.Trial) -> None:
        """Begins watching a trial."""
        self._trial = trial
        self._started = self._renewed = time.monotonic()
        self._deadline = deadline_of(self.study)

    def on_step(self, _step: int) -> None:
        """Raises where the trial has to end; renews the worker's lease now and then."""
        if has_lost_parent():
            self.stop.set()
        if self.stop.is_set() or time.time() >= self._deadline:
            raise TrialInterrupted
        now = time.monotonic()
        if self.limit_seconds is not None and now - self._started > self.limit_seconds:
            raise TrialOvertimeError(
                f"a trial may take search.seconds_per_trial = {self.limit_seconds:g} s; "
                f"this one took {now - self._started:.0f} s"
            )
        if now - self._renewed > _RENEW_SECONDS and self._trial is not None:
            self._renewed = now
            stamp_trial(self._trial)
