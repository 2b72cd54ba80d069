"""A bound on a worker's memory, so that a large candidate fails alone and not with the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autometa.errors import RunError
from autometa.search._objective import CandidateFailedError

_STATUS = Path("/proc/self/status")
_MIB = 1 << 20


class TrialOverMemoryError(RunError):
    """A trial needs more memory than search.memory_mib allows."""


def own_mib() -> float:
    """Returns the memory that this process has for itself, in MiB; 0 where that is not told.

    It is what the kernel counts against the limit: private memory that can be written, used or
    not. Files that are mapped, such as libraries and cached tables, are shared and do not count.
    """
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in lines if line.startswith("VmData:")]
    return int(sizes[0]) / 1024 if sizes else 0.0


@contextmanager
def memory_limit(mib: int | None) -> Iterator[None]:
    """Fails the candidate that is trained inside the block when the process outgrows a limit.

    The kernel refuses what would pass it, at once and within a step, so that neither swapping
    begins nor another process is killed. Linux alone counts memory so; elsewhere nothing happens,
    and neither does anything to the memory of a graphics card.

    Args:
        mib: most memory that the process may have for itself, in MiB; None for no limit.

    Raises:
        TrialOverMemoryError: the candidate needs more.
        RunError: the process has more already, before the candidate.
    """
    if mib is None or not sys.platform.startswith("linux"):
        yield
        return
    import resource

    has = own_mib()
    if has >= mib:
        raise RunError(
            f"search.memory_mib = {mib} must leave room for a trial, but a worker of this study "
            f"has {has:.0f} MiB before it; raise it"
        )
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = mib * _MIB if before[1] == resource.RLIM_INFINITY else min(mib * _MIB, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    except CandidateFailedError as error:
        cause = error.__cause__
        if not isinstance(cause, MemoryError) and "memory" not in str(cause):
            raise
        raise TrialOverMemoryError(
            f"a worker may have search.memory_mib = {mib} MiB, and this trial needs more; raise it "
            "or narrow the space"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
