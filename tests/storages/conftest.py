"""Storages of every kind, closed after each test, and child processes that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import optuna
import pytest
from optuna.storages import BaseStorage
from storage_urls import url

import autometa.storages
from autometa.storages import close_storage, open_storage

__all__ = ["url"]

_ROOT = Path(autometa.storages.__file__).parents[2]


@pytest.fixture(autouse=True)
def _quiet_optuna() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


@pytest.fixture
def opened() -> Iterator[Callable[[str], BaseStorage]]:
    """Opens storages that are closed when the test ends."""
    storages = []

    def start(url: str) -> BaseStorage:
        storages.append(open_storage(url))
        return storages[-1]

    yield start
    for storage in storages:
        close_storage(storage)


@pytest.fixture
def study(url: str, opened: Callable[[str], BaseStorage]) -> optuna.Study:
    """An empty study named ``toy``."""
    storage = opened(url)
    return autometa.storages.create_or_load_study(storage, "toy", spec={}, fingerprint={})[0]


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python processes with warnings as errors; kills those that are left."""
    processes = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        head = "import optuna, os, sys, time\noptuna.logging.set_verbosity(optuna.logging.ERROR)\n"
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", head + dedent(code), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def together(
    spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> Callable[..., list[str]]:
    """Runs the same code in several processes that pass the line ``start()`` at one moment."""

    def run(count: int, code: str, *arguments: object) -> list[str]:
        gate = tmp_path / "gate"
        head = f"""
def start():
    open({str(gate)!r} + "-" + str(os.getpid()), "w").close()
    while not os.path.exists({str(gate)!r}):
        time.sleep(0.001)
"""
        processes = [spawn(head + dedent(code), *arguments) for _ in range(count)]
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("gate-*"))) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        gate.touch()
        outputs = [process.communicate(timeout=60) for process in processes]
        errors = [
            error
            for process, (_, error) in zip(processes, outputs, strict=True)
            if process.returncode
        ]
        assert not errors, errors[0]
        return [output.strip() for output, _ in outputs]

    return run
