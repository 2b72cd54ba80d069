"""The most memory that a process has held."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mib() -> float | None:
    """Returns the most resident memory that this process has held at once, in MiB.

    Shared libraries and mapped tables count. None where the system does not tell.
    """
    if _STATUS.exists():
        # Not what getrusage says: on Linux a process inherits that of the one that started it.
        lines = _STATUS.read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if "VmHWM:" in line), None)
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return None
