"""Which worker runs a trial, and whether it still lives.

A worker is known by its host, its process id and the start time of that process: the start time
tells a worker from a stranger that was given the same id later. On other hosts only the lease
says something: a time that a living worker renews.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import optuna

from autometa.storages._trials import WORKER

LEASE_SECONDS = 600.0

_PROC = Path("/proc")
_MACHINE_ID = Path("/etc/machine-id")
_DEAD_STATES = ("Z", "X")
"""A killed process stays as a zombie until its parent asks for it; it works on nothing."""


def worker_stamp() -> dict[str, Any]:
    """Returns what identifies this process: host, pid, started, and the lease as of now.

    ``lease`` is the time in UTC seconds since the epoch. ``started`` is opaque text, empty where
    the system does not tell. ``host`` names the machine and the process id namespace as well,
    because machines may share a name, and the ids of two containers say nothing about each other.

    >>> stamp = worker_stamp()
    >>> list(stamp), stamp["pid"] == os.getpid()
    (['host', 'pid', 'started', 'lease'], True)
    """
    pid = os.getpid()
    return {
        "host": _host(),
        "pid": pid,
        "started": (_process_state(pid) or ("", ""))[1],
        "lease": time.time(),
    }


def stamp_trial(trial: optuna.Trial) -> None:
    """Marks a trial as run by this process and renews its lease.

    To be called right after asking for the trial, and then at least once per
    ``LEASE_SECONDS / 2``, for example at every rung.

    >>> trial = optuna.create_study().ask()
    >>> stamp_trial(trial)
    >>> list(trial.user_attrs), is_alive(trial.user_attrs[WORKER])
    (['autometa:worker'], True)
    """
    trial.set_user_attr(WORKER, worker_stamp())


def is_alive(
    stamp: Mapping[str, Any],
    *,
    lease_seconds: float = LEASE_SECONDS,
    now: float | None = None,
) -> bool:
    """Returns whether the worker of a stamp may still be at work.

    On this host the process decides, however old the lease is: a worker that is merely slow or
    stopped is alive. Elsewhere, and where processes cannot be looked up, the lease decides.

    Args:
        stamp: from :func:`worker_stamp`; an unreadable one counts as dead.
        lease_seconds: how long a lease holds without being renewed.
        now: UTC seconds; the current time when missing.

    >>> elsewhere = {"host": "elsewhere", "pid": 7, "started": "", "lease": 1000.0}
    >>> is_alive(elsewhere, now=1500.0), is_alive(elsewhere, now=1700.0), is_alive(worker_stamp())
    (True, False, True)
    """
    try:
        host, pid, started = str(stamp["host"]), int(stamp["pid"]), str(stamp["started"])
        age_seconds = (time.time() if now is None else now) - float(stamp["lease"])
    except (KeyError, TypeError, ValueError):
        return False
    if host != _host() or os.name == "nt":
        # Windows has no harmless way to ask for a process without further packages.
        return age_seconds <= lease_seconds
    found = _process_state(pid)
    if found is None:
        return False
    state, started_now = found
    if state.startswith(_DEAD_STATES):
        return False
    return not started or not started_now or started == started_now


@cache
def _host() -> str:
    try:
        namespace = os.readlink(_PROC / "self" / "ns" / "pid")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{_machine()}{namespace}"


def _machine() -> str:
    """The machine's identity, hashed, because the id itself is not to be published."""
    try:
        identity = _MACHINE_ID.read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"autometa {identity}".encode()).hexdigest()[:8] + "/" if identity else ""


@cache
def _boot() -> str:
    """The machine's current boot: after a reboot, ids and start times begin anew."""
    try:
        return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        return ""


def _process_state(pid: int) -> tuple[str, str] | None:
    """Returns (state, start time) of a process of this host, or None when there is none."""
    if pid <= 0:
        return None
    if (_PROC / "self" / "stat").exists():
        try:
            text = (_PROC / str(pid) / "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            # Unless /proc hides other users' processes (mount option hidepid).
            return ("", "") if _exists(pid) else None
        except OSError:
            return "", ""
        # The name, field 2, may itself hold blanks and brackets; state is field 3, start time
        # (in clock ticks since boot) field 22, see proc(5).
        fields = text.rpartition(")")[2].split()
        return fields[0], f"{_boot()}/{fields[19]}"
    return _ask_ps(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's process
    return True


def _ask_ps(pid: int) -> tuple[str, str] | None:
    """As :func:`_process_state`, for systems without ``/proc``."""
    if os.name == "nt":
        return "", ""
    if not _exists(pid):
        return None
    command = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    state, _, started = result.stdout.strip().partition(" ")
    return state, " ".join(started.split())
