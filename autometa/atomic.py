"""Files and folders that are there in full or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file under a temporary name in the same folder and renames it when it is on disk.

    Readers and concurrent writers of the same path see an old or a new file, never half of one.

    Args:
        path: where the file shall be; parents are created.
        write: called once with the open file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_atomically(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside a path and puts it there when the block ends without an error.

    Whatever fails before, a full disk included, leaves an older folder at the path as it was.
    Unlike a file, a folder cannot replace one that holds something in a single step: the older one
    is renamed aside first, and back where the new one cannot follow.

    Args:
        path: where the folder shall be; parents are created. The caller has checked that what is
            there may go.

    Raises:
        OSError: the disk is full or not writable.
    """
    token = secrets.token_hex(4)
    fresh = path.with_name(f".{path.name}.writing-{token}")
    fresh.mkdir(parents=True)
    try:
        yield fresh
        _sync_folder(fresh)
        _swap(fresh, path, aside=path.with_name(f".{path.name}.replaced-{token}"))
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _sync_folder(path.parent)


def _swap(fresh: Path, path: Path, *, aside: Path) -> None:
    if not path.exists():
        fresh.rename(path)
        return
    path.rename(aside)
    try:
        fresh.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(path: Path) -> None:
    # Folders cannot be opened on Windows; there the rename itself is durable enough.
    with contextlib.suppress(PermissionError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
