"""A worker of the storm of faults: autometa's own, which writes down what it was told is kept.

Imported by the server that the workers are forked from, so that libraries and tables are loaded
once, and a replaced worker is at work within a fraction of a second. On SIGUSR1 a worker dies in
the middle of its next write: half a record of a journal is written, or a transaction of SQLite is
open.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
from pathlib import Path
from typing import Any

import optuna

# What the first optimiser and the first database import, in seconds each.
import optuna.storages._rdb.storage
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401
import torch._dynamo  # noqa: F401
from optuna.trial import FrozenTrial
from sqlalchemy import event
from sqlalchemy.engine import Engine

import autometa.storages._journal as journal
from autometa.config import StudySpec, spec_from_dict
from autometa.search import StudyData, run_folder_of, run_worker
from autometa.search._processes import PARENT_VARIABLE

with contextlib.suppress(ImportError):  # without it, the storage is left out
    import psycopg  # noqa: F401

SPEC_VARIABLE = "STORM_SPEC"
"""Environment variable: file with the specification, as JSON."""

_write_whole = os.write


def read_spec(**changes: Any) -> StudySpec:
    """Returns the specification of the storm with other keys."""
    return spec_from_dict(json.loads(Path(os.environ[SPEC_VARIABLE]).read_text()) | changes)


DATA = StudyData.load(read_spec()) if SPEC_VARIABLE in os.environ else None
"""The tables, loaded before the workers are forked."""


def work(url: str, name: str, folder: str, index: int) -> None:
    """Works on a study; appends each told trial to ``told``, and an error to ``errors``."""
    os.chdir(folder)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("autometa").setLevel(logging.ERROR)  # every death is warned of
    signal.signal(signal.SIGUSR1, _die_in_next_write)
    # As a command's workers have it, which wait for a server that is gone when they start.
    os.environ[PARENT_VARIABLE] = str(os.getppid())
    try:
        run_worker(
            url, name, run_folder=run_folder_of(name), worker=index, data=DATA, on_trial=_write_down
        )
    except Exception as error:  # whatever it is, it counts against the target
        _append("errors", f"{type(error).__name__}: {error}")
        os._exit(1)


def _write_down(trial: FrozenTrial) -> None:
    _append("told", json.dumps([trial.number, trial.state.name, trial.value]))


def _append(name: str, line: str) -> None:
    """Adds a line whole or not at all, and on the disk."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _write_whole(descriptor, f"{line}\n".encode())
    os.fsync(descriptor)
    os.close(descriptor)


def _die_in_next_write(_number: int, _frame: object) -> None:
    class TornOs:
        """The module ``os`` as the journal sees it, but for its last write."""

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def write(self, descriptor: int, record: memoryview) -> int:
            os.write(descriptor, record[: len(record) // 2])
            return _die()

    journal.os = TornOs()  # type: ignore[assignment]
    event.listen(Engine, "after_cursor_execute", _die_after_change)


def _die_after_change(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
    if statement.lstrip().upper().startswith(("INSERT", "UPDATE")):
        _die()


def _die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0
