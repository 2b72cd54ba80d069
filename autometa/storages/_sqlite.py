"""SQLite storages: one file on a local disk, opened by several processes of one machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from autometa.errors import RunError
from autometa.storages._locks import (
    LOCK_TIMEOUT_SECONDS,
    STUDY_LOCK_TIMEOUT_SECONDS,
    kernel_lock,
)
from autometa.storages._rdb_schema import wrong_schema

_HEADER = b"SQLite format 3\0"

# SQLite's words -> what they mean for a study, and what helps.
_CAUSES = (
    ("locked", "another process kept it locked; end that process, then start again to resume"),
    ("full", "the disk is full; free space, then start again to resume"),
    ("disk i/o", "the disk failed or is full; free space, then start again to resume"),
    ("readonly", "it is read-only or was deleted; give access to it or restore it from a backup"),
    ("unable to open", "it cannot be opened; give access to the file and to its folder"),
    ("malformed", "it is damaged; restore it from a backup or move it away"),
    ("not a database", "it is damaged or no SQLite file; restore it or move it away"),
)


def open_sqlite(path: Path, *, timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> RDBStorage:
    """Returns the storage in an existing or new SQLite file.

    Tables are created under a lock: without it, of several processes on a new file only some
    start (https://github.com/optuna/optuna/issues/4621). Optuna's heartbeat stays off, as it
    works inside ``Study.optimize`` only.

    Args:
        path: the database file.
        timeout_seconds: how long a statement waits for another writer; SQLite's own 5 s end a
            study whenever some tool holds the file for longer.

    Raises:
        RunError: the file is no database of Optuna, is damaged, or has another schema version.
    """
    lock = kernel_lock(path, "study", timeout_seconds=STUDY_LOCK_TIMEOUT_SECONDS)
    with lock, sqlite_errors(path):
        _check_contents(path, timeout_seconds)
        try:
            # RDBStorage puts the URL through str.format.
            escaped = str(path).replace("{", "{{").replace("}", "}}")
            return RDBStorage(
                f"sqlite:///{escaped}",
                engine_kwargs={"connect_args": {"timeout": timeout_seconds}},
            )
        except RuntimeError as error:
            raise _wrong_schema(path, error) from None


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turns the errors of SQLite, SQLAlchemy and Optuna into one sentence with the true cause.

    Optuna's own text blames "invalid data in the commit" whatever happened.

    Raises:
        RunError: the storage failed.
    """
    # Imported by Optuna's RDBStorage in any case; half of its second is spent here.
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except CommandError as error:
        raise _wrong_schema(path, error) from None
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise RunError(f"the storage {path} failed: {_cause(error)}.") from None


def _check_contents(path: Path, timeout_seconds: float) -> None:
    """Refuses files that Optuna would fail on, or would add its tables to."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            raise RunError(
                f"{path} is not a SQLite file; name another file with --storage, nothing was "
                "changed in this one."
            )
    with closing(sqlite3.connect(path, timeout=timeout_seconds)) as connection:
        query = "select name from sqlite_master where type = 'table'"
        tables = {name for (name,) in connection.execute(query)}
    if tables and "studies" not in tables:
        raise RunError(
            f"{path} is a database of another program; name another file with --storage, nothing "
            "was changed in this one."
        )


def _wrong_schema(path: Path, error: Exception) -> RunError:
    return wrong_schema(str(path), f"sqlite:///{path}", error)


def _cause(error: BaseException) -> str:
    """The innermost reason, in words that say what to do."""
    innermost = error
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    reason = str(getattr(innermost, "orig", None) or innermost).splitlines()[0]
    for word, meaning in _CAUSES:
        if word in reason.lower():
            return meaning
    return f"{reason}; check the file and its disk, then start again to resume"
