"""Workers that are killed, frozen, started at one moment or end in the middle of a trial."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from study_workers import wait_for

from autometa.config import StudySpec
from autometa.storages import (
    POISONED,
    REASON,
    RETRY_OF,
    list_studies,
    load_study,
    open_storage,
    reap_orphans,
)
from autometa.storages import trials_done as done_of

# One process holds the server that these tests fork from, which costs seconds to start.
pytestmark = pytest.mark.xdist_group("forkserver")

_HOLD = """
held = folder + "/held"
report = optuna.Trial.report

def holding(trial, value, step):
    # Outside of every lock, as a slow outer step would be.
    report(trial, value, step)
    if trial.number == number and step == 4:
        Path(held + ".tmp").write_text(str(os.getpid()))
        os.replace(held + ".tmp", held)
        while not Path(folder, "go").exists():
            time.sleep(0.02)

optuna.Trial.report = holding

def acknowledge(trial):
    descriptor = os.open(folder + "/acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{trial.number} {trial.value!r}\\n".encode())
    os.fsync(descriptor)

result = work(worker=index, on_trial=acknowledge)
Path(folder, f"ended-{index}").write_text(f"{result.reason} {result.finished}")
"""


def _acknowledged(folder: Path) -> dict[int, str]:
    """The values that workers were told to be kept, by number of the trial."""
    path = folder / "acknowledged"
    lines = path.read_text().splitlines() if path.exists() else []
    return {int(line.split()[0]): line.split()[1] for line in lines}


def _left(study: Any) -> list[str]:
    """States of trials that nobody finished."""
    states = [trial.state.name for trial in study.trials]
    return [state for state in states if state in ("RUNNING", "WAITING")]


def test_one_of_four_workers_is_killed(
    url: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    tmp_path: Path,
) -> None:
    """Its trial is run by a worker that waited; the budget is met and no told trial is lost."""
    study = study_of(little_study(storage=url, search={"trials": 5, "pruner": "none"}))
    workers = [spawn(study.spec, _HOLD, index=index, number=4) for index in range(4)]
    held = tmp_path / "held"
    # All other trials are done, so that three workers wait for the fourth.
    wait_for(lambda: held.exists() and done_of(study.study) == 4)
    assert len(study.trials) == 5

    killed = next(worker for worker in workers if str(worker.pid) == held.read_text())
    killed.kill()
    for worker in workers:
        worker.join(120)

    assert sorted(worker.exitcode or 0 for worker in workers) == [-signal.SIGKILL, 0, 0, 0]
    ended = [path.read_text().split() for path in tmp_path.glob("ended-*")]
    assert [reason for reason, _ in ended] == ["budget"] * 3
    assert done_of(study.study) == 5
    assert [trial.state.name for trial in study.trials] == [*["COMPLETE"] * 4, "FAIL", "COMPLETE"]
    lost, retry = study.trials[4:]
    assert lost.user_attrs[REASON] == "worker died"
    assert (retry.params, retry.user_attrs[RETRY_OF]) == (lost.params, 4)
    rates = [trial.params["inner_lr"] for trial in study.trials[:5]]
    assert len(set(rates)) == 5
    kept = {trial.number: repr(trial.value) for trial in study.trials}
    told = _acknowledged(tmp_path)
    assert told == {number: kept[number] for number in told}
    assert len(told) >= 4


def test_all_workers_are_killed_and_the_study_goes_on(
    url: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    tmp_path: Path,
) -> None:
    """The next start finds the orphan and every trial that was told, and meets the budget."""
    study = study_of(little_study(storage=url, search={"trials": 4, "pruner": "none"}))
    workers = [spawn(study.spec, _HOLD, index=index, number=2) for index in range(2)]
    wait_for(lambda: (tmp_path / "held").exists() and done_of(study.study) >= 2)
    for worker in workers:
        worker.kill()
        worker.join()
    complete = {t.number for t in study.trials if t.state.name == "COMPLETE"}

    study.work()

    assert set(_acknowledged(tmp_path)) <= complete
    assert done_of(study.study) == 4
    assert _left(study) == []
    assert study.trials[2].user_attrs[REASON] == "worker died"


def test_frozen_worker_keeps_its_trial_on_its_own_host(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    tmp_path: Path,
) -> None:
    """A stopped process is no dead one, however old its lease: nothing is run twice."""
    study = study_of(little_study(search={"trials": 1}))
    worker = spawn(study.spec, _HOLD, index=0, number=0)
    wait_for((tmp_path / "held").exists)

    os.kill(worker.pid or 0, signal.SIGSTOP)
    reaped = reap_orphans(study.study, lease_seconds=0)
    os.kill(worker.pid or 0, signal.SIGCONT)
    (tmp_path / "go").touch()
    worker.join(120)

    assert reaped == []
    assert worker.exitcode == 0
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"]


def test_frozen_worker_that_was_given_up_drops_its_result(
    url: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another host takes over its trial; woken, it says so, goes on and ends in order."""
    study = study_of(little_study(storage=url, search={"trials": 2, "pruner": "none"}))
    worker = spawn(study.spec, _HOLD, index=0, number=0)
    wait_for(Path("held").exists)
    os.kill(worker.pid or 0, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        # To another host a worker is as alive as its lease.
        patch.setattr("autometa.storages._liveness._host", lambda: "elsewhere")
        (reaped,) = reap_orphans(study.study, lease_seconds=0)
    study.work()
    assert done_of(study.study) == 2

    os.kill(worker.pid or 0, signal.SIGCONT)
    Path("go").touch()
    worker.join(120)

    assert (reaped.number, reaped.requeued) == (0, True)
    assert worker.exitcode == 0
    assert Path("ended-0").read_text() == "budget 0"
    assert _acknowledged(Path()) == {}
    assert [t.state.name for t in study.trials] == ["FAIL", *["COMPLETE"] * 2]
    assert study.trials[0].user_attrs[REASON] == "worker died"


_POISON = """
import os, sys
if "worker" in sys.orig_argv:
    from autometa.learners import OuterLoop
    train_step = OuterLoop._train_step

    def dying(loop):
        if loop.learner.config.inner_steps == 2:
            os.kill(os.getpid(), 9)
        train_step(loop)

    OuterLoop._train_step = dying
"""


@pytest.mark.slow
def test_command_goes_on_whatever_number_of_parameters_kill_their_workers(
    study_file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each is given up after three deaths, and the others make a winner."""
    (tmp_path / "sitecustomize.py").write_text(_POISON)
    paths = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
    command = [sys.executable, "-m", "autometa", "tune", study_file.name, "--trials", "6"]

    ended = subprocess.run(
        [*command, "--workers", "2", "--set", "search.sampler=random", "--seconds", "400"],
        cwd=study_file.parent,
        env=environment | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    study = load_study(
        open_storage(f"journal:{study_file.parent}/results/runs/studies.journal"), "tiny"
    )
    assert done_of(study) == 6
    reasons = [trial.user_attrs.get(REASON) for trial in study.trials]
    assert reasons.count(POISONED) >= 2
    assert reasons.count("worker died") == 2 * reasons.count(POISONED)
    assert {t.params["inner_steps"] for t in study.trials if t.state.name == "COMPLETE"} == {1}


def test_exit_within_a_trial_leaves_none_running(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
) -> None:
    """``sys.exit`` is no error that Optuna would catch; the trial is queued again all the same."""
    study = study_of(little_study(search={"trials": 1}))

    worker = spawn(
        study.spec,
        """
        from autometa.learners import OuterLoop
        OuterLoop._train_step = lambda _loop: sys.exit(3)
        work()
        """,
    )
    worker.join(120)

    assert worker.exitcode == 3
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[0].user_attrs[REASON] == "interrupted"


_START = """
from autometa.errors import AutometaError
from autometa.storages import create_or_load_study, open_storage
Path(folder, f"ready-{os.getpid()}").touch()
while not Path(folder, f"gate-{turn}").exists():
    time.sleep(0.001)
try:
    storage = open_storage(url)
    study, is_new = create_or_load_study(storage, name, spec={}, fingerprint=fingerprint)
    study.tell(study.ask(), 1.0)
    found = "made" if is_new else "resumed"
except AutometaError as error:
    found = f"{type(error).__name__}: {error}"
Path(folder, f"done-{turn}-{os.getpid()}").write_text(found)
"""


def _start_together(
    spec: StudySpec,
    settings: list[int],
    spawn: Callable[..., BaseProcess],
    folder: Path,
    *,
    turn: int = 0,
) -> list[str]:
    """Makes one study in as many processes at one moment; returns what each of them found."""
    before = len(list(folder.glob("ready-*")))
    processes = [
        spawn(spec, _START, fingerprint={"meta_batch": setting}, turn=turn) for setting in settings
    ]
    wait_for(lambda: len(list(folder.glob("ready-*"))) == before + len(settings))
    (folder / f"gate-{turn}").touch()
    for process in processes:
        process.join(120)
    return sorted(path.read_text() for path in folder.glob(f"done-{turn}-*"))


def test_eight_commands_start_at_one_moment_on_a_storage_that_is_not_there(
    url: str,
    little_study: Callable[..., StudySpec],
    spawn: Callable[..., BaseProcess],
    tmp_path: Path,
) -> None:
    """One makes the study and all run on it; again and again."""
    for turn in range(3):
        # The server is there from the second turn on, as it would be: then the study is not.
        storage = url if url.startswith("postgresql") else f"{url}-{turn}"
        spec = little_study(storage=storage, name=f"turn-{turn}")

        found = _start_together(spec, [2] * 8, spawn, tmp_path, turn=turn)

        assert found == ["made", *["resumed"] * 7]
        studies = {study.name: study.trials for study in list_studies(open_storage(storage))}
        assert studies[spec.name] == {"COMPLETE": 8}


def test_of_two_studies_of_one_name_the_second_is_refused(
    url: str,
    little_study: Callable[..., StudySpec],
    spawn: Callable[..., BaseProcess],
    tmp_path: Path,
) -> None:
    """Made at one moment with other settings, one is there, and the other is told the remedy."""
    refused, made = _start_together(little_study(storage=url), [2, 3], spawn, tmp_path)

    assert made == "made"
    assert refused.startswith("UserError: study 'little' in ")
    assert "restore them or choose another study name" in refused
    (summary,) = list_studies(open_storage(url))
    assert summary.trials == {"COMPLETE": 1}
