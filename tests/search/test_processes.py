from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autometa.config import StudySpec
from autometa.errors import RunError
from autometa.search import run_processes
from autometa.search._processes import has_lost_parent
from autometa.storages import REASON, trials_done


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs shell scripts in the place of workers; gives the arguments of each that started."""

    def start(script: str, **options: Any) -> list[str]:
        program = tmp_path / "worker.sh"
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/started\n{script}\n')
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
        settings = {
            "workers": 2,
            "log_folder": tmp_path / "logs",
            "stop": threading.Event(),
            "on_tick": lambda: 0,
        }
        try:
            run_processes("journal:/x.journal", "little", **(settings | options))
        finally:
            monkeypatch.undo()
        return (tmp_path / "started").read_text().splitlines()

    return start


def test_workers_run_until_they_end_by_themselves(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Each has its index, one thread, the storage in its environment alone, and a log."""
    ticks: list[int] = []

    started = run(
        'echo "$OMP_NUM_THREADS $AUTOMETA_STORAGE"; sleep 0.5', on_tick=lambda: ticks.append(1) or 0
    )

    assert sorted(started) == [f"-m autometa worker little --index {i}" for i in (0, 1)]
    assert (tmp_path / "logs" / "worker-1.log").read_text() == "1 journal:/x.journal\n"
    assert len(ticks) >= 2


def test_killed_worker_is_replaced_four_times_at_most(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Killed workers are started again under their index, until it is clearly in vain."""
    with pytest.raises(RunError, match=r"worker 0 ended with code -9; see .*worker-0.log"):
        run("kill -9 $$", workers=1)

    assert len((tmp_path / "started").read_text().splitlines()) == 5


def test_every_trial_that_is_done_allows_further_deaths(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Parameters that kill their workers are given up, which counts, and the others go on."""
    started = tmp_path / "started"

    def tick() -> int:
        return len(started.read_text().splitlines()) // 3 if started.exists() else 0

    with pytest.raises(RunError, match="worker 0 ended with code -9"):
        run("kill -9 $$", workers=1, on_tick=lambda: min(tick(), 2))

    assert len(started.read_text().splitlines()) > 8


def test_worker_that_reports_an_error_ends_the_run(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    """An error would only come again; the other workers are asked to end."""
    with pytest.raises(RunError, match="worker 1 ended with code 1"):
        run('trap "echo asked; exit 143" TERM; [ $6 = 1 ] && exit 1; while :; do sleep 0.05; done')

    assert (tmp_path / "logs" / "worker-0.log").read_text() == "asked\n"


def test_workers_that_do_not_end_when_asked_are_killed(
    run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace period a stopped command does not wait any longer."""
    monkeypatch.setattr("autometa.search._processes._GRACE_SECONDS", 0.3)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()

    run('trap "" TERM; while :; do sleep 0.05; done', stop=stop)

    assert time.monotonic() - started < 10


def test_error_of_a_display_ends_the_workers(run: Callable[..., list[str]], tmp_path: Path) -> None:
    """Whatever ends the command ends its workers first."""

    def tick() -> int:
        if (tmp_path / "logs" / "worker-0.log").read_text() == "ready\n":
            raise ZeroDivisionError
        return 0

    with pytest.raises(ZeroDivisionError):
        run(
            'trap "echo asked; exit 143" TERM; echo ready; while :; do sleep 0.05; done',
            workers=1,
            on_tick=tick,
        )

    assert (tmp_path / "logs" / "worker-0.log").read_text() == "ready\nasked\n"


def test_only_workers_of_a_command_have_a_parent_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that somebody started by hand belongs to no command."""
    assert not has_lost_parent()
    monkeypatch.setenv("AUTOMETA_PARENT", str(os.getppid()))
    assert not has_lost_parent()
    monkeypatch.setenv("AUTOMETA_PARENT", "1" if os.getppid() != 1 else "2")
    assert has_lost_parent()


def test_stopping_real_workers_queues_their_trials_again(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
) -> None:
    """SIGTERM from the command lets workers fail their trials as interrupted; none is lost."""
    search = {"trials": 400, "pruner": "none"}
    study = study_of(little_study(search=search))
    stop = threading.Event()

    def tick() -> int:
        if sum(trial.state.name == "COMPLETE" for trial in study.trials) >= 2:
            stop.set()
        return trials_done(study.study)

    run_processes(
        study.spec.storage,
        study.spec.name,
        workers=2,
        log_folder=study.folder / "logs",
        stop=stop,
        on_tick=tick,
    )

    states = [trial.state.name for trial in study.trials]
    assert "RUNNING" not in states
    failed = [trial for trial in study.trials if trial.state.name == "FAIL"]
    assert {trial.user_attrs[REASON] for trial in failed} <= {"interrupted"}
    assert states.count("WAITING") == len(failed)
    assert trials_done(study.study) == states.count("COMPLETE")
    logs = [path.read_text() for path in (study.folder / "logs").iterdir()]
    assert len(logs) == 2
    assert not [log for log in logs if "Traceback" in log]
