"""Opening, closing and watching over storages."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from autometa.errors import RunError, UserError
from autometa.storages._journal import JournalFile, open_journal
from autometa.storages._locks import STUDY_LOCK_TIMEOUT_SECONDS, kernel_lock
from autometa.storages._postgres import PostgresStorage, open_postgres
from autometa.storages._postgres_errors import postgres_errors
from autometa.storages._postgres_url import PostgresAddress
from autometa.storages._sqlite import open_sqlite, sqlite_errors
from autometa.storages._url import FileAddress, default_storage_url, parse_url

_Result = TypeVar("_Result")


def open_storage(
    url: str | None = None,
    *,
    create: bool = True,
    stop: threading.Event | None = None,
    is_known: bool = False,
) -> BaseStorage:
    """Returns an Optuna storage that does not lose trials; repairs a damaged end of a journal.

    Any number of processes may open the same URL at the same moment, also one that does not exist
    yet: for files those of one machine, for a database those of every machine.

    Args:
        url: ``journal:PATH``, a path ending in ``.journal``, ``sqlite:///PATH`` or
            ``postgresql://USER@HOST:PORT/DATABASE``; when missing, :func:`default_storage_url`.
        create: makes the file and its folder, or the database's tables, when they do not exist.
        stop: set to wait no longer for a server that is gone for a moment.
        is_known: whether the URL was opened by another process just now, so that a server that
            does not answer is waited for; else the URL may be wrong, which is told at once.

    Raises:
        UserError: the URL has no supported form, nothing is there and ``create`` is false, or the
            database's driver is not installed.
        RunError: the file is no storage, is damaged or read-only, or has another schema version;
            or the server cannot be reached or refuses.

    >>> storage = open_storage("journal:studies.journal")
    >>> storage.get_all_studies()
    []
    """
    address = parse_url(default_storage_url() if url is None else url)
    if isinstance(address, PostgresAddress):
        return open_postgres(address, create=create, stop=stop, is_known=is_known)
    _prepare(address, create=create)
    if address.kind == "sqlite":
        return open_sqlite(address.path)
    return open_journal(address.path)


def close_storage(storage: BaseStorage) -> None:
    """Closes the connections of a storage; a journal has none, so this is for databases.

    >>> storage = open_storage("sqlite:///studies.db")
    >>> close_storage(storage)
    >>> storage.engine.pool.checkedin()  # connections that are kept open
    0
    """
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, RDBStorage):
        backend.remove_session()
        backend.engine.dispose()


def storage_path(storage: BaseStorage) -> Path | None:
    """Returns the file of a storage from :func:`open_storage`; None where it has none.

    >>> storage_path(open_storage("journal:studies.journal")).name
    'studies.journal'
    """
    # A study wraps an RDBStorage into a cache; wrapper and JournalStorage call it `_backend`.
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, JournalFile):
        return backend.path
    if isinstance(backend, PostgresStorage):
        return None
    if isinstance(backend, RDBStorage) and backend.engine.url.database not in (None, ":memory:"):
        return Path(str(backend.engine.url.database))
    return None


def storage_place(storage: BaseStorage) -> str:
    """Returns where a storage is, fit to be shown: its path, or its URL without a password.

    >>> place = storage_place(open_storage("journal:studies.journal"))
    >>> place == str(Path.cwd() / "studies.journal")
    True
    >>> from optuna.storages import InMemoryStorage
    >>> storage_place(InMemoryStorage())
    'memory'
    """
    server = _server_of(storage)
    return str(storage_path(storage) or "memory") if server is None else server.address.place


def is_shared_by_machines(storage: BaseStorage) -> bool:
    """Returns whether workers of several machines, perhaps in several time zones, may use it."""
    return _server_of(storage) is not None


def study_lock(storage: BaseStorage) -> AbstractContextManager[None]:
    """Returns a lock between processes for steps that Optuna does not make atomic.

    For example counting the trials and then asking for the next one, so that several workers
    stay within the budget. Not reentrant: ``reap_orphans`` and ``create_or_load_study`` take it. A
    server that is restarted drops it and fails the step inside: see :func:`through_outages`.

    >>> import optuna
    >>> storage = open_storage("journal:studies.journal")
    >>> study = optuna.create_study(storage=storage)
    >>> with study_lock(storage):
    ...     [study.ask().number for _ in range(3 - len(study.trials))]
    [0, 1, 2]
    """
    server = _server_of(storage)
    if server is not None:
        return server.lock()
    path = storage_path(storage)
    if path is None:
        return nullcontext()
    return kernel_lock(path, "study", timeout_seconds=STUDY_LOCK_TIMEOUT_SECONDS)


def through_outages(storage: BaseStorage, step: Callable[[], _Result]) -> _Result:
    """Returns a step's result; begins it anew while the server of a storage is gone for a moment.

    For steps with a :func:`study_lock` inside; single calls survive by themselves. Storages in
    files have no outages.

    Raises:
        Exception: the step's; a failure of the storage as it came, for :func:`storage_errors`.

    >>> storage = open_storage("journal:studies.journal")
    >>> def step():
    ...     with study_lock(storage):
    ...         return len(storage.get_all_studies())
    >>> through_outages(storage, step)
    0
    """
    server = _server_of(storage)
    return step() if server is None else server.patience.repeat(lambda _attempt: step())


@contextmanager
def storage_errors(storage: BaseStorage) -> Iterator[None]:
    """Turns a storage's failures inside the block into a RunError with the true cause.

    To be put around ask, report and tell: Optuna hides a lost connection or a full disk behind
    an ``AssertionError`` or a message about invalid data. A journal raises RunError by itself.

    Raises:
        RunError: the storage failed.

    >>> storage = open_storage("sqlite:///studies.db")
    >>> with storage_errors(storage):
    ...     raise OSError("database or disk is full")
    Traceback (most recent call last):
        ...
    autometa.errors.RunError: the storage ...studies.db failed: the disk is full; free space, ...
    >>> close_storage(storage)
    """
    server = _server_of(storage)
    if server is not None:
        with postgres_errors(server.address):
            yield
        return
    path = storage_path(storage)
    if path is None or isinstance(storage, JournalStorage):
        yield
        return
    with sqlite_errors(path):
        yield


def _server_of(storage: BaseStorage) -> PostgresStorage | None:
    """The storage below Optuna's cache where it is a server's."""
    backend = getattr(storage, "_backend", storage)
    return backend if isinstance(backend, PostgresStorage) else None


def _prepare(address: FileAddress, *, create: bool) -> None:
    """Checks what can be checked before the file is touched."""
    path, folder = address.path, address.path.parent
    if path.is_dir():
        raise UserError(f"a storage must be a file, but {path} is a folder; add a file name to it.")
    if not path.exists() and not create:
        raise UserError(
            f"there is no storage at {path}; name the one that the study was started with by "
            "--storage or $AUTOMETA_STORAGE."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"the folder {folder} of the storage cannot be made ({error.strerror}); choose "
            "another place with --storage."
        ) from None
    # The folder too: lock files and SQLite's own journal stand next to the file.
    for place in (folder, path):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            raise RunError(
                f"the storage {path} needs {place} to be readable and writable; give access to "
                "it or choose another storage."
            )
