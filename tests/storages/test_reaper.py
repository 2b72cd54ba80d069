from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial

from autometa.storages import (
    INTERRUPTED,
    ORIGIN,
    POISONED,
    REASON,
    RETRIES,
    RETRY_OF,
    WORKER,
    WORKER_DIED,
    counted,
    fail_and_requeue,
    load_study,
    reap_orphans,
    trials_done,
    worker_stamp,
)
from autometa.storages import _reaper as reaper

WAITING = (TrialState.WAITING,)


def dead_stamp() -> dict[str, Any]:
    """A stamp of this host whose process is gone."""
    return {**worker_stamp(), "started": "an earlier boot/1"}


def abandon(study: optuna.Study, **params: float) -> optuna.Trial:
    """A running trial whose worker is dead, with the parameter ``x``."""
    if params:
        study.enqueue_trial(params)
    trial = study.ask()
    trial.set_user_attr(WORKER, dead_stamp())
    trial.suggest_float("x", 0, 1)
    return trial


def test_trial_of_a_killed_worker_is_failed_and_tried_again(
    url: str, study: optuna.Study, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """Kill -9 during a trial costs that attempt and nothing else."""
    code = """
        from autometa.storages import load_study, open_storage, stamp_trial
        study = load_study(open_storage(sys.argv[1]), "toy")
        study.tell(study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), 1.0)
        trial = study.ask()
        stamp_trial(trial)
        print(trial.suggest_float("x", 0, 1), flush=True)
        time.sleep(60)
    """
    worker = spawn(code, url)
    assert worker.stdout is not None
    x = float(worker.stdout.readline())
    alive = reap_orphans(study)

    worker.kill()
    worker.wait()
    reaped = reap_orphans(study)

    assert alive == []
    assert reaped == [
        reaper.Reaped(number=1, params={"x": x}, retries=0, poisoned=False, requeued=True)
    ]
    done, failed, retry = study.trials
    assert done.state == TrialState.COMPLETE
    assert (failed.state, failed.user_attrs[REASON]) == (TrialState.FAIL, WORKER_DIED)
    assert retry.state == TrialState.WAITING
    assert retry.user_attrs == {RETRY_OF: 1, RETRIES: 1}
    trial = study.ask()
    assert (trial.number, trial.suggest_float("x", 0, 1)) == (2, x)
    assert trials_done(study) == 1
    assert reap_orphans(study) == []


def test_configuration_that_kills_every_worker_is_given_up(study: optuna.Study) -> None:
    """After the first attempt and two retries it is poisoned, counted once, and not queued."""
    abandon(study, x=0.5)

    reports = []
    for _ in range(3):
        reports += reap_orphans(study)
        if study.get_trials(states=WAITING):
            abandon(study)

    assert [report.params for report in reports] == [{"x": 0.5}] * 3
    assert [report.retries for report in reports] == [0, 1, 2]
    assert [report.poisoned for report in reports] == [False, False, True]
    assert [report.requeued for report in reports] == [True, True, False]
    reasons = [trial.user_attrs[REASON] for trial in study.trials]
    assert reasons == [WORKER_DIED, WORKER_DIED, POISONED]
    assert trials_done(study) == 1
    assert not study.get_trials(states=WAITING)


def test_enqueued_parameters_survive_a_death_before_they_are_asked_for(
    study: optuna.Study,
) -> None:
    """A trial taken from the queue keeps its parameters and its origin."""
    study.enqueue_trial({"x": 0.5}, user_attrs={ORIGIN: "default"})
    study.ask().set_user_attr(WORKER, dead_stamp())

    reap_orphans(study)

    (retry,) = study.get_trials(states=WAITING)
    assert retry.user_attrs == {RETRY_OF: 0, RETRIES: 1, ORIGIN: "default"}
    assert study.ask().suggest_float("x", 0, 1) == 0.5


def test_trial_that_died_without_parameters_is_only_failed(study: optuna.Study) -> None:
    """There is nothing to try again; the sampler proposes a new point."""
    study.ask().set_user_attr(WORKER, dead_stamp())

    (report,) = reap_orphans(study)

    assert (report.params, report.requeued) == ({}, False)
    assert not study.get_trials(states=WAITING)


def test_silent_host_loses_its_trial_and_a_living_one_does_not(study: optuna.Study) -> None:
    """Workers elsewhere are judged by their lease."""
    for age_seconds in (10, 1000):
        stamp = {**worker_stamp(), "host": "elsewhere", "lease": time.time() - age_seconds}
        study.ask().set_user_attr(WORKER, stamp)

    reaped = reap_orphans(study, lease_seconds=600)

    assert [report.number for report in reaped] == [1]


def test_trial_without_a_stamp_is_reaped_by_its_age(study: optuna.Study) -> None:
    """A worker that died before it could stamp its trial is found too."""
    study.ask()

    young = reap_orphans(study, lease_seconds=600)
    time.sleep(0.05)
    old = reap_orphans(study, lease_seconds=0.01)

    assert young == []
    assert [report.number for report in old] == [0]


def test_waiting_and_finished_trials_are_left_alone(study: optuna.Study) -> None:
    """Only running trials can lose a worker."""
    trial = study.ask()
    trial.set_user_attr(WORKER, dead_stamp())
    study.tell(trial, 1.0)
    study.enqueue_trial({"x": 0.5})

    assert reap_orphans(study) == []
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "WAITING"]


def test_processes_that_reap_at_once_queue_each_trial_once(
    url: str, study: optuna.Study, together: Callable[..., list[str]]
) -> None:
    """Every orphan is reported by one process and has one successor."""
    for _ in range(8):
        abandon(study)

    outputs = together(
        3,
        """
        from autometa.storages import load_study, open_storage, reap_orphans
        study = load_study(open_storage(sys.argv[1]), "toy")
        start()
        print(*[report.number for report in reap_orphans(study)])
        """,
        url,
    )

    assert sorted(int(number) for output in outputs for number in output.split()) == [*range(8)]
    retries = study.get_trials(states=WAITING)
    assert sorted(trial.user_attrs[RETRY_OF] for trial in retries) == [*range(8)]


def test_trial_that_another_process_finishes_meanwhile_is_not_queued(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a common lock (another host) the first to finish a trial wins."""
    trial = abandon(study)
    judge = reaper._is_orphan

    def finish_after_judging(*arguments: Any) -> bool:
        verdict = judge(*arguments)
        study.tell(trial.number, 1.0)
        return verdict

    monkeypatch.setattr(reaper, "_is_orphan", finish_after_judging)

    assert reap_orphans(study) == []
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"]
    assert trials_done(study) == 1


def test_reaper_that_died_halfway_is_made_good_later(
    study: optuna.Study, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial failed but not yet queued is left to its reaper first, but where a server locks."""
    trial = abandon(study)
    trial.set_user_attr(REASON, WORKER_DIED)
    study.tell(trial, state=TrialState.FAIL)

    reap_orphans(study)
    at_once = len(study.get_trials(states=WAITING))
    monkeypatch.setattr(reaper, "_ENQUEUE_GRACE_SECONDS", -1.0)
    reap_orphans(study)
    reap_orphans(study)
    later = len(study.get_trials(states=WAITING))

    assert (at_once, later) == (int(url.startswith("postgresql")), 1)


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (TrialState.COMPLETE, None, True),
        (TrialState.COMPLETE, WORKER_DIED, True),
        (TrialState.PRUNED, None, True),
        (TrialState.FAIL, None, True),
        (TrialState.FAIL, "diverged at step 3", True),
        (TrialState.FAIL, POISONED, True),
        (TrialState.FAIL, WORKER_DIED, False),
        (TrialState.FAIL, INTERRUPTED, False),
        (TrialState.RUNNING, None, False),
        (TrialState.WAITING, None, False),
    ],
)
def test_budget_counts_what_the_trial_itself_brought_about(
    state: TrialState, reason: str | None, expected: bool
) -> None:
    """Lost and interrupted trials are free; own failures are not."""
    trial = create_trial(
        state=state,
        value=1.0 if state == TrialState.COMPLETE else None,
        user_attrs={} if reason is None else {REASON: reason},
    )

    assert counted(trial) is expected


def test_interrupted_trial_is_queued_again_free_of_charge(study: optuna.Study) -> None:
    """An interruption is no death: neither the budget nor the number of retries grows."""
    study.enqueue_trial({"x": 0.5}, user_attrs={RETRIES: 1, ORIGIN: "default"})
    trial = study.ask()

    first = fail_and_requeue(study, trial, reason=INTERRUPTED)
    again = fail_and_requeue(study, trial, reason=INTERRUPTED)
    reap_orphans(study)

    assert (first, again) == (True, False)
    failed, retry = study.trials
    assert (failed.state, failed.user_attrs[REASON]) == (TrialState.FAIL, INTERRUPTED)
    assert retry.user_attrs == {RETRY_OF: 0, RETRIES: 1, ORIGIN: "default"}
    assert trials_done(study) == 0
    assert study.ask().suggest_float("x", 0, 1) == 0.5


def test_reaping_an_in_memory_study_needs_no_file() -> None:
    """Studies without a file, as in a notebook, are cleaned too."""
    study = optuna.create_study(direction="maximize")
    abandon(study)

    (report,) = reap_orphans(study)

    assert report.requeued


def test_queue_is_shared_by_all_processes(
    url: str, study: optuna.Study, opened: Callable[[str], BaseStorage]
) -> None:
    """A retry is picked up through any other handle of the storage."""
    abandon(study, x=0.25)
    reap_orphans(study)

    trial = load_study(opened(url), "toy").ask()

    assert trial.suggest_float("x", 0, 1) == 0.25
