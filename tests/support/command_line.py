"""A command line inside the test process, a tiny study file, and one finished study."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

import autometa
from autometa.cli import main

ROOT = Path(autometa.__file__).parents[1]

STUDY = """\
version: 1
name: tiny
tables:
  train: [{source: synthetic, count: 30, seed: 1}]
  validation: [{source: sklearn, names: [iris]}]
episodes: {ways: 3, shots: [1, 3], queries: 4, per_table: 3}
learner: {name: column_kernel, head: descent, width: 8, depth: 1}
space:
  inner_lr: {low: 0.1, high: 1.0, log: true}
  inner_steps: {low: 1, high: 2}
training: {outer_steps: 20, rungs: [10, 20], meta_batch: 2, device: cpu}
search: {trials: 2, seconds: 100, confirm: 1, finalists: 1}
"""


@dataclass(frozen=True)
class Result:
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty working folder of a test."""
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Runs a command in this process, in an empty folder."""
    # So that what `main` puts into the environment is taken back.
    for variable in ("AUTOMETA_DEBUG", "PYTHONWARNINGS"):
        monkeypatch.setenv(variable, "")
    monkeypatch.delenv("PYTHONWARNINGS")

    def start(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    yield start
    logging.getLogger("autometa").handlers.clear()
    logging.getLogger("autometa").setLevel(logging.NOTSET)


@pytest.fixture
def study_file(folder: Path) -> Path:
    """A study that is searched in seconds."""
    path = folder / "tiny.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of one test run share."""
    own = tmp_path_factory.getbasetemp()
    path = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "command-line"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(scope="session")
def environment(shared: Path) -> dict[str, str]:
    """The environment of commands in processes of their own, which share one cache."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AUTOMETA_")}
    return kept | {
        "AUTOMETA_CACHE": str(shared / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def finished(shared: Path, environment: dict[str, str]) -> tuple[Path, str, str]:
    """The folder of a study that `autometa tune` has finished, its stdout and its stderr."""
    home = shared / "finished"
    printed = shared / "printed.json"
    # Marks that group tests in one process are ignored by pytest-xdist 3.8 with pytest 9.2.
    with FileLock(shared / "finished.lock"):
        if not printed.exists():
            home.mkdir()
            (home / "tiny.yaml").write_text(STUDY)
            done = subprocess.run(
                [sys.executable, "-m", "autometa", "tune", "tiny.yaml"],
                cwd=home,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            printed.write_text(json.dumps([done.stdout, done.stderr]))
    out, err = json.loads(printed.read_text())
    return home, out, err


@pytest.fixture
def in_finished(
    finished: tuple[Path, str, str],
    run: Run,
    folder: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command in a copy of the finished study's folder."""
    shutil.copytree(finished[0], folder, dirs_exist_ok=True)
    monkeypatch.setenv("AUTOMETA_CACHE", environment["AUTOMETA_CACHE"])
    return run
