"""Tables of OpenML on the command line: listed, fetched ahead, checked, and searched on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from openml_stand_in import Entry, Fault, StandIn

Run = Callable[..., Any]

STUDY = """\
version: 1
name: shelf
tables:
  train: [{source: openml, suite: 99}, {source: synthetic, count: 10, seed: 1}]
  split: {validation: 0.3, test: 0.3}
episodes: {ways: 2, shots: [1], queries: 4, per_table: 2}
learner: {name: column_kernel, head: descent, width: 8, depth: 1}
space: {inner_lr: {low: 0.1, high: 1.0, log: true}}
training: {outer_steps: 4, rungs: [2, 4], meta_batch: 2, device: cpu}
search: {trials: 1, seconds: 100, confirm: 1, finalists: 1}
"""


def _entry(number: int, name: str) -> Entry:
    rng = np.random.default_rng(number)
    classes = rng.permutation(np.arange(60) % 2)
    frame = pd.DataFrame({"x": rng.normal(size=60) + classes, "y": rng.normal(size=60)})
    frame["class"] = pd.Categorical(np.where(classes, "yes", "no"))
    return Entry(number, 1000 + number, name, frame, "class")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A stand-in with a suite of four tables, two of them versions of one."""
    names = {11: "apples", 12: "pears", 13: "plums", 14: "Apples"}
    entries = [_entry(number, name) for number, name in names.items()]
    stand_in = StandIn(entries, {99: [entry.task for entry in entries]}).start()
    monkeypatch.setenv("AUTOMETA_OPENML_SERVER", stand_in.url)
    monkeypatch.setattr("autometa.tables.openml._settings._WAITS", (0.05,))
    yield stand_in
    stand_in.stop()


def test_from_suite_to_export(run: Run, server: StandIn, folder: Path) -> None:
    """Listing, fetching and checking lead to a study that needs no server any more."""
    (folder / "shelf.yaml").write_text(STUDY)

    fetched = run("tables", "fetch", "shelf.yaml")
    listed = run("tables", "list", "openml:suite:99", "--offline")
    checked = run("tables", "check", "openml:suite:99", "--offline", "--json")
    server.stop()
    tuned = run("tune", "shelf.yaml")

    assert listed.code == fetched.code == checked.code == tuned.code == 0, tuned.err
    assert listed.out.splitlines()[1].split()[:9] == [
        *("openml", "suite", "99", "apples", "11", "1", "60", "3", "-")
    ]
    assert "4 tables, " in listed.out
    assert "4/4 Apples: 60 rows, 3 columns" in fetched.err
    assert "OpenML suite 99: 4 tables, 4 of them downloaded now" in fetched.out
    assert (
        "4 tables of 3 families: 60 rows, 2 columns, 2 classes, and 10 random tables" in fetched.out
    )
    families = {row["family"] for row in json.loads(checked.out)["tables"]}
    assert families == {"apples", "pears", "plums"}
    assert [server.downloads(number) for number in (11, 12, 13, 14)] == [1, 1, 1, 1]
    card = (folder / "results" / "runs" / "shelf" / "export" / "card.md").read_text()
    assert "pears" in card


def test_study_goes_on_with_the_tables_that_were_enough(
    run: Run, server: StandIn, folder: Path
) -> None:
    """What could not be downloaded at first does not change the study when it can be later."""
    study = STUDY.replace("suite: 99", "suite: 99, min_tables: 3")
    (folder / "shelf.yaml").write_text(study)
    server.faults.append(Fault("/data/14$", "page", status=503))
    assert run("tune", "shelf.yaml").code == 0
    server.faults.clear()
    server.requests.clear()

    again = run("tune", "shelf.yaml")
    asked = list(server.requests)
    fetched = run("tables", "fetch", "shelf.yaml")
    server.stop()
    later = run("tune", "shelf.yaml", "--trials", "2")
    fresh = STUDY.replace("name: shelf", "name: fresh").replace("suite: 99", "tasks: [1011, 1099]")
    (folder / "fresh.yaml").write_text(fresh)
    partial = run("tune", "fresh.yaml", "--offline")
    (folder / "shelf.yaml").write_text(study.replace("suite: 99", "suite: 98"))
    other = run("tune", "shelf.yaml", "--offline")

    assert (again.code, asked) == (0, []), again.err
    assert "OpenML's suite 99: this study is without 1014" in again.err
    assert fetched.code == 0
    assert server.downloads(14) == 1
    assert later.code == 0, later.err
    assert partial.code == 1
    assert "1 of the tables of OpenML's tasks 1011, 1099 are not in the cache" in partial.err
    assert other.code == 1
    assert "suite 98 is not in the cache" in other.err


def test_without_server_and_cache_one_sentence_says_what_to_do(
    run: Run, server: StandIn, folder: Path
) -> None:
    """Exit 1, naming the cache and the command that fills it; nothing is created."""
    (folder / "shelf.yaml").write_text(STUDY)
    server.stop()

    for options in ([], ["--offline"]):
        result = run("tune", "shelf.yaml", *options)

        assert result.code == 1
        assert result.out == ""
        (line,) = [line for line in result.err.splitlines() if line.startswith("autometa: ")]
        assert "OpenML's suite 99 is not in the cache" in line
        assert line.endswith("autometa tables fetch openml:suite:99")
        assert [path.name for path in folder.iterdir()] == ["shelf.yaml"]


def test_fetch_refuses_to_be_offline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contradiction is told, with exit 2."""
    monkeypatch.setenv("AUTOMETA_OFFLINE", "1")

    result = run("tables", "fetch", "openml:suite:99")

    assert result.code == 2
    assert "AUTOMETA_OFFLINE is set: unset it" in result.err


def test_other_sources_are_listed_too(run: Run, folder: Path) -> None:
    """Files with their size, tables of scikit-learn by name; as JSON as well."""
    (folder / "mine.csv").write_text("a,y\n1,p\n")

    result = run("tables", "list", "sklearn:iris,wine", "mine.csv#y", "--json")

    rows = json.loads(result.out)
    assert [(row["name"], row["bytes"]) for row in rows] == [("iris", 0), ("wine", 0), ("mine", 8)]
