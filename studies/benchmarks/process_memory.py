"""Memory of processes: the peak of this one, and what others share and do not share (Linux)."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

_FIELDS = {
    "Rss": "resident",
    "Pss": "proportional",
    "Private_Clean": "private",
    "Private_Dirty": "private",
    "Size": "mapped",
}


@dataclass(frozen=True)
class Memory:
    """MiB of a process, or of the files of one folder that it maps.

    Attributes:
        resident: pages in memory.
        proportional: the same, each page divided by the number of processes that map it.
        private: pages that no other process maps.
        mapped: addresses, in memory or not; 0 for a whole process.
    """

    resident: float
    proportional: float
    private: float
    mapped: float


def is_countable() -> bool:
    """Returns whether the system tells private from shared pages."""
    return Path("/proc/self/smaps_rollup").exists()


def memory_of(process: int) -> Memory:
    """Returns the memory of a process."""
    return _memory(Path(f"/proc/{process}/smaps_rollup"))


def mapped_files(process: int, folder: str) -> Memory:
    """Returns the memory of the files below a folder that a process maps."""
    return _memory(Path(f"/proc/{process}/smaps"), folder)


def peak_mib() -> float:
    """Returns the most resident memory that this process had, in MiB."""
    status = Path("/proc/self/status")
    # Where there is such a file: getrusage counts what the parent had when it started this process.
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _memory(path: Path, folder: str = "") -> Memory:
    """Returns the sums over the mappings in a file of ``/proc`` whose heads name the folder."""
    sums = dict.fromkeys(_FIELDS.values(), 0.0)
    is_wanted = False
    with path.open() as file:
        for line in file:
            key, _, rest = line.partition(":")
            if " " in key:  # the head of a mapping: addresses, rights and the file
                is_wanted = folder in line
            elif is_wanted and key in _FIELDS:
                sums[_FIELDS[key]] += int(rest.split()[0]) / 1024
    return Memory(**sums)
