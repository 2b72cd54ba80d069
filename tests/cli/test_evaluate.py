"""``autometa evaluate``: an export next to the baselines on tables of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

pytestmark = pytest.mark.slow
OPTIONS = ["evaluate", "--export", "results/runs/tiny/export", "--episodes", "2"]


def test_new_tables_are_scored_and_seen_ones_left_out(in_finished: Run) -> None:
    """Means are over new families; a table of the search is marked; JSON holds the numbers."""
    result = in_finished(
        *(*OPTIONS, "--tables", "sklearn:iris", "sklearn:wine"),
        *("--shots", "3,1", "--setting", "inductive", "--json", "out.json"),
    )

    assert result.code == 0, result.err
    assert "setting inductive: mean over 1 family (1 table, 4 episodes)" in result.out
    assert "left out of the means: iris" in result.out
    assert "\niris* " in result.out
    assert "\nwine " in result.out
    assert "In the inductive setting the learner is " in result.out
    data = json.loads(Path("out.json").read_text())
    assert {table["name"]: table["seen"] for table in data["tables"]} == {
        "iris": True,
        "wine": False,
    }
    assert [(cell["setting"], cell["shot"]) for cell in data["means_over_unseen_families"]] == [
        ("inductive", 1),
        ("inductive", 3),
    ]
    assert 0 < data["seen_tables"][0]["methods"]["autometa"]["accuracy"] <= 1


def test_counts_and_ways_stand_beside_the_setting(in_finished: Run) -> None:
    """Whatever is not drawn as usual is said with each figure, and is in the JSON."""
    result = in_finished(
        *(*OPTIONS, "--tables", "sklearn:wine", "--shots", "3", "--counts", "unequal"),
        *("--ways", "all", "--json", "out.json"),
    )

    drawn = "with all classes and unequal counts per class"
    assert result.code == 0, result.err
    assert f"setting unlabelled {drawn}: mean over 1 family" in result.out
    assert f"In the unlabelled setting {drawn} the learner is " in result.out
    assert f"on each table, setting unlabelled {drawn}\n" in result.out
    data = json.loads(Path("out.json").read_text())
    assert (data["counts"], data["ways"]) == ("unequal", "all")


def test_seen_tables_alone_have_no_mean(in_finished: Run) -> None:
    """If the export has seen every table, it is said that there is no mean."""
    result = in_finished(*OPTIONS, "--tables", "sklearn:iris", "--shots", "1")

    assert result.code == 0, result.err
    assert "No table is new to the export" in result.out
    assert "mean over" not in result.out


def test_json_to_stdout_is_json_alone(in_finished: Run) -> None:
    """--json - prints nothing but JSON on stdout."""
    result = in_finished(*OPTIONS, "--tables", "sklearn:iris", "--shots", "1", "--json", "-")

    assert json.loads(result.out)["means_over_unseen_families"] == []


def test_tables_that_are_too_small_are_refused(in_finished: Run) -> None:
    """Without a single episode there is nothing to score."""
    Path("small.csv").write_text("x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(6)))

    result = in_finished(*OPTIONS, "--tables", "small.csv#y", "--shots", "10")

    assert result.code == 2
    assert result.err.count("\n") == 1
