"""Locks between processes.

Two kinds, and why:

- A *kernel lock* (``flock``) dies with its process, so kill -9 leaves nothing stale and a stalled
  writer is never overtaken. Every autometa process of a host takes it first.
- Optuna's own lock, a link named ``<journal>.lock``, is the one that other Optuna programs and
  other hosts respect. It outlives a killed process; whoever finds it unchanged for
  ``LINK_GRACE_SECONDS`` breaks it.

Taking both means that of all autometa processes on a host only one at a time can meet a stale
link, so that two of them never break each other's fresh lock, and that the grace period can be
short although a write may be slow.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.storages.journal import JournalFileOpenLock, JournalFileSymlinkLock

from autometa.errors import RunError

LOCK_TIMEOUT_SECONDS = 60.0
STUDY_LOCK_TIMEOUT_SECONDS = 300.0
"""For steps that ask and count: whoever waits is served in no order, and many may wait."""

LINK_GRACE_SECONDS = 4
"""Optuna warns below 3; a write takes milliseconds, and is waited for by the kernel lock here."""

_POLL_SECONDS = 0.005

_logger = logging.getLogger("autometa.storages")


@contextmanager
def kernel_lock(
    path: Path, purpose: str, *, timeout_seconds: float = LOCK_TIMEOUT_SECONDS
) -> Iterator[None]:
    """Holds the lock file ``<path>.<purpose>.lock``; the file stays behind, which is harmless.

    Args:
        path: the storage's file; the lock file stands next to it.
        purpose: what is guarded; different purposes do not wait for each other.
        timeout_seconds: how long to wait for another process.

    Raises:
        RunError: the lock is not to be had in time, or the folder does not allow lock files.
    """
    lock = FileLock(f"{path}.{purpose}.lock", timeout=timeout_seconds)
    try:
        lock.acquire(poll_interval=_POLL_SECONDS)
    except Timeout:
        raise RunError(
            f"other processes have held the lock of {path} for {timeout_seconds:g} s; look for a "
            "stopped autometa process on this machine and end it, or start fewer workers."
        ) from None
    except OSError as error:
        raise RunError(
            f"the storage {path} cannot be locked ({error.strerror or error}); "
            "make its folder writable or choose a local folder with --storage."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def journal_lock(path: Path) -> Iterator[None]:
    """Excludes every other writer of a journal: autometa's, and Optuna's own.

    Raises:
        RunError: another process holds the lock for too long, or the folder is not writable.
    """
    kind = JournalFileOpenLock if os.name == "nt" else JournalFileSymlinkLock
    link = kind(str(path), grace_period=LINK_GRACE_SECONDS)
    with kernel_lock(path, "append"):
        try:
            link.acquire()
        except OSError as error:
            raise RunError(
                f"the journal {path} cannot be locked ({error.strerror or error}); "
                "make its folder writable or choose another with --storage."
            ) from None
        try:
            yield
        finally:
            try:
                link.release()
            except RuntimeError:
                # Another host took this process for dead. The record is written whole (one
                # append), so the trial is safe and the run goes on.
                _logger.warning("the lock of %s was broken by another process", path)
