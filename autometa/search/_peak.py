"""The most memory that a process has held."""

from __future__ import annotations

import sys
from pathlib import Path

import optuna

PEAK_MIB = "autometa:peak_mib"
"""Most memory that the worker of a trial has held at once, since it began."""

_STATUS = Path("/proc/self/status")


def note_peak(trial: optuna.Trial) -> None:
    """Writes down at the end of a trial what its worker has held, where the system tells it.

    Not inside a limit of memory that the trial may just have reached.
    """
    if (peak := peak_mib()) is not None:
        trial.set_user_attr(PEAK_MIB, round(peak, 1))


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
