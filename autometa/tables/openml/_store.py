"""What was fetched from OpenML: small records, and tables as parquet with their sha256.

    <cache>/openml-v1/<server>/suite-99.json, task-31.json, dataset-31.json, contents-<hash>.json
                              /table-31/manifest.json, table.parquet
                              /task-31.lock

Suites, tasks and versions of datasets do not change on OpenML, so that what is here is never asked
for again. Everything is written beside its place and renamed, and read with its checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from autometa.atomic import folder_written_atomically, write_atomically
from autometa.errors import RunError
from autometa.logging import get_logger
from autometa.tables._cache import default_cache_dir, sha256_of
from autometa.tables._read_file import read_frame

if TYPE_CHECKING:
    import pandas as pd

_LOG = get_logger(__name__)
STORE_VERSION = 1
"""Part of the folder's name: raise it with any change of the records or of how tables are kept."""

_TABLE = "table.parquet"
_MANIFEST = "manifest.json"


class Store:
    """The folder of one server below the cache folder.

    Args:
        server: URL of the server's interface.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.
    """

    def __init__(self, server: str, cache_dir: str | os.PathLike[str] | None = None) -> None:
        self.cache = default_cache_dir() if cache_dir is None else Path(cache_dir)
        parts = urlsplit(server)
        server_name = re.sub(r"[^A-Za-z0-9.]+", "-", parts.netloc.lower())
        self._told: set[str] = set()
        self.folder = self.cache / f"openml-v{STORE_VERSION}" / server_name

    def record(self, name: str) -> dict[str, Any] | None:
        """Returns a small record, None where there is none or it is damaged."""
        path = self.folder / f"{name}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            values: dict[str, Any] = content["values"]
            if _digest_of(values) == content["sha256"]:
                return values
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._warn(f"{path} is damaged ({error})")
            return None
        self._warn(f"{path} is damaged (another sha256)")
        return None

    def keep_record(self, name: str, values: dict[str, Any]) -> None:
        """Writes a small record.

        Raises:
            RunError: the cache folder cannot be written.
        """
        text = json.dumps({"values": values, "sha256": _digest_of(values)}, indent=1)
        with self.writing():
            write_atomically(self.folder / f"{name}.json", lambda file: file.write(text.encode()))

    def table_sha256(self, dataset: int) -> str | None:
        """Returns the sha256 of a dataset's parquet file, None where it is absent or damaged."""
        folder = self._table_folder(dataset)
        try:
            facts = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))[_TABLE]
            sha256: str = facts["sha256"]
            if sha256_of_unchanged(folder / _TABLE) == sha256:
                return sha256
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._warn(f"{folder} is damaged ({error})")
            return None
        self._warn(f"{folder} is damaged (another sha256)")
        return None

    def keep_table(self, dataset: int, file: Path) -> None:
        """Moves a parquet file to its place, with its checksum in a manifest; needs the lock.

        Raises:
            RunError: the cache folder cannot be written.
        """
        # What a process left that was killed here while it held the lock.
        for left in self.folder.glob(f".table-{dataset}.*"):
            shutil.rmtree(left, ignore_errors=True)
        facts = {"sha256": sha256_of(file), "bytes": file.stat().st_size}
        with self.writing(), folder_written_atomically(self._table_folder(dataset)) as folder:
            shutil.move(file, folder / _TABLE)
            (folder / _MANIFEST).write_text(json.dumps({_TABLE: facts}), encoding="utf-8")

    def frame(self, dataset: int) -> pd.DataFrame:
        """Returns a dataset's rows, the target among its columns.

        Raises:
            UserError: the file cannot be read.
        """
        return read_frame(self._table_folder(dataset) / _TABLE)

    def table_shape(self, dataset: int) -> tuple[int, int] | None:
        """Returns rows and columns of a dataset's table, None where it is absent or damaged."""
        from pyarrow import ArrowException, parquet

        try:
            facts = parquet.read_metadata(self._table_folder(dataset) / _TABLE)
        except (OSError, ArrowException):
            return None
        return facts.num_rows, facts.num_columns

    def table_bytes(self, dataset: int) -> int:
        """Returns the bytes of a dataset's table on disk; 0 where it is absent."""
        with contextlib.suppress(OSError):
            return (self._table_folder(dataset) / _TABLE).stat().st_size
        return 0

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Holds a lock of this folder; yields False where another process holds it."""
        lock = FileLock(self.folder / f"{name}.lock")
        with self.writing():
            try:
                lock.acquire(timeout=0)
            except Timeout:  # an OSError, but none of the folder's
                is_mine = False
            else:
                is_mine = True
        try:
            yield is_mine
        finally:
            if is_mine:
                lock.release()

    def _warn(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            _LOG.warning("%s", message)

    def _table_folder(self, dataset: int) -> Path:
        return self.folder / f"table-{dataset}"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Makes the folder, and tells what goes wrong with it as a ``RunError``."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise self.unwritable(error.strerror or str(error)) from error

    def unwritable(self, reason: str) -> RunError:
        """Returns the error of a cache folder that cannot be written."""
        return RunError(
            f"the cache folder must be writable, but {str(self.cache)!r} is not ({reason}): free "
            "space or set AUTOMETA_CACHE to another folder"
        )


def sha256_of_unchanged(path: Path) -> str:
    """Returns the sha256 of a file; of one that has not changed since, without reading it again."""
    facts = path.stat()
    return _remembered(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4096)
def _remembered(path: Path, _inode: int, _size: int, _changed: int) -> str:
    return sha256_of(path)


def _digest_of(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
