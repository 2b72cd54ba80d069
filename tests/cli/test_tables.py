"""``autometa tables check``: what tables look like, and whether they leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]


@pytest.fixture
def shelf(folder: Path) -> Path:
    """A folder with two tables, a third that shares the rows of the first, and a broken one."""
    path = folder / "shelf"
    path.mkdir()
    rng = np.random.default_rng(0)
    for name in ("apples", "pears"):
        rows = [
            f"{rng.normal():.4f},{rng.normal():.4f},{'ab'[row % 2]},same,{'xy'[row % 2]}"
            for row in range(60)
        ]
        (path / f"{name}.csv").write_text("one,two,three,four,label\n" + "\n".join(rows) + "\n")
    lines = (path / "apples.csv").read_text().splitlines()
    (path / "apples2.csv").write_text("\n".join([lines[0], *lines[11:]]) + "\n")
    (path / "broken.csv").write_text("label\n")
    return path


def _index(shelf: Path, **roles: str) -> None:
    rows = [f"{name},label,{role}\n" for name, role in roles.items()]
    (shelf / "index.csv").write_text("name,target,role\n" + "".join(rows))


def test_shapes_and_dropped_columns_are_shown(run: Run, shelf: Path) -> None:
    """Each table is a line; a constant column is listed with its reason."""
    result = run("tables", "check", shelf / "pears.csv#label")

    lines = result.out.splitlines()
    assert result.code == 0, result.err
    assert lines[1].split()[0] == "pears"
    assert lines[1].split()[3:] == ["60", "4", "3", "2", "30"]
    assert any(line.split()[:2] == ["pears", "four"] for line in lines)
    assert lines[-1] == "no two tables share rows"


def test_unusable_tables_of_a_folder_are_named(run: Run, shelf: Path) -> None:
    """A folder may hold a broken table; the reason is shown and the others are checked."""
    _index(shelf, apples="train", pears="test", broken="test", absent="test")

    result = run("tables", "check", shelf)

    assert result.code == 0, result.err
    assert "skipped broken: " in result.out
    assert "skipped absent: " in result.out
    assert [line.split()[:2] for line in result.out.splitlines()[1:3]] == [
        ["apples", "train"],
        ["pears", "test"],
    ]


def test_shared_rows_are_found(run: Run, shelf: Path) -> None:
    """Tables that hold the same rows are named with their share."""
    result = run("tables", "check", shelf / "apples.csv#label", shelf / "apples2.csv#label")

    assert result.code == 0, result.err
    assert "apples and apples2 share 100 % of their rows" in result.out


def test_leakage_between_roles_is_an_error(run: Run, shelf: Path) -> None:
    """One family with two roles is shown and ends with 2."""
    _index(shelf, apples="train", apples2="test")

    shown = run("tables", "check", shelf)
    data = json.loads(run("tables", "check", shelf, "--json").out)

    assert shown.code == 2
    assert "'apples' (train)" in shown.err
    assert "'apples2' (test)" in shown.err
    assert "apples2" in shown.out
    assert "'apples'" in data["leakage"]
    assert [pair["second"] for pair in data["shared_rows"]] == ["apples2"]


def test_one_content_under_two_roles_is_an_error(run: Run, shelf: Path) -> None:
    """A copy of a file leaks just the same."""
    (shelf / "copy.csv").write_bytes((shelf / "pears.csv").read_bytes())
    _index(shelf, pears="train", copy="test")

    result = run("tables", "check", shelf)

    assert result.code == 2
    assert "'pears' (train)" in result.err


def test_json_holds_every_number(run: Run, shelf: Path) -> None:
    """JSON has the figures of the lines."""
    data = json.loads(run("tables", "check", shelf / "pears.csv#label", "--json").out)

    assert data["tables"][0] | {"family": ""} == {
        "name": "pears",
        "role": "-",
        "family": "",
        "rows": 60,
        "columns": 4,
        "encoded_columns": 3,
        "classes": 2,
        "smallest_class": 30,
        "dropped": data["tables"][0]["dropped"],
    }
    assert list(data["tables"][0]["dropped"]) == ["four"]
    assert (data["skipped"], data["leakage"]) == ([], None)


def test_names_cannot_send_escape_codes(run: Run, folder: Path) -> None:
    """A column name with control characters is shown without them."""
    rows = "".join(f"{row % 7 / 2},1,{'xy'[row % 2]}\n" for row in range(20))
    Path("evil.csv").write_text("one,\x1b[31mred,label\n" + rows)

    result = run("tables", "check", "evil.csv#label")

    assert result.code == 0, result.err
    assert "\x1b" not in result.out + result.err


def test_a_study_file_stands_for_its_sources(run: Run, shelf: Path, folder: Path) -> None:
    """Listed, fetched and checked with the roles that it gives them; random tables are counted."""
    _index(shelf, apples="train", pears="validation")
    (folder / "study.yaml").write_text(
        "version: 1\nname: mine\ntables:\n"
        "  train: [{source: files, path: shelf, roles: index, names: [apples]},"
        " {source: synthetic, count: 3}]\n"
        "  validation: [{source: files, path: shelf, roles: index}]\n"
        "learner: {name: fomaml}\nspace: {inner_lr: {low: 0.1, high: 1.0}}\n"
    )

    listed = run("tables", "list", "study.yaml", "--json")
    fetched = run("tables", "fetch", "study.yaml")
    checked = run("tables", "check", "study.yaml")

    names = [row["name"] for row in json.loads(listed.out)]
    assert names == ["apples", "3 random tables", "pears"]
    assert fetched.code == 0, fetched.err
    assert "2 tables of 2 families: 60 rows" in fetched.out
    assert [line.split()[:2] for line in checked.out.splitlines()[1:3]] == [
        ["apples", "train"],
        ["pears", "validation"],
    ]
    assert "and 3 random tables" in checked.out
