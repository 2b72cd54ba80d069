"""Fails the trials that lost their worker and puts their parameters back into the queue.

Without it such a trial stays RUNNING for ever, and TPE steers around it as if it were bad.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from autometa.storages._liveness import LEASE_SECONDS, is_alive
from autometa.storages._open import is_shared_by_machines, study_lock
from autometa.storages._trials import (
    INTERRUPTED,
    ORIGIN,
    POISONED,
    REASON,
    RETRIES,
    RETRY_OF,
    WORKER,
    WORKER_DIED,
)

_logger = logging.getLogger("autometa.storages")

_ENQUEUE_GRACE_SECONDS = 60.0
"""How long another reaper, perhaps on another host, is given to enqueue what it has failed."""

_STAMP_GRACE_SECONDS = 60.0
"""How long a trial may run without a stamp, which takes its worker milliseconds to put there."""

_ZONE_STEP_SECONDS = 900.0
"""Local times of two machines differ by a multiple of a quarter of an hour."""

_REQUEUED = frozenset({WORKER_DIED, INTERRUPTED})

_FIXED_PARAMS = "fixed_params"  # where Optuna keeps the parameters of an enqueued trial


@dataclass(frozen=True)
class Reaped:
    """A trial that lost its worker.

    Attributes:
        number: the trial's number.
        params: its parameters, as far as they were chosen.
        retries: how many workers had died on these parameters before.
        poisoned: whether the parameters are given up.
        requeued: whether this call put them back into the queue.

    >>> study = optuna.create_study()
    >>> study.enqueue_trial({"depth": 2})
    >>> study.ask().set_user_attr(WORKER, {"host": "gone", "pid": 7, "started": "", "lease": 0.0})
    >>> reap_orphans(study)
    [Reaped(number=0, params={'depth': 2}, retries=0, poisoned=False, requeued=True)]
    """

    number: int
    params: dict[str, Any]
    retries: int
    poisoned: bool
    requeued: bool


def reap_orphans(
    study: optuna.Study, *, lease_seconds: float = LEASE_SECONDS, max_retries: int = 2
) -> list[Reaped]:
    """Fails the running trials whose worker is dead, and enqueues their parameters again.

    To be called at the start of a command and between trials. Two processes may reap at once:
    each trial is failed and enqueued once. A reaper that dies halfway is made good by the next.
    A trial that died before it had any parameters is failed only; the sampler proposes anew.

    Args:
        study: the study to clean.
        lease_seconds: how long a worker of another host may be silent; a trial without a stamp
            is given a minute at most.
        max_retries: how often parameters are tried again; a worker that dies on the last retry
            marks them as poisoned. A retry that came further than the one before it, by its
            intermediate values, starts the count anew: its parameters are not what kills.

    Returns:
        The trials that this call has failed, in the order of their numbers.

    Raises:
        RunError: another process holds the lock of the storage for too long.

    >>> study = optuna.create_study()
    >>> study.enqueue_trial({"depth": 2})
    >>> study.ask().set_user_attr(WORKER, {"host": "gone", "pid": 7, "started": "", "lease": 0.0})
    >>> reaped = reap_orphans(study)
    >>> len(reaped), [trial.state.name for trial in study.trials]
    (1, ['FAIL', 'WAITING'])
    """
    now = time.time()
    with study_lock(study._storage):
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        in_zones = is_shared_by_machines(study._storage)
        orphans = [t for t in running if _is_orphan(t, lease_seconds, now, in_zones)]
        everything = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
        poisoned = {
            trial.number
            for trial in orphans
            if _retries(trial) >= max_retries and not _has_progressed(trial, everything)
        }
        told = {
            trial.number
            for trial in orphans
            if _fail(study, trial, POISONED if trial.number in poisoned else WORKER_DIED)
        }
        requeued = _requeue(study, told, now)
    reaped = [
        Reaped(
            number=trial.number,
            params=_params(trial),
            retries=_retries(trial),
            poisoned=trial.number in poisoned,
            requeued=trial.number in requeued,
        )
        for trial in orphans
        if trial.number in told
    ]
    for item in reaped:
        _logger.warning(
            "study %s, trial %d: its worker died; %s",
            study.study_name,
            item.number,
            f"given up after {item.retries + 1} attempts"
            if item.poisoned
            else ("its parameters are queued again" if item.requeued else "it had no parameters"),
        )
    return reaped


def fail_and_requeue(
    study: optuna.Study, trial: optuna.Trial | FrozenTrial, *, reason: str
) -> bool:
    """Fails a running trial of this worker for a reason and queues it once more.

    For what is not the parameters' fault, such as a signal: the new trial has the same number of
    retries behind it. Parameters that were not chosen yet are not queued.

    Args:
        study: the trial's study.
        trial: a trial that this process runs.
        reason: kept as the user attribute ``REASON``.

    Returns:
        Whether the trial was failed here; False when it had been finished meanwhile, for
        example reaped by another host, and then nothing is queued.

    >>> study = optuna.create_study()
    >>> study.enqueue_trial({"depth": 2})
    >>> fail_and_requeue(study, study.ask(), reason=INTERRUPTED)
    True
    >>> study.ask().suggest_int("depth", 1, 4)
    2
    """
    frozen = study._storage.get_trial(trial._trial_id)
    if frozen.state.is_finished() or not _fail(study, frozen, reason):
        return False
    if _params(frozen):
        _enqueue_again(study, frozen, retries=_retries(frozen))
    return True


def _is_orphan(trial: FrozenTrial, lease_seconds: float, now: float, in_zones: bool) -> bool:
    stamp = trial.user_attrs.get(WORKER)
    if isinstance(stamp, dict):
        return not is_alive(stamp, lease_seconds=lease_seconds, now=now)
    # No stamp: the worker died between asking and stamping, or is just about to stamp.
    grace_seconds = min(lease_seconds, _STAMP_GRACE_SECONDS)
    return not _is_recent(trial.datetime_start, grace_seconds, now, in_zones=in_zones)


def _fail(study: optuna.Study, trial: FrozenTrial, reason: str) -> bool:
    """Fails one trial; False when somebody else has finished it meanwhile."""
    try:
        # First the reason: attributes of a finished trial cannot be set.
        study._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
        study.tell(trial.number, state=TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False
    except ValueError:
        # What tell raises for a trial that is not RUNNING.
        if study._storage.get_trial(trial._trial_id).state == TrialState.RUNNING:
            raise
        return False
    return True


def _requeue(study: optuna.Study, told: set[int], now: float) -> set[int]:
    """Enqueues every dead trial that has no successor; also those of a reaper that died."""
    trials = study.get_trials(deepcopy=False)
    in_zones = is_shared_by_machines(study._storage)  # a server, whose lock all machines share
    by_number = {trial.number: trial for trial in trials}
    have_successor = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    requeued = set()
    for trial in trials:
        # An interrupted trial has no successor where its worker was killed before queueing it.
        if trial.state != TrialState.FAIL or trial.user_attrs.get(REASON) not in _REQUEUED:
            continue
        if trial.number in have_successor or not _params(trial):
            continue
        died = trial.user_attrs.get(REASON) == WORKER_DIED
        # A server's lock is here, so that no reaper is at work on a dead trial: an outage ended it,
        # or lost its answer. Until the trial is queued again, others use up its budget.
        is_given_time = trial.number not in told and not (died and in_zones)
        if is_given_time and _is_recent(
            trial.datetime_complete, _ENQUEUE_GRACE_SECONDS, now, in_zones=in_zones
        ):
            continue
        retries = 0 if _has_progressed(trial, by_number) else _retries(trial)
        _enqueue_again(study, trial, retries=retries + died)
        requeued.add(trial.number)
    return requeued


def _enqueue_again(study: optuna.Study, trial: FrozenTrial, *, retries: int) -> None:
    attributes = {RETRY_OF: trial.number, RETRIES: retries}
    if ORIGIN in trial.user_attrs:
        attributes[ORIGIN] = trial.user_attrs[ORIGIN]
    study.enqueue_trial(_params(trial), user_attrs=attributes)


def _is_recent(
    moment: datetime | None, grace_seconds: float, now: float, *, in_zones: bool
) -> bool:
    """Returns whether something happened just now.

    Optuna writes local times without their zone. Where the writer may be in another one, only
    what is left of whole quarters of an hour tells: what is older is taken for recent now and
    then, for two minutes, and what is recent never for old.
    """
    if moment is None:
        return False
    age_seconds = now - moment.astimezone().timestamp()
    if not in_zones:
        return age_seconds <= grace_seconds
    rest = age_seconds % _ZONE_STEP_SECONDS
    # Clocks differ by some seconds, so that an age may be below zero as well.
    return rest <= grace_seconds or rest >= _ZONE_STEP_SECONDS - grace_seconds


def _params(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters so far, with those that the trial was enqueued with."""
    return {**trial.system_attrs.get(_FIXED_PARAMS, {}), **trial.params}


def _has_progressed(trial: FrozenTrial, by_number: Mapping[int, FrozenTrial]) -> bool:
    """Whether a trial reported more values than the one that it is a retry of."""
    before = by_number.get(trial.user_attrs.get(RETRY_OF, -1))
    return len(trial.intermediate_values) > (len(before.intermediate_values) if before else 0)


def _retries(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(RETRIES, 0))
