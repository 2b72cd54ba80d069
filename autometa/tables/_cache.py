"""A folder of entries, each a folder of .npy files with a manifest, found by a key.

An entry is written beside its place and renamed, so that it is whole or absent; the manifest holds
size, quick checksum and sha256 of every file, and an entry that does not agree is built again. The
quick checksum looks at three places of a large file, since every worker that starts reads it; the
sha256 is compared where that is asked for. Large arrays are memory-mapped: workers on one machine
share them. Small ones are read, because every map keeps a file open.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autometa.errors import RunError
from autometa.logging import get_logger

_LOG = get_logger(__name__)
_MANIFEST = "manifest.json"
_MAPPED_BYTES = 1 << 20
_CHECKED_BYTES = 1 << 16
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class CacheEntry:
    """What one key stands for: read-only arrays by name, and plain values."""

    arrays: Mapping[str, NDArray[Any]]
    values: Mapping[str, Any]


def default_cache_dir() -> Path:
    """Returns the cache folder: ``$AUTOMETA_CACHE``, or ``autometa`` in the user's cache folder.

    >>> import os
    >>> os.environ["AUTOMETA_CACHE"] = "/scratch/autometa"
    >>> default_cache_dir().as_posix()
    '/scratch/autometa'
    """
    chosen = os.environ.get("AUTOMETA_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification has relative paths ignored.
    home = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return home / "autometa"


def cached(
    cache_dir: str | os.PathLike[str],
    key: str,
    build: Callable[[], CacheEntry],
    *,
    is_thorough: bool = False,
) -> CacheEntry:
    """Returns the entry of a key, built and stored first where it is absent or damaged.

    Args:
        cache_dir: the cache folder; created, for this user only, where it does not exist.
        key: a file name that stands for everything the entry depends on.
        build: makes the entry; its errors pass through, and nothing is stored.
        is_thorough: whether to compare every byte with the manifest.

    Raises:
        RunError: the cache folder cannot be written.
    """
    folder = Path(cache_dir) / key
    entry = _read(folder, is_thorough=is_thorough)
    if entry is not None:
        return entry
    built = build()
    try:
        _write(folder, built)
    except OSError as error:
        raise RunError(
            f"the cache folder must be writable, but {str(cache_dir)!r} is not "
            f"({error.strerror or error}): set AUTOMETA_CACHE to another folder"
        ) from error
    return _read(folder) or built


def _read(folder: Path, *, is_thorough: bool = False) -> CacheEntry | None:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        for name, facts in manifest["arrays"].items() if is_thorough else ():
            if sha256_of(folder / f"{name}.npy") != facts["sha256"]:
                raise ValueError(f"{name}.npy has another sha256 than the manifest says")
        arrays = {name: _load(folder, name, facts) for name, facts in manifest["arrays"].items()}
        return CacheEntry(arrays, manifest["values"])
    except FileNotFoundError:
        if folder.exists():
            _LOG.warning("cache entry %s lacks a file and is built again", folder.name)
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
        _LOG.warning("cache entry %s is damaged (%s) and is built again", folder.name, error)
    return None


def _load(folder: Path, name: str, facts: Mapping[str, Any]) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    if _fingerprint(path) != (facts["bytes"], facts["crc32"]):
        raise ValueError(f"{path.name} has another size or checksum than the manifest says")
    is_mapped = facts["bytes"] >= _MAPPED_BYTES
    array = np.load(path, mmap_mode="r" if is_mapped else None, allow_pickle=False)
    if list(array.shape) != facts["shape"] or array.dtype.str != facts["dtype"]:
        raise ValueError(f"{path.name} has another shape than the manifest says")
    array = np.asarray(array)  # slicing a plain array is cheaper than slicing a memmap
    array.flags.writeable = False
    return array


def _write(folder: Path, entry: CacheEntry) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{folder.name}.*"):
        # Of a process that was killed: nobody writes one entry for so long.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        facts = {}
        for name, array in entry.arrays.items():
            path = draft / f"{name}.npy"
            with path.open("wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            size, checksum = _fingerprint(path)
            facts[name] = {
                "shape": list(array.shape),
                "dtype": array.dtype.str,
                "bytes": size,
                "crc32": checksum,
                "sha256": sha256_of(path),
            }
        with (draft / _MANIFEST).open("w", encoding="utf-8") as file:
            json.dump({"arrays": facts, "values": dict(entry.values)}, file)
            file.flush()
            os.fsync(file.fileno())
        _put(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put(draft: Path, folder: Path) -> None:
    """Renames a draft to its place; another process may have been faster, or left a damaged one."""
    try:
        draft.rename(folder)
    except OSError:
        if _read(folder, is_thorough=True) is not None:
            return
        # Renaming aside is atomic: readers see the damaged entry, none, or the new one.
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            with contextlib.suppress(FileNotFoundError):
                folder.rename(aside / "damaged")
            draft.rename(folder)
        except OSError:
            if _read(folder) is None:
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fingerprint(path: Path) -> tuple[int, int]:
    """Returns size and checksum of a file; of a large file, first, middle and last 64 KiB count."""
    size = path.stat().st_size
    checksum = 0
    with path.open("rb") as file:
        if size < _MAPPED_BYTES:
            return size, zlib.crc32(file.read())
        for start in (0, size // 2, size - _CHECKED_BYTES):
            file.seek(start)
            checksum = zlib.crc32(file.read(_CHECKED_BYTES), checksum)
    return size, checksum
