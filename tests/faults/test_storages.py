"""Storages that are locked, full, broken or gone while a study is worked on or begins."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from study_workers import wait_for

from autometa.config import StudySpec
from autometa.errors import RunError
from autometa.learners import OuterLoop
from autometa.storages import REASON, create_or_load_study, open_storage, trials_done
from autometa.storages._sqlite import open_sqlite

if TYPE_CHECKING:
    from postgres_cluster import Cluster

Run = Callable[..., Any]

# One process holds the server that these tests fork from, which costs seconds to start.
pytestmark = pytest.mark.xdist_group("forkserver")

_SEARCH = {"trials": 2, "pruner": "none"}


def _at_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object]) -> None:
    """Does something once, at an outer step of this process."""
    train_step, done = OuterLoop._train_step, []

    def acting(loop: OuterLoop) -> None:
        if loop.step == step and not done:
            done.append(step)
            action()
        train_step(loop)

    monkeypatch.setattr(OuterLoop, "_train_step", acting)


class _ForeignWriter:
    """Another program that holds a SQLite file for itself, in a thread as connections demand."""

    def __init__(self, path: Path) -> None:
        self.held, self.leave = threading.Event(), threading.Event()
        self._path = path
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def begin(self) -> None:
        self._thread.start()
        assert self.held.wait(10)

    def end(self) -> None:
        self.leave.set()
        self._thread.join()

    def _hold(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as other:
            other.execute("begin exclusive")
            self.held.set()
            self.leave.wait(60)


def test_sqlite_that_another_program_locks_for_seconds_is_waited_for(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lock in the middle of a trial costs its seconds and no trial."""
    study = study_of(little_study(storage="sqlite:///studies.db", search=_SEARCH))
    writer = _ForeignWriter(Path("studies.db"))
    ends: list[threading.Timer] = []

    def lock() -> None:
        writer.begin()
        ends.append(threading.Timer(3, writer.end))
        ends[0].start()

    _at_step(monkeypatch, 6, lock)
    began = time.monotonic()

    study.work()

    ends[0].join()
    assert time.monotonic() - began > 3
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2


def test_sqlite_that_stays_locked_is_named_and_no_trial_is_lost(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker ends with the cause; the same command later goes on with the trial."""
    study = study_of(little_study(storage="sqlite:///studies.db", search=_SEARCH))
    writer = _ForeignWriter(Path("studies.db"))
    with monkeypatch.context() as patch:
        patch.setattr(
            "autometa.storages._open.open_sqlite", partial(open_sqlite, timeout_seconds=0.2)
        )
        _at_step(patch, 6, writer.begin)
        with pytest.raises(RunError, match=r"kept it locked; end that process.*to resume\.$"):
            study.work()
    writer.end()
    monkeypatch.setattr("autometa.storages._reaper.is_alive", lambda *_, **__: False)

    study.work()

    assert [t.state.name for t in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[0].user_attrs[REASON] == "worker died"
    assert study.trials[1].params == study.trials[0].params


@pytest.mark.parametrize("kind", ["journal:studies.journal", "sqlite:///studies.db"])
def test_full_disk_ends_the_worker_with_its_cause(
    kind: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
) -> None:
    """What was told is kept, the storage opens again, and the study goes on to its end."""
    study = study_of(little_study(storage=kind, search=_SEARCH))
    worker = spawn(
        study.spec,
        """
        import resource
        from autometa.errors import RunError
        report = optuna.Trial.report

        def filling(trial, value, step):
            # More than a database has room for in pages that are there already.
            trial.set_user_attr("ballast", "x" * 50_000)
            report(trial, value, step)

        def fill(trial):
            # A file may not grow any more: what a full disk is to its writer.
            store = next(Path(folder).glob("studies.[dj]*[bl]"))
            limit = store.stat().st_size + 30
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            optuna.Trial.report = filling

        try:
            work(on_trial=fill)
        except RunError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            Path(folder, "said").write_text(str(error))
        """,
    )
    worker.join(120)
    said = Path("said").read_text()
    told = study.trials[0]

    study.work()

    assert worker.exitcode == 0
    assert re.search(r"free space.* to resume\.$", said)
    assert "\n" not in said
    assert study.trials[0].value == told.value
    assert trials_done(study.study) == 2
    assert {trial.state.name for trial in study.trials[1:]} <= {"FAIL", "COMPLETE"}


def test_worker_of_a_command_that_starts_in_an_outage_waits(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    postgres_cluster: Cluster,
) -> None:
    """The command has opened the storage, so that its URL is right and the server will be back."""
    study = study_of(little_study(storage=postgres_cluster.new_storage(), search=_SEARCH))
    postgres_cluster.stop()
    try:
        worker = spawn(
            study.spec,
            """
            from autometa.storages import _patience
            _patience._FIRST_WAIT_SECONDS = 0.1
            _patience._logger.warning = lambda *_: Path(folder, "waits").touch()
            os.environ["AUTOMETA_PARENT"] = str(os.getppid())
            assert work().reason == "budget"
            """,
        )
        wait_for(Path("waits").exists)
        assert worker.is_alive()
    finally:
        postgres_cluster.start()
    worker.join(120)

    assert worker.exitcode == 0
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2


@pytest.mark.parametrize("command", ["tune tiny.yaml", "worker tiny"])
def test_command_that_starts_in_an_outage_is_told_so(
    command: str,
    run: Run,
    study_file: Path,
    postgres_cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user may have mistyped the host: one sentence at once, exit code 1, nothing written."""
    url = postgres_cluster.new_storage()
    open_storage(url)
    postgres_cluster.stop()
    try:
        monkeypatch.setenv("AUTOMETA_STORAGE", url)
        result = run(*command.split())
    finally:
        postgres_cluster.start()

    last = result.err.splitlines()[-1]
    assert result.code == 1
    assert re.fullmatch(
        r"autometa: the storage \S+ failed: the server does not answer \(.*\); start it or correct "
        r"the URL, then start the command again to resume\.",
        last,
    )
    assert "Traceback" not in result.err
    assert sorted(path.name for path in study_file.parent.rglob("*")) == ["tiny.yaml"]


def _whole(url: str) -> Path:
    """Makes a storage with a finished trial; returns its file."""
    study, _ = create_or_load_study(open_storage(url), "toy", spec={}, fingerprint={})
    study.tell(study.ask(), 1.0)
    return Path(url.rpartition(":")[2].removeprefix("///"))


def _damage_middle(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{garbage\n", *lines[2:]]))


def _damage_pages(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def _set_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update alembic_version set version_num = 'v99.0.0'")


_BREAK: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no database": ("sqlite:///s.db", lambda path: path.write_text("hello\n" * 300)),
    "cut database": ("sqlite:///s.db", lambda path: path.write_bytes(path.read_bytes()[:5000])),
    "broken pages": ("sqlite:///s.db", _damage_pages),
    "newer schema": ("sqlite:///s.db", _set_version),
    "no journal": ("journal:s.journal", lambda path: path.write_text("hello\n" * 300)),
    "damage in the middle": ("journal:s.journal", _damage_middle),
    "records of a newer Optuna": (
        "journal:s.journal",
        lambda path: path.write_text('{"op_code":99,"worker_id":"w"}\n'),
    ),
}


@pytest.mark.parametrize("how", _BREAK)
def test_broken_storage_is_one_line_of_a_command(
    how: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and one line that names the file; the file stays as it is."""
    url, breaks = _BREAK[how]
    path = _whole(url)
    breaks(path)
    content = path.read_bytes()

    for command in (["studies"], ["show", "toy"], ["worker", "toy"]):
        result = run(*command, "--storage", url)

        assert result.code == 1, result
        assert result.out == ""
        assert result.err.count("\n") == 1
        assert result.err.startswith("autometa: ")
        assert str(folder / path) in result.err
        assert "unexpected" not in result.err
    assert path.read_bytes() == content
