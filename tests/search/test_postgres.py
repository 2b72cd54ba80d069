"""Workers on a PostgreSQL server: killed ones, restarted servers, and where the password goes."""

from __future__ import annotations

import pickle
import signal
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from postgres_cluster import PASSWORD

from autometa.config import StudySpec
from autometa.errors import StoppedError
from autometa.learners import OuterLoop
from autometa.search import StudyData, _confirm, _worker, confirm
from autometa.storages import REASON, RETRY_OF, trials_done

if TYPE_CHECKING:
    from postgres_cluster import Cluster

pytestmark = pytest.mark.xdist_group("forkserver")

_SEARCH = {"trials": 3, "pruner": "none"}


@pytest.fixture
def spec(little_study: Callable[..., StudySpec], postgres_cluster: Cluster) -> StudySpec:
    """A little study on a server."""
    return little_study(storage=postgres_cluster.new_storage(), search=_SEARCH)


@pytest.fixture
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits begin with a tenth of a second, and trials without a stamp are lost at once."""
    monkeypatch.setattr("autometa.storages._patience._FIRST_WAIT_SECONDS", 0.1)
    monkeypatch.setattr("autometa.storages._reaper._STAMP_GRACE_SECONDS", 0.0)


@pytest.fixture
def undisturbed(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> list[dict[str, Any]]:
    """Results of the same study in a file, while nothing happens."""
    study = study_of(little_study(name="undisturbed", search=_SEARCH))
    study.work()
    return list(study.results())


def test_trial_of_a_killed_worker_goes_on_from_its_last_rung(
    spec: StudySpec,
    undisturbed: list[dict[str, Any]],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
) -> None:
    """After kill -9 the orphan is reaped and tried again; the study ends as if nothing was."""
    study = study_of(spec)
    code = "kill_at(optuna.Trial, 'report', lambda _, __, step: step == 8)"

    worker = spawn(spec, f"{code}\nwork(on_trial=told.append)\n")
    worker.join(60)
    before = [trial.state.name for trial in study.trials]
    report = study.work()

    assert worker.exitcode == -signal.SIGKILL
    assert before == ["COMPLETE", "RUNNING"]
    assert report.finished == 2
    assert trials_done(study.study) == 3
    assert study.results() == undisturbed
    lost, retry = study.trials[1:3]
    assert lost.user_attrs[REASON] == "worker died"
    assert retry.user_attrs[RETRY_OF] == 1
    assert retry.params == lost.params


@pytest.mark.usefixtures("quick_waits")
def test_server_that_restarts_during_a_study_is_survived(
    spec: StudySpec,
    undisturbed: list[dict[str, Any]],
    study_of: Callable[[StudySpec], Any],
    postgres_cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server is gone for a second in the middle of a trial; no trial is lost or repeated."""
    study = study_of(spec)
    starters: list[threading.Timer] = []
    train_step = OuterLoop._train_step

    def restart_at_step_6(loop: OuterLoop) -> None:
        if loop.step == 6 and not starters:
            postgres_cluster.stop()
            starters.append(threading.Timer(1, postgres_cluster.start))
            starters[0].start()
        train_step(loop)

    monkeypatch.setattr(OuterLoop, "_train_step", restart_at_step_6)

    report = study.work()
    starters[0].join()

    assert report.finished == 3
    assert study.results() == undisturbed
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3


@pytest.mark.usefixtures("quick_waits")
@pytest.mark.parametrize("line", ["trials_done", "stamp_trial"])
def test_server_that_restarts_while_a_trial_is_claimed_is_survived(
    line: str,
    spec: StudySpec,
    study_of: Callable[[StudySpec], Any],
    postgres_cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before asking or before stamping: the claim begins anew, and the budget is kept."""
    import psycopg

    study = study_of(spec)
    call, calls = getattr(_worker, line), []

    def restart(argument: Any) -> Any:
        calls.append(1)
        # The second count of trials is that of the first claim.
        if len(calls) == {"trials_done": 2, "stamp_trial": 1}[line]:
            postgres_cluster.restart()
            if line == "stamp_trial":
                # A new connection would often be made without an error.
                raise psycopg.OperationalError("server closed the connection unexpectedly")
        return call(argument)

    monkeypatch.setattr(_worker, line, restart)

    report = study.work()

    assert report.reason == "budget"
    assert trials_done(study.study) == 3
    # Queued as the first trial, it is run once in either case.
    params = [result["params"] for result in study.results()]
    assert params.count({"inner_lr": 1.0, "width": 16}) == 1
    lost = [trial.user_attrs[REASON] for trial in study.trials if trial.state.name == "FAIL"]
    assert lost == ([] if line == "trials_done" else ["worker died"])


def test_processes_of_a_confirmation_are_sent_no_password(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pickled for them is the specification without its storage."""
    sent: list[bytes] = []

    def executor(*_arguments: Any, initargs: tuple[Any, ...], **_options: Any) -> None:
        sent.append(pickle.dumps(initargs[0]))
        raise StoppedError("far enough")

    monkeypatch.setattr(_confirm, "ProcessPoolExecutor", executor)
    monkeypatch.setattr(StudyData, "baselines", lambda *_, **__: None)
    assert PASSWORD in spec.storage

    with pytest.raises(StoppedError, match="far enough"):
        confirm(
            spec,
            StudyData.load(spec),
            [(1, {"inner_lr": 0.1, "width": 8}), (2, {"inner_lr": 0.2, "width": 8})],
            run_folder=Path("run"),
            workers=2,
        )

    assert b"little" in sent[0]
    assert PASSWORD.encode() not in sent[0]
