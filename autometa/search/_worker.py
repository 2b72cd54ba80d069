"""The loop of one worker: ask, train, tell, until the study's budget is used up.

Several workers, also of several restarts, share one budget, which is counted in the storage. A
worker that is killed leaves a running trial; the next one to look fails it and queues its
parameters again, and the checkpoint lets it go on from the last rung.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from autometa.config import StudySpec
from autometa.errors import UserError
from autometa.learners import DivergedError
from autometa.logging import get_logger
from autometa.search._data import StudyData
from autometa.search._memory import TrialOverMemoryError, memory_limit
from autometa.search._objective import (
    CONFIG_HASH,
    CandidateFailedError,
    NonFiniteValueError,
    Objective,
)
from autometa.search._peak import note_peak
from autometa.search._processes import has_lost_parent, has_parent
from autometa.search._samplers import build_pruner, build_sampler
from autometa.search._space import candidate_config
from autometa.search._study import deadline_of, load_spec, require_same_tables
from autometa.search._threads import one_thread
from autometa.search._warm_start import warm_start_of
from autometa.search._watch import TrialInterrupted, TrialOvertimeError, TrialWatch
from autometa.storages import (
    INTERRUPTED,
    REASON,
    RETRY_OF,
    WORKER,
    counted,
    fail_and_requeue,
    load_study,
    open_storage,
    reap_orphans,
    stamp_trial,
    storage_errors,
    study_lock,
    through_outages,
    trials_done,
)

_logger = get_logger(__name__)
_WAIT_SECONDS = 0.5

# What lies in a trial's parameters. Any other RunError is the storage's: the trial is not to blame.
_FAILURES = (
    CandidateFailedError,
    DivergedError,
    NonFiniteValueError,
    TrialOverMemoryError,
    TrialOvertimeError,
    UserError,
)


@dataclass
class WorkerReport:
    """What a worker did.

    Attributes:
        finished: trials that it completed, pruned or failed.
        reason: why it stopped: ``budget``, ``time`` or ``stopped``.

    >>> report = WorkerReport(finished=12, reason="budget")
    >>> f"{report.finished} trials, ended by the {report.reason}"
    '12 trials, ended by the budget'
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
    on_trial: Callable[[FrozenTrial], None] | None = None,
    is_known: bool = False,
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
        is_known: whether a command that starts workers has opened the storage already, so that a
            server which does not answer is waited for.

    Raises:
        UserError: there is no such study.
        RunError: the storage failed, or the study's tables have changed.

    >>> from autometa.search import prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> run_worker(spec.storage, "tiny", run_folder=Path("tiny"))
    WorkerReport(finished=3, reason='budget')
    >>> study.trials[0].state.name, study.trials[0].params
    ('COMPLETE', {'width': 64})
    """
    stop = stop if stop is not None else threading.Event()
    storage = open_storage(storage_url, create=False, stop=stop, is_known=is_known or has_parent())
    study = load_study(storage, study_name)
    spec = load_spec(study)
    data = data if data is not None else StudyData.load(spec)
    require_same_tables(study, data)
    watch = TrialWatch(study, stop, limit_seconds=spec.search.seconds_per_trial)
    objective = Objective(spec, data=data, run_folder=run_folder, on_step=watch.on_step)
    with storage_errors(storage):
        _sweep(study, objective)
    # Not in the first trial, whose lease would run out meanwhile. A command has done it before.
    with suppress(TrialInterrupted), storage_errors(storage), one_thread():
        data.baselines(data.search_tasks(), on_progress=watch.before_trials)
    finished = 0
    while True:
        if stop.is_set() or has_lost_parent():
            return WorkerReport(finished, "stopped")
        with storage_errors(storage), one_thread():
            if time.time() >= deadline_of(study):
                return WorkerReport(finished, "time")
            through_outages(storage, partial(reap_orphans, study))
            if trials_done(study) >= spec.search.trials:
                return WorkerReport(finished, "budget")
            claim = partial(_claim, study, spec, worker=worker)
            trial = through_outages(storage, claim)
            if trial is None:
                # Other workers run the last trials; should one of them die, this one goes on.
                stop.wait(_WAIT_SECONDS)
                continue
            told = _run_trial(study, trial, objective, watch)
        if told is None:
            continue
        finished += 1
        if on_trial is not None:
            on_trial(told)


def _run_trial(
    study: optuna.Study, trial: optuna.Trial, objective: Objective, watch: TrialWatch
) -> FrozenTrial | None:
    """Runs one trial and tells its end; None where it was interrupted or lost to a reaper."""
    try:
        watch.start(trial)
        told = _evaluate(study, trial, objective)
    except (optuna.exceptions.UpdateFinishedTrialError, ValueError) as error:
        if study.get_trials(deepcopy=False)[trial.number].state == TrialState.RUNNING:
            _release(trial)
            raise
        # A reaper took this worker for dead, for example while it was suspended.
        _logger.warning("trial %d was taken over meanwhile: %s", trial.number, error)
        return None
    except Exception:
        _release(trial)
        raise
    except BaseException:
        # Ctrl-C in a notebook: the process lives on, so that no reaper would take the trial.
        fail_and_requeue(study, trial, reason=INTERRUPTED)
        raise
    if told is not None:
        _clean_up(study, objective, told)
    return told


def _evaluate(study: optuna.Study, trial: optuna.Trial, objective: Objective) -> FrozenTrial | None:
    try:
        # Not around what follows, which has to be told even if the memory is used up.
        with memory_limit(objective.spec.search.memory_mib):
            value = objective(trial)
    except optuna.TrialPruned:
        return study.tell(trial, state=TrialState.PRUNED)
    except TrialInterrupted:
        fail_and_requeue(study, trial, reason=INTERRUPTED)
        return None
    except _FAILURES as error:
        note_peak(trial)
        trial.set_user_attr(REASON, f"{type(error).__name__}: {error}")
        _logger.warning("trial %d failed: %s", trial.number, error)
        return study.tell(trial, state=TrialState.FAIL)
    return study.tell(trial, value)


def _release(trial: optuna.Trial) -> None:
    """Gives up a trial that this process cannot go on with: the next reaper takes it for dead.

    An error that nobody foresaw is treated as the worker's death: the parameters are tried again,
    but not for ever.
    """
    try:
        trial.set_user_attr(WORKER, {})
    except Exception as error:  # the storage is broken, and the trial's first error matters more
        _logger.warning("trial %d could not be given back: %s", trial.number, error)


def _clean_up(study: optuna.Study, objective: Objective, told: FrozenTrial) -> None:
    """Removes the checkpoint of a told trial, but keeps the final weights of completed ones."""
    if told.state == TrialState.COMPLETE or CONFIG_HASH not in told.user_attrs:
        return
    if told.user_attrs[CONFIG_HASH] in _hashes_in_use(study.get_trials(deepcopy=False)):
        return
    checkpoints = objective.checkpoints_of(candidate_config(objective.spec, told.params))
    if checkpoints is not None:
        checkpoints.remove()


def _sweep(study: optuna.Study, objective: Objective) -> None:
    """Removes checkpoints that killed workers left of trials that were told already."""
    trials = study.get_trials(deepcopy=False)
    in_use = _hashes_in_use(trials)
    for trial in trials:
        if trial.state == TrialState.PRUNED or (trial.state == TrialState.FAIL and counted(trial)):
            config_hash = trial.user_attrs.get(CONFIG_HASH)
            if config_hash is None or config_hash in in_use:
                continue
            checkpoints = objective.checkpoints_of(candidate_config(objective.spec, trial.params))
            if checkpoints is not None:
                checkpoints.remove()


def _hashes_in_use(trials: Sequence[FrozenTrial]) -> set[str]:
    """Configurations of completed and running trials: another trial may have had the same one."""
    return {
        str(trial.user_attrs.get(CONFIG_HASH))
        for trial in trials
        if trial.state in (TrialState.COMPLETE, TrialState.RUNNING)
    }


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
        # A retry proposes nothing, so that an interrupted study goes on as if it had not been.
        proposals = sum(RETRY_OF not in trial.user_attrs for trial in trials)
        study.sampler = build_sampler(
            spec, worker=worker, proposals=proposals, warm_start=warm_start_of(study, spec)
        )
        study.pruner = build_pruner(spec)
        trial = study.ask()
        stamp_trial(trial)
        return trial
