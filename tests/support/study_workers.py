"""Studies in a storage, and worker processes that can be killed at a chosen line."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from textwrap import dedent
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from autometa.config import StudySpec
from autometa.learners import OuterLoop
from autometa.search import StudyData, WorkerReport, prepare_study, run_folder_of, run_worker
from autometa.storages import REASON, close_storage


@dataclass
class Study:
    """A study of a test, its tables, and the outer steps that were trained in this process."""

    spec: StudySpec
    data: StudyData
    study: optuna.Study
    steps: list[int] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return run_folder_of(self.spec.name)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials as the storage has them."""
        return self.study.get_trials(deepcopy=False)

    def work(self, **options: Any) -> WorkerReport:
        """Runs a worker in this process."""
        return run_worker(
            self.spec.storage,
            self.spec.name,
            run_folder=self.folder,
            **{"data": self.data, **options},
        )

    def results(self) -> list[dict[str, Any]]:
        """What each trial of the budget proposed and gave, without lost and interrupted ones."""
        return [
            {
                "state": trial.state.name,
                "params": trial.params,
                "value": trial.value,
                "rungs": trial.intermediate_values,
            }
            for trial in self.trials
            if trial.state != TrialState.WAITING
            and trial.user_attrs.get(REASON) not in ("worker died", "interrupted")
        ]

    def checkpoints(self) -> list[Path]:
        """The checkpoint folders that there are."""
        return sorted((self.folder / "checkpoints").glob("*"))


@pytest.fixture
def study_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[StudySpec], Study]]:
    """Creates or resumes the study of a specification."""
    made: list[Study] = []
    counting: list[Study] = []
    train_step = OuterLoop._train_step

    def counted_step(loop: OuterLoop) -> None:
        for study in counting:
            study.steps.append(loop.step)
        train_step(loop)

    monkeypatch.setattr(OuterLoop, "_train_step", counted_step)

    def make(spec: StudySpec) -> Study:
        data = StudyData.load(spec)
        made.append(Study(spec, data, prepare_study(spec, data)[0]))
        counting[:] = made[-1:]
        return made[-1]

    yield make
    for study in made:
        close_storage(study.study._storage)


_HEAD = """
import os, signal, sys, threading, time
os.environ["AUTOMETA_CACHE"] = cache
os.chdir(folder)
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
from pathlib import Path
import autometa.search as search

def die(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)

told = []

def kill_at(owner, name, condition):
    # In the second trial, instead of making a call.
    original = getattr(owner, name)

    def call(*arguments, **options):
        if told and condition(*arguments, **options):
            die()
        return original(*arguments, **options)

    setattr(owner, name, call)

def work(**options):
    return search.run_worker(url, name, run_folder=search.run_folder_of(name), **options)
"""


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., BaseProcess]]:
    """Runs code in a process that has imported autometa already; kills what is left.

    The code finds ``work()``, which runs a worker, ``die()``, which is kill -9, and ``kill_at()``.
    """
    context = multiprocessing.get_context("forkserver")
    # torch._dynamo is what PyTorch imports at the first optimiser, which takes seconds.
    # The others are imported by the first storage of a database, and by nothing before.
    context.set_forkserver_preload(
        [
            "autometa.search",
            "torch._dynamo",
            "optuna.storages._rdb.storage",
            "sqlalchemy.dialects.sqlite",
            "sqlalchemy.dialects.postgresql.psycopg",
            "psycopg",
        ]
    )
    processes: list[BaseProcess] = []

    def start(spec: StudySpec, code: str, **names: Any) -> BaseProcess:
        names |= {
            "url": spec.storage,
            "name": spec.name,
            "folder": str(tmp_path),
            "cache": os.environ["AUTOMETA_CACHE"],
        }
        process = context.Process(target=exec, args=(_HEAD + dedent(code), names))
        process.start()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.join()


def wait_for(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited for too long"
        time.sleep(0.02)
