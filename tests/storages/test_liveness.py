from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autometa.storages import _liveness as liveness
from autometa.storages import is_alive, worker_stamp

STAMP_AND_SLEEP = """
    import json
    from autometa.storages import worker_stamp
    print(json.dumps(worker_stamp()), flush=True)
    time.sleep(60)
"""


def test_this_process_is_alive_however_old_its_lease() -> None:
    """On this host the process decides, so that a slow worker is never taken for dead."""
    stamp = {**worker_stamp(), "lease": 0.0}

    assert is_alive(stamp)


def test_killed_process_is_dead_even_as_a_zombie(
    spawn: Callable[..., subprocess.Popen[str]],
) -> None:
    """Between kill -9 and the parent's wait the process id still exists."""
    import json

    process = spawn(STAMP_AND_SLEEP)
    assert process.stdout is not None
    stamp = json.loads(process.stdout.readline())
    alive_before = is_alive(stamp)

    os.kill(process.pid, 9)
    deadline = time.monotonic() + 10
    while is_alive(stamp) and time.monotonic() < deadline:
        time.sleep(0.01)
    dead_as_zombie = not is_alive(stamp)
    process.wait()

    assert alive_before
    assert dead_as_zombie
    assert not is_alive(stamp)


def test_machines_of_one_name_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes of this machine say nothing about a worker of another one."""
    stamp = {**worker_stamp(), "started": "another boot/1"}
    monkeypatch.setattr(liveness, "_MACHINE_ID", tmp_path / "machine-id")
    (tmp_path / "machine-id").write_text("0123456789abcdef\n")
    liveness._host.cache_clear()
    try:
        alive_elsewhere = is_alive(stamp)
        host = worker_stamp()["host"]
    finally:
        monkeypatch.undo()
        liveness._host.cache_clear()

    assert alive_elsewhere
    assert not is_alive(stamp)
    assert "0123456789abcdef" not in host


def test_reused_process_id_is_not_the_worker() -> None:
    """The start time tells a worker from a stranger with its number."""
    stamp = worker_stamp()
    assert stamp["started"]

    assert not is_alive({**stamp, "started": "an earlier boot/1"})
    assert is_alive({**stamp, "started": ""})


@pytest.mark.parametrize(("age_seconds", "alive"), [(0, True), (599, True), (601, False)])
def test_other_hosts_are_judged_by_their_lease(age_seconds: float, alive: bool) -> None:
    """A process id of another host says nothing here."""
    stamp = {**worker_stamp(), "host": "elsewhere", "pid": 1, "lease": 1000.0}

    assert is_alive(stamp, now=1000.0 + age_seconds) is alive


@pytest.mark.parametrize(
    "change", [{"pid": None}, {"pid": 0}, {"pid": -1}, {"pid": "x"}, {"lease": "soon"}]
)
def test_unreadable_stamp_counts_as_dead(change: dict[str, object]) -> None:
    """Foreign or damaged attributes never keep a trial running for ever."""
    assert not is_alive({**worker_stamp(), **change})
    assert not is_alive({})


@pytest.mark.skipif(os.name == "nt", reason="ps is a Unix command")
def test_without_proc_the_system_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MacOS has no /proc; ps gives state and start time there."""
    monkeypatch.setattr(liveness, "_PROC", tmp_path)
    stamp = worker_stamp()

    assert is_alive(stamp)
    assert stamp["started"]
    assert not is_alive({**stamp, "started": "Mon Jan 1 00:00:00 1990"})
    assert not is_alive({**stamp, "pid": 2**22 - 3})


def test_hidden_process_of_another_user_is_alive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With /proc mounted hidepid, a missing entry is no proof of death."""
    stamp = {**worker_stamp(), "pid": 1}
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stat").touch()
    monkeypatch.setattr(liveness, "_PROC", tmp_path)

    assert is_alive(stamp)
