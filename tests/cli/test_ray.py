"""``autometa tune --engine ray``: workers as tasks of a local cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import optuna

Run = Callable[..., Any]

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

_COMMAND = [sys.executable, "-m", "autometa", "tune", "tiny.yaml", "--engine", "ray"]
_LONGER = ["--set", "training.outer_steps=80", "--set", "training.rungs=[10, 20, 40, 80]"]
_LONGER += ["--seconds", "500"]  # the cluster's start is among them


@pytest.fixture
def start(
    study_file: Path, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `autometa tune --engine ray` in the test's folder; ends what is left of it."""
    started: list[subprocess.Popen[str]] = []
    # Ray keeps the token of its clusters in the home folder.
    own = environment | {"HOME": str(tmp_path)}
    own.pop("RAY_ADDRESS", None)

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*_COMMAND, *_LONGER, *arguments],
            cwd=study_file.parent,
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _worker_at_work(folder: Path, process: subprocess.Popen[str]) -> int:
    """Waits until a worker has reported a rung, and returns its process id."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        for trial in _trials(folder):
            if trial.state.name == "RUNNING" and trial.intermediate_values:
                return int(trial.user_attrs["autometa:worker"]["pid"])
        time.sleep(0.1)
    pytest.fail("no worker has begun a trial")


def _trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """The study's trials; none while the study is being made."""
    from autometa.errors import UserError
    from autometa.storages import load_study, open_storage

    try:
        storage = open_storage(f"journal:{folder}/results/runs/studies.journal", create=False)
        return load_study(storage, "tiny").get_trials(deepcopy=False)
    except UserError:
        return []


@needs_ray
@pytest.mark.slow
def test_killed_task_is_started_again_and_its_trial_too(
    start: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    """The study ends as with processes: its budget is met, and stdout holds the result alone."""
    process = start("--workers", "2", "--trials", "4", "--set", "search.pruner=none")

    pid = _worker_at_work(folder, process)
    name = Path(f"/proc/{pid}/cmdline").read_text()
    os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=240)

    assert name.startswith("ray::autometa worker tiny ")
    assert process.returncode == 0, err
    assert out.startswith("Study tiny: trial ")
    assert " was lost (WorkerCrashedError: " in err
    trials = _trials(folder)
    assert [trial.state.name for trial in trials].count("COMPLETE") == 4
    (lost,) = [trial for trial in trials if trial.state.name == "FAIL"]
    (again,) = [t for t in trials if t.user_attrs.get("autometa:retry_of") == lost.number]
    assert lost.user_attrs["autometa:reason"] == "worker died"
    assert again.params == lost.params
    # It went on from the rung that the killed worker had kept.
    assert set(lost.intermediate_values) <= set(again.intermediate_values)
    logs = folder / "results" / "runs" / "tiny" / "logs"
    assert "ended after" in (logs / "worker-0.log").read_text()


@needs_ray
@pytest.mark.slow
def test_sigterm_ends_the_tasks_and_gives_their_trials_back(
    start: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    """The command ends with 143, its cluster with it, and no trial is left running."""
    process = start("--workers", "1", "--trials", "50")

    pid = _worker_at_work(folder, process)
    process.terminate()
    _, err = process.communicate(timeout=60)

    assert process.returncode == 143, err
    assert not Path(f"/proc/{pid}").exists()
    states = [trial.state.name for trial in _trials(folder)]
    assert "RUNNING" not in states
    assert states[-1] == "WAITING"


def test_a_missing_package_is_said_before_anything_is_done(
    run: Run, study_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence with the extra to install, exit code 2, and no study."""
    monkeypatch.setattr("autometa.search._ray_cluster.find_spec", lambda _name: None)

    result = run("tune", study_file, "--engine", "ray")

    assert result.code == 2
    assert result.err.splitlines()[-1] == (
        "autometa: the engine ray needs a package that is not installed; install autometa[ray]"
    )
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpus-per-worker", "1"], "add --engine ray"),
        (["--ray-address", "auto"], "add --engine ray"),
        (["--engine", "ray", "--gpus-per-worker", "1.5"], "a whole number; got 1.5"),
        (["--engine", "ray", "--gpus-per-worker", "-1"], "a whole number; got -1"),
        (["--engine", "dask"], "'dask' is not one of"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[str], message: str, run: Run, study_file: Path, folder: Path
) -> None:
    """Options of Ray without Ray, shares of GPUs that nobody can give, and unknown engines."""
    result = run("tune", study_file, *arguments)

    assert result.code == 2
    assert message in result.err.splitlines()[-1]
    assert not (folder / "results").exists()
