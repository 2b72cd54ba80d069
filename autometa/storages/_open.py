"""Opening, closing and watching over storages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from autometa.errors import RunError, UserError
from autometa.storages._journal import JournalFile, open_journal
from autometa.storages._locks import kernel_lock
from autometa.storages._sqlite import open_sqlite, sqlite_errors
from autometa.storages._url import StorageAddress, default_storage_url, parse_url


def open_storage(url: str | None = None, *, create: bool = True) -> BaseStorage:
    """Returns an Optuna storage that does not lose trials; repairs a damaged end of a journal.

    Any number of processes of one machine may open the same URL at the same moment, also one
    that does not exist yet.

    Args:
        url: ``journal:PATH``, a path ending in ``.journal``, or ``sqlite:///PATH``; when missing,
            :func:`default_storage_url`.
        create: makes the file and its folder when they do not exist.

    Raises:
        UserError: the URL has no supported form, or nothing is there and ``create`` is false.
        RunError: the file is no storage, is damaged or read-only, or has another schema version.
    """
    address = parse_url(default_storage_url() if url is None else url)
    _prepare(address, create=create)
    if address.kind == "sqlite":
        return open_sqlite(address.path)
    return open_journal(address.path)


def close_storage(storage: BaseStorage) -> None:
    """Closes the connections of a storage; a journal has none, so this is for SQLite."""
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, RDBStorage):
        backend.remove_session()
        backend.engine.dispose()


def storage_path(storage: BaseStorage) -> Path | None:
    """Returns the file of a storage from :func:`open_storage`; None for one held in memory."""
    # A study wraps an RDBStorage into a cache; wrapper and JournalStorage call it `_backend`.
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, JournalFile):
        return backend.path
    if isinstance(backend, RDBStorage) and backend.engine.url.database not in (None, ":memory:"):
        return Path(str(backend.engine.url.database))
    return None


def study_lock(storage: BaseStorage) -> AbstractContextManager[None]:
    """Returns a lock between processes for steps that Optuna does not make atomic.

    For example counting the trials and then asking for the next one, so that several workers
    stay within the budget. Not reentrant: ``reap_orphans`` and ``create_or_load_study`` take it.
    """
    path = storage_path(storage)
    return nullcontext() if path is None else kernel_lock(path, "study")


@contextmanager
def storage_errors(storage: BaseStorage) -> Iterator[None]:
    """Turns a storage's failures inside the block into a RunError with the true cause.

    To be put around ask, report and tell: Optuna hides a lost connection or a full disk behind
    an ``AssertionError`` or a message about invalid data. A journal raises RunError by itself.

    Raises:
        RunError: the storage failed.
    """
    path = storage_path(storage)
    if path is None or isinstance(storage, JournalStorage):
        yield
        return
    with sqlite_errors(path):
        yield


def _prepare(address: StorageAddress, *, create: bool) -> None:
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
