from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from optuna.storages import BaseStorage

from autometa.errors import RunError
from autometa.storages import (
    close_storage,
    create_or_load_study,
    open_storage,
    storage_errors,
    storage_path,
)
from autometa.storages._sqlite import open_sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with the study ``toy``."""
    path = tmp_path / "s.db"
    storage = open_storage(f"sqlite:///{path}")
    create_or_load_study(storage, "toy", spec={}, fingerprint={})
    close_storage(storage)
    return path


@pytest.fixture
def locked(path: Path) -> Iterator[Path]:
    """The database while another program writes to it."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("begin exclusive")
        yield path


def one_sentence(error: pytest.ExceptionInfo[RunError], path: Path) -> bool:
    """Whether a message names the path and carries no traceback or hint for programmers."""
    text = str(error.value)
    return str(path) in text and "\n" not in text and "sqlalche" not in text.lower()


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"SQLite"])
def test_file_that_is_no_database_is_refused_untouched(path: Path, content: bytes) -> None:
    """Neither tables nor bytes are added to a file given by mistake."""
    path.write_bytes(content)

    with pytest.raises(RunError, match="is not a SQLite file") as caught:
        open_storage(f"sqlite:///{path}")

    assert one_sentence(caught, path)
    assert path.read_bytes() == content


def test_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    """Optuna would add its tables to any database."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table mail (id integer)")
    content = path.read_bytes()

    with pytest.raises(RunError, match="another program"):
        open_storage(f"sqlite:///{path}")

    assert path.read_bytes() == content


@pytest.mark.parametrize("kept_bytes", [16, 100, 4096, 20000])
def test_cut_database_is_an_error_with_a_remedy(path: Path, kept_bytes: int) -> None:
    """A database that lost its end is not taken for an empty one."""
    path.write_bytes(path.read_bytes()[:kept_bytes])

    with pytest.raises(RunError, match="damaged") as caught:
        open_storage(f"sqlite:///{path}")

    assert one_sentence(caught, path)


@pytest.mark.parametrize(
    ("version", "message"), [("v99.0.0", "newer version"), ("v3.0.0.a", "optuna storage upgrade")]
)
def test_other_schema_version_is_an_error_with_a_remedy(
    path: Path, version: str, message: str
) -> None:
    """Newer schemas ask for a newer Optuna, older ones for an upgrade."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update alembic_version set version_num = ?", (version,))

    with pytest.raises(RunError, match=message) as caught:
        open_storage(f"sqlite:///{path}")

    assert one_sentence(caught, path)


def test_lock_held_for_too_long_is_named(locked: Path) -> None:
    """Optuna's text about invalid data is replaced by the true cause."""
    with pytest.raises(RunError, match="locked") as caught:
        open_sqlite(locked, timeout_seconds=0.1)

    assert one_sentence(caught, locked)


def test_failure_during_a_run_is_named(
    path: Path, opened: Callable[[str], BaseStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database deleted under a running study gives one sentence."""
    storage = opened(f"sqlite:///{path}")
    study, _ = create_or_load_study(storage, "toy", spec={}, fingerprint={})
    path.unlink()

    with (
        pytest.raises(RunError, match="read-only or was deleted") as caught,
        storage_errors(study._storage),
    ):
        study.set_user_attr("k", 1)

    assert one_sentence(caught, path)


def test_braces_in_a_path_are_kept(tmp_path: Path, opened: Callable[[str], BaseStorage]) -> None:
    """Optuna formats its URL; a brace must not be taken for a field."""
    path = tmp_path / "{x} {SCHEMA_VERSION} #é.db"

    storage = opened(f"sqlite:///{path}")

    assert path.exists()
    assert storage_path(storage) == path
