"""Every failure of the network and the server that the client is known to meet.

One suite is fetched once: each of its tables meets a fault of its own. Before that, the process
that asks is killed.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from openml_stand_in import Entry, Fault, StandIn

from autometa.config import OpenmlSource
from autometa.tables.openml import FetchReport, Session, Settings, Store, fetch, load_openml

KEY = "0123456789abcdef"


@dataclass(frozen=True)
class Case:
    """A table, the faults that it meets, and what must be said of it (empty: it is fetched)."""

    faults: tuple[Fault, ...] = ()
    said: str = ""
    changes: tuple[tuple[str, object], ...] = ()
    downloads: int = 1


def _once(path: str, kind: str, **details: object) -> tuple[Fault, ...]:
    return (Fault(path, kind, times=1, **details),)  # type: ignore[arg-type]


_ARFF = (("has_parquet", False),)
_UNCHECKED_ARFF = (("has_parquet", False), ("has_checksum", False))
_PAGE = "<html><body>It is broken</body></html>"

# N stands for the number of the table, which is the id of its dataset; 1000 + N is its task's.
CASES = {
    "silence": Case(_once("/data/N$", "silent")),
    "reset connection": Case(_once("/data/N$", "drop")),
    "database down": Case(_once("/task/100N$", "error", code=107)),
    "status 500 with a page of XML": Case(_once("/data/N$", "page", status=500, body=_PAGE)),
    "status 503 with text": Case(_once("/data/N$", "page", status=503, body="busy")),
    "status 429 without a body": Case(_once("/data/N$", "page", status=429)),
    "status 500 for ever": Case(
        (Fault("/data/N$", "page", status=500, body=_PAGE),), "a page that is not OpenML's", (), 0
    ),
    "sound 1": Case(),
    "status 503 for ever": Case(
        (Fault("/data/N$", "page", status=503, body="busy"),), "status 503", (), 0
    ),
    "sound 2": Case(),
    "task cut without length": Case(_once("/task/100N$", "cut-unannounced")),
    "description cut without length": Case(_once("/data/N$", "cut-unannounced")),
    "features cut without length": Case(_once("/features/N$", "cut-unannounced")),
    "qualities cut without length": Case(_once("/qualities/N$", "cut-unannounced")),
    "description cut with length": Case(_once("/data/N$", "cut")),
    "parquet cut with length": Case(_once("/dataset_N.pq", "cut"), downloads=2),
    "parquet cut without length": Case(_once("/dataset_N.pq", "cut-unannounced"), downloads=2),
    "parquet not there": Case(
        (Fault("/dataset_N.pq", "page", status=404),), downloads=1, changes=()
    ),
    "broken parquet": Case(changes=(("has_broken_parquet", True),), downloads=2),
    "ARFF cut with length": Case(_once("/download/N/", "cut"), changes=_ARFF, downloads=2),
    "ARFF cut without length": Case(
        _once("/download/N/", "cut-unannounced"), changes=_ARFF, downloads=2
    ),
    "ARFF cut at a line's end without a checksum": Case(
        _once("/download/N/", "cut-unannounced"), changes=_UNCHECKED_ARFF, downloads=2
    ),
    "wrong checksum": Case(_once("/download/N/", "flip"), changes=_ARFF, downloads=2),
    "wrong checksum for ever": Case(
        (Fault("/download/N/", "flip"),), "checksum that OpenML gives", _ARFF, 3
    ),
    "no qualities": Case(changes=(("has_qualities", False),)),
    "no such task": Case((Fault("/task/100N$", "error", code=151),), "code 151", (), 0),
    "no such dataset": Case((Fault("/data/N$", "error", code=111),), "code 111", (), 0),
    "private dataset": Case((Fault("/data/N$", "error", code=112),), "OPENML_API_KEY", (), 0),
    **{
        f"code {code}": Case((Fault("/data/N$", "error", code=code),), "OPENML_API_KEY", (), 0)
        for code in (102, 137, 310, 320, 350, 400, 460)
    },
    **{
        f"code {code}": Case((Fault("/data/N$", "error", code=code),), f"code {code}", (), 0)
        for code in (113, 372, 482, 500, 512, 542, 674, 999)
    },
    "clustering": Case(said="not classification", changes=(("kind", "clustering"),), downloads=0),
    "sparse": Case(said="sparse", changes=(("format", "Sparse_ARFF"),), downloads=0),
    "files elsewhere": Case(changes=(*_ARFF, ("host", "localhost"))),
}
_REFUSED = {"no such task", "no such dataset", "clustering", "sparse"}
_REFUSED |= {f"code {code}" for code in (372, 482, 500, 512, 542, 674)}
NUMBER = {name: number for number, name in enumerate(CASES, start=11)}


class _Poison:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, (f"touch {os.environ['POISON_MARK']}",))


@dataclass(frozen=True)
class Fetched:
    """The suite after its fetch."""

    server: StandIn
    report: FetchReport
    store: Store
    mark: Path
    source: OpenmlSource


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetched]:
    """Fetches the suite, with a key, and a poisoned cache where the client would look."""
    folder = tmp_path
    entries, faults = [], []
    for name, case in CASES.items():
        number = NUMBER[name]
        entries.append(_entry(number, dict(case.changes)))
        for fault in case.faults:
            path = fault.path.replace("100N", str(1000 + number)).replace("N", str(number))
            faults.append(
                Fault(path, fault.kind, fault.times, fault.status, fault.code, fault.body)
            )
    server = StandIn(entries, {99: [entry.task for entry in entries]}, faults).start()
    settings = Settings(server.url, seconds=3.0, table_seconds=20.0, waits=(0.05, 0.05))
    store = Store(server.url, folder / "cache")
    source = OpenmlSource(suite=99, min_tables=1)
    mark = folder / "poisoned"
    monkeypatch.setenv("POISON_MARK", str(mark))
    monkeypatch.setenv("OPENML_API_KEY", KEY)
    monkeypatch.setenv("OPENML_CACHE_DIR", str(folder / "client"))
    sound = NUMBER["sound 1"]
    where = folder / "client" / f"1:{server.port}" / "0" / "0" / "127" / "datasets" / str(sound)
    where.mkdir(parents=True)
    for kind in ("features.xml.pkl", "qualities.xml.pkl", f"dataset_{sound}.pkl.py3"):
        (where / kind).write_bytes(pickle.dumps(_Poison()))
    with Session(settings, store) as session:
        session.ask("suite", id=99)
        # As the kernel does where a table is too large; the next request starts another.
        assert session._child is not None
        session._child.process.kill()
        session._child.process.wait()
        report = fetch(source, session)
    yield Fetched(server, report, store, mark, source)
    server.stop()


def _entry(number: int, changes: dict[str, object]) -> Entry:
    rng = np.random.default_rng(number)
    frame = pd.DataFrame(
        {"size": rng.normal(size=40), "class": pd.Categorical(rng.choice(["no", "yes"], size=40))}
    )
    fields = {"dataset": number, "task": 1000 + number, "name": f"t{number}", "frame": frame}
    return Entry(**(fields | {"target": "class"} | changes))  # type: ignore[arg-type]


def test_every_fault_is_overcome_or_told(fetched: Fetched) -> None:
    """What passes is fetched in the end; what does not is told in words, and nothing is left."""
    wrong = {name: found for name in CASES if (found := _what_is_wrong(name, fetched))}

    assert wrong == {}
    _check_that_no_foreign_pickle_was_loaded(fetched)
    _check_that_the_key_went_to_openml_alone(fetched)
    _check_that_what_is_missing_is_skipped(fetched)


def _what_is_wrong(name: str, fetched: Fetched) -> str:
    case, number = CASES[name], NUMBER[name]
    member = f"task {1000 + number}"
    told = fetched.report.refused if name in _REFUSED else fetched.report.failed
    if fetched.server.downloads(number) != case.downloads:
        return f"{fetched.server.downloads(number)} downloads"
    if case.said:
        if case.said not in told.get(member, ""):
            return f"told {told.get(member)!r}"
        return "is there" if fetched.store.table_sha256(number) is not None else ""
    if member in fetched.report.failed | fetched.report.refused:
        return f"told {(fetched.report.failed | fetched.report.refused)[member]!r}"
    sent = next(entry.frame for entry in fetched.server.entries if entry.dataset == number)
    kept = fetched.store.frame(number)
    same_numbers = np.allclose(kept["size"], sent["size"], rtol=1e-6)
    same_classes = list(kept["class"].astype(str)) == list(sent["class"].astype(str))
    return "" if same_numbers and same_classes else "other contents"


def _check_that_no_foreign_pickle_was_loaded(fetched: Fetched) -> None:
    """The client works in a private folder, which is gone afterwards."""
    assert not fetched.mark.exists()
    assert list(fetched.store.folder.glob(".client-*")) == []


def _check_that_the_key_went_to_openml_alone(fetched: Fetched) -> None:
    """Files on another host are fetched without it; no message and no record holds it."""
    elsewhere = NUMBER["files elsewhere"]
    requests = fetched.server.requests
    assert any("/study/99" in line and KEY in line for line in requests)
    assert [line for line in requests if f"/download/{elsewhere}/" in line and KEY in line] == []
    assert KEY not in str(fetched.report)
    for path in fetched.store.folder.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def _check_that_what_is_missing_is_skipped(fetched: Fetched) -> None:
    """Reasons of refusals are kept; failed downloads count as not fetched."""
    tables, skipped = load_openml(fetched.source, fetched.store, _name_only)  # type: ignore[arg-type]

    assert len(tables) == sum(not case.said for case in CASES.values())
    assert len(skipped) == sum(bool(case.said) for case in CASES.values())
    reasons = {item.name: item.reason for item in skipped}
    assert "code 151" in reasons[f"task {1000 + NUMBER['no such task']}"]
    assert reasons[f"task {1000 + NUMBER['status 503 for ever']}"] == "not fetched"


def _name_only(table: object) -> object:
    return table
