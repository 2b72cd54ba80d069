from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openml_stand_in import Entry, Fault, StandIn

from autometa.config import FilesSource, OpenmlSource
from autometa.errors import RunError, UserError
from autometa.tables import fetch_sources, load_source, settled
from autometa.tables.openml import (
    FetchProgress,
    Session,
    Settings,
    Store,
    fetch,
    list_cached,
    list_openml,
)

Serve = Callable[..., StandIn]
MakeEntry = Callable[..., Entry]
OpenSession = Callable[[], Session]
SUITE = OpenmlSource(suite=99)


def test_suite_is_fetched_once_and_read_without_the_network(
    serve: Serve,
    make_entry: MakeEntry,
    open_session: OpenSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second fetch asks nothing; tables bear OpenML's names, and families are by first word."""
    monkeypatch.chdir(tmp_path)
    server = serve(
        make_entry(31, name="credit-g"),
        make_entry(29, name="credit-approval", has_parquet=False),
        make_entry(1063, name="kc2", ignored=("size",)),
        make_entry(5, name="house", kind="regression", target="size"),
    )

    with open_session() as session:
        report = fetch(SUITE, session)
        listed = list_openml(SUITE, session)
    server.stop()
    server.requests.clear()
    (again,) = fetch_sources([SUITE])
    tables, skipped = load_source(SUITE)

    assert (report.total, report.downloaded, again.downloaded) == (4, 4, 0)
    assert server.requests == []
    assert [(table.name, table.family) for table in tables] == [
        ("credit-g", "credit"),
        ("credit-approval", "credit"),
        ("kc2", "nasa-defects"),
    ]
    assert [table.raw_columns for table in tables] == [2, 2, 1]
    assert "set bins" in skipped[0].reason
    assert [(row.name, row.rows, row.columns) for row in listed] == [
        ("credit-g", 60, 3),
        ("credit-approval", 60, 3),
        ("kc2", 60, 3),
        ("house", 60, 3),
    ]
    assert sum(row.bytes for row in listed) == report.bytes > 0
    server.entries[0].frame.to_parquet("mine.parquet")
    (mine,), _ = load_source(FilesSource(path="mine.parquet"))
    assert mine.sha256 == tables[0].sha256  # an export knows a table again, wherever it came from
    cached = list_cached(SUITE, Store(server.url))
    assert [(row.name, row.rows) for row in cached] == [(row.name, row.rows) for row in listed]
    binned, _ = load_source(OpenmlSource(suite=99, bins=3, without=(1031, 1029)))
    assert [table.name for table in binned] == ["kc2", "house"]
    assert np.bincount(binned[1].y_R).tolist() == [20, 20, 20]
    server.start()


def test_a_server_that_dies_costs_only_what_is_not_fetched_yet(
    serve: Serve, make_entry: MakeEntry
) -> None:
    """The same call later completes; no table is downloaded twice, and damage is repaired."""
    entries = [make_entry(number) for number in range(11, 17)]
    server = serve(*entries)

    def dies(progress: FetchProgress) -> None:
        if progress.done == 3 and progress.message:
            server.stop()

    with pytest.raises(RunError, match="autometa tables fetch openml:suite:99") as caught:
        fetch_sources([SUITE], on_progress=dies)
    assert "3 of the tables of OpenML's suite 99 are not in the cache" in str(caught.value)
    with pytest.raises(RunError, match="3 of the tables"):
        load_source(SUITE)
    enough, left_out = load_source(OpenmlSource(suite=99, min_tables=3))
    with pytest.raises(RunError, match="at least 4 usable tables"):
        load_source(OpenmlSource(suite=99, min_tables=4))
    assert (len(enough), len(left_out)) == (3, 3)

    server.start()
    store = Store(server.url)
    (damaged,) = store.folder.glob("table-11/table.parquet")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    (store.folder / "task-1012.json").write_text('{"values": {"dataset": 13}, "sha256": "0"}')
    fetch_sources([SUITE])

    tables, _ = load_source(SUITE)
    assert len(tables) == 6
    assert [server.downloads(entry.dataset) for entry in entries] == [2, 1, 1, 1, 1, 1]


@pytest.mark.slow
def test_processes_share_a_cold_cache(serve: Serve, make_entry: MakeEntry, tmp_path: Path) -> None:
    """Four commands on 40 tables: each table is downloaded once, and all see whole tables."""
    entries = [make_entry(number) for number in range(11, 51)]
    server = serve(*entries)
    commands = [_command("fetch", "openml:suite:99") for _ in range(4)]

    for command in commands:
        out, err = command.communicate(timeout=120)
        assert command.returncode == 0, err
        assert "40 tables of 40 families" in out

    assert {server.downloads(entry.dataset) for entry in entries} == {1}
    for entry in entries:
        frame = Store(server.url).frame(entry.dataset)
        assert frame["size"].to_numpy() == pytest.approx(entry.frame["size"].to_numpy())


def test_killed_in_a_download_nothing_half_written_is_left(
    serve: Serve, make_entry: MakeEntry
) -> None:
    """The client's process ends with its parent; the next command cleans up and completes."""
    server = serve(make_entry(11), make_entry(12))
    server.faults.append(Fault("dataset_12.pq", "slow", times=1))
    command = _command("fetch", "openml:suite:99")
    _wait_for(lambda: "GET /datasets/0000/0012/dataset_12.pq" in server.requests)
    (private,) = Store(server.url).folder.glob(".client-*")
    _wait_for(lambda: bool(_children(command.pid)))
    children = _children(command.pid)

    command.send_signal(signal.SIGKILL)
    command.communicate()
    _wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))

    assert children
    assert Store(server.url).table_sha256(12) is None
    assert private.exists()
    (report,) = fetch_sources([SUITE])
    assert report.downloaded == 1
    assert [server.downloads(number) for number in (11, 12)] == [1, 2]
    assert list(Store(server.url).folder.glob(".*")) == []


def test_what_is_named_must_be_there(
    serve: Serve, make_entry: MakeEntry, open_session: OpenSession
) -> None:
    """Wrong ids are the user's error, unless a number of tables is enough."""
    server = serve(make_entry(11), make_entry(12, target=None))

    with open_session() as session:
        fetch(OpenmlSource(tasks=(1011, 77), min_tables=1), session)
        fetch(OpenmlSource(datasets=(12,)), session)
        asked = len(server.requests)
        with pytest.raises(UserError, match=r"task 77 cannot be used .*code 151"):
            fetch(OpenmlSource(tasks=(1011, 77)), session)
        assert len(server.requests) == asked
        with pytest.raises(UserError, match=r"suite 7 cannot be used \(OpenML says .*code 601\)"):
            fetch(OpenmlSource(suite=7), session)

    with pytest.raises(UserError, match="task 77 cannot be used"):
        load_source(OpenmlSource(tasks=(1011, 77)))
    with pytest.raises(UserError, match="one target, but OpenML names none for 'tablebc'"):
        load_source(OpenmlSource(datasets=(12,)))


def test_a_source_settles_without_what_it_may_lack_alone(
    serve: Serve, make_entry: MakeEntry, open_session: OpenSession
) -> None:
    """What was refused is written down; a table that must be there is still asked for."""
    server = serve(make_entry(11), make_entry(12))
    server.suites[99].append(77)
    server.faults.append(Fault("/data/12$", "page", status=503))
    with open_session() as session:
        fetch(OpenmlSource(suite=99, min_tables=1), session)

    assert settled(OpenmlSource(suite=99)).without is None
    assert settled(OpenmlSource(tasks=(1011, 1012))).without is None
    assert settled(OpenmlSource(tasks=(1012,), min_tables=1)).without is None
    assert settled(OpenmlSource(suite=99, min_tables=3)).without is None
    assert settled(OpenmlSource(suite=99, min_tables=1)).without == (1012, 77)
    assert settled(OpenmlSource(suite=99, without=(1012,))).without == (1012, 77)
    assert settled(OpenmlSource(tasks=(1011, 77), min_tables=1)).without == (77,)
    with pytest.raises(RunError, match="1 of the tables of OpenML's suite 99 are not in the cache"):
        load_source(SUITE)


def test_asking_again_replaces_what_is_known_by_answers_alone(
    serve: Serve, make_entry: MakeEntry, open_session: OpenSession
) -> None:
    """Refusals may end, suites may grow; a server that is silent takes nothing away."""
    server = serve(make_entry(11))
    server.suites[99].append(1012)
    with open_session() as session:
        fetch(SUITE, session)
        server.stop()
        with pytest.raises(RunError, match=r"cannot be asked for again .* leave --refresh out"):
            fetch(SUITE, session, again=True)
        assert [table.name for table in load_source(SUITE)[0]] == ["tablebb"]

        server.entries += [make_entry(12), make_entry(13)]
        server.suites[99].append(1013)
        server.start()
        assert fetch(SUITE, session).downloaded == 0
        report = fetch(SUITE, session, again=True)

    assert (report.total, report.downloaded, report.refused) == (3, 2, {})
    assert len(load_source(SUITE)[0]) == 3


def test_a_folder_that_cannot_be_written_is_told(
    serve: Serve, make_entry: MakeEntry, tmp_path: Path
) -> None:
    """The rule, the folder and the remedy, before anything is asked."""
    server = serve(make_entry(11))
    path = tmp_path / "file"
    path.write_text("")

    with pytest.raises(RunError, match=r"cache folder must be writable, but '.*file' is not"):
        fetch_sources([SUITE], path)

    assert server.requests == []


def test_nothing_is_asked_offline(
    serve: Serve, make_entry: MakeEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the cache and how to fill it."""
    server = serve(make_entry(11))
    monkeypatch.setenv("AUTOMETA_OFFLINE", "1")
    assert fetch_sources([SUITE]) == []
    with pytest.raises(RunError, match=r"suite 99 is not in the cache .*tables fetch openml:suite"):
        load_source(SUITE)
    assert server.requests == []


@pytest.mark.parametrize(
    ("variable", "value", "match"),
    [
        ("AUTOMETA_OPENML_SERVER", "openml", "must be a URL such as https"),
        ("AUTOMETA_OPENML_SERVER", "http://[::1", "must be a URL such as https"),
        ("AUTOMETA_OPENML_SERVER", "http://127.0.0.1:abc", "must be a URL such as https"),
        ("AUTOMETA_OPENML_SERVER", "http://example.org/api", "is sent over https only"),
        ("AUTOMETA_OPENML_DEADLINE", "soon", "must be a number of seconds above 0; got 'soon'"),
        ("AUTOMETA_OPENML_DEADLINE", "-1", "must be a number of seconds above 0; got '-1'"),
    ],
)
def test_settings_of_the_environment_are_checked(
    variable: str, value: str, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is not sent in the clear, and the message does not show it."""
    monkeypatch.setenv("OPENML_API_KEY", "0123")
    monkeypatch.setenv(variable, value)

    with pytest.raises(UserError, match=match) as caught:
        Settings.from_environment()

    assert "0123" not in str(caught.value)


def _command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "autometa", "tables", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields: list[Any] = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for too long"
        time.sleep(0.05)
