"""The journal: a file with one JSON record per line, opened so that damage does not spread.

Optuna reads past an unfinished last line, but the next append is glued to it, and from then on
the journal is unreadable (https://github.com/optuna/optuna/issues/5138). Killed writers, full
disks and power cuts all leave such a tail. Here every append first looks at the last byte, and
opening looks at the last record; what is unreadable at the end is moved to a side file under the
writers' lock.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autometa.errors import RunError
from autometa.storages._locks import journal_lock

_logger = logging.getLogger("autometa.storages")

_TAIL_BYTES = 1 << 20
_FIRST_RECORD = b'{"op_code":'
_O_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends


class JournalFile(JournalFileBackend):
    """Optuna's journal file with a lock that survives kill -9, self-repair and true errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(str(path))

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yields the records from a number on.

        Raises:
            RunError: the file is gone, or a record in its middle is unreadable.
        """
        try:
            yield from super().read_logs(log_number_from)
        except ValueError:
            raise _middle_damage(self.path) from None
        except OSError as error:
            raise _unusable(self.path, error) from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends records and waits until they are on the disk; all of them or none.

        Raises:
            RunError: the disk is full, or the file is gone or not writable.
        """
        # ValueError for values that JSON does not have would surface as a broken record later.
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with journal_lock(self.path):
            try:
                # No O_CREAT: a deleted journal must not come back with its first half missing.
                descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | _O_BINARY)
            except OSError as error:
                raise _unusable(self.path, error) from None
            try:
                size = os.fstat(descriptor).st_size
                os.lseek(descriptor, max(0, size - 1), os.SEEK_SET)
                if os.read(descriptor, 1) not in (b"\n", b""):
                    size = _cut_damaged_tail(self.path)
                _append(descriptor, text.encode(), size)
            except OSError as error:
                raise _unusable(self.path, error) from None
            finally:
                os.close(descriptor)


def open_journal(path: Path) -> JournalStorage:
    """Returns the storage in an existing or new journal file, its tail repaired if need be.

    Raises:
        RunError: the file is no journal, is damaged in its middle, or comes from a newer Optuna.
    """
    if path.exists() and not _ends_well(path):
        with journal_lock(path):
            _cut_damaged_tail(path)
    try:
        return JournalStorage(JournalFile(path))
    except (AssertionError, KeyError, TypeError, AttributeError):
        # A record of an operation that this Optuna does not know, or with other fields.
        raise RunError(
            f"the journal {path} holds records that this version of Optuna does not understand; "
            "install the newer Optuna that wrote it or choose another storage."
        ) from None


def _append(descriptor: int, record: bytes, size: int) -> None:
    """Appends in one system call where possible; takes a half-written record back."""
    try:
        rest = memoryview(record)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _is_record(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and isinstance(record.get("op_code"), int)


def _ends_well(path: Path) -> bool:
    """Whether the last record is whole; a False may be a writer in the middle of its append."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.readlines()
    except OSError as error:
        raise _unusable(path, error) from None
    return not lines or _is_record(lines[-1])


def _cut_damaged_tail(path: Path) -> int:
    """Moves what is unreadable after the last record into a side file; the lock must be held.

    Returns:
        The size of the journal in bytes.

    Raises:
        RunError: the file is no journal, or a record follows the damage, so that cutting would
            lose trials.
    """
    try:
        content = path.read_bytes()
        good_bytes, position, records = 0, 0, 0
        for line in io.BytesIO(content):
            position += len(line)
            if _is_record(line):
                if good_bytes != position - len(line):
                    raise _middle_damage(path)
                good_bytes, records = position, records + 1
        removed = content[good_bytes:]
        if not removed:
            return good_bytes
        if not records and not _is_first_record_cut(removed):
            raise RunError(
                f"{path} is not a journal of Optuna; name another file with --storage, "
                "nothing was changed in this one."
            )
        side = _save_removed(path, removed)
        with path.open("r+b") as file:
            file.truncate(good_bytes)
            os.fsync(file.fileno())
    except OSError as error:
        raise _unusable(path, error) from None
    _logger.warning(
        "the journal %s ended in %d unreadable bytes (a killed writer or a full disk); they were "
        "moved to %s and every record before them is kept",
        path,
        len(removed),
        side,
    )
    return good_bytes


def _is_first_record_cut(content: bytes) -> bool:
    """Whether a file without any whole record is a journal whose first write was interrupted."""
    stump = content.rstrip(b"\0")
    return b"\n" not in stump and (
        stump.startswith(_FIRST_RECORD) or _FIRST_RECORD.startswith(stump)
    )


def _save_removed(path: Path, removed: bytes) -> Path:
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    side = path.with_name(f"{path.name}.damaged-{now}")
    temporary = side.with_name(side.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(removed)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, side)
    return side


def _middle_damage(path: Path) -> RunError:
    number = 0
    try:
        with path.open("rb") as file:
            number = next((n for n, line in enumerate(file, 1) if not _is_record(line)), 0)
    except OSError as error:
        return _unusable(path, error)
    return RunError(
        f"line {number} of the journal {path} is unreadable and records follow it; restore the "
        "file from a backup, or move it away and start a new one."
    )


def _unusable(path: Path, error: OSError) -> RunError:
    reason = error.strerror or str(error)
    return RunError(
        f"the journal {path} cannot be used ({reason}); free space or give access to it, then "
        "start the command again to resume."
    )
