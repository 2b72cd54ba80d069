"""``autometa predict``: from two files to a third."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
EXPORT = "results/runs/tiny/export"

pytestmark = pytest.mark.slow


@pytest.fixture
def files(in_finished: Run) -> list[str]:
    """Options of a prediction with mixed columns, missing cells and a class name with a comma."""
    rng = np.random.default_rng(0)
    lines = []
    for row in range(30):
        kind = row % 2
        length = "" if row == 7 else f"{rng.normal(4 * kind):.3f}"
        colour = "" if row == 4 else ["red", "blue"][kind if row % 5 else 0]
        lines.append((length, colour, ["yes", '"no, never"'][kind]))
    Path("labelled.csv").write_text(
        "length,colour,answer\n" + "".join(f"{','.join(line)}\n" for line in lines[:10])
    )
    Path("new.csv").write_text(
        "colour,length\n" + "".join(f"{line[1]},{line[0]}\n" for line in lines[10:])
    )
    return [
        *("predict", "--support", "labelled.csv", "--target", "answer"),
        *("--rows", "new.csv", "--export", EXPORT),
    ]


def test_each_row_gets_a_class_and_probabilities(files: list[str], in_finished: Run) -> None:
    """Stdout is CSV with a line per row, in order; a note on stderr counts rows and classes."""
    result = in_finished(*files)

    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert result.code == 0, result.err
    assert len(rows) == 20
    assert list(rows[0]) == ["prediction", "p(no, never)", "p(yes)"]
    for row in rows:
        assert float(row["p(no, never)"]) + float(row["p(yes)"]) == pytest.approx(1.0)
    truth = ["yes", "no, never"] * 10
    assert sum(row["prediction"] == true for row, true in zip(rows, truth, strict=True)) >= 16
    assert result.err == "predicted 20 rows, 2 classes: no, never, yes\n"


def test_a_file_is_written_instead(files: list[str], in_finished: Run) -> None:
    """-o writes the same text to a file, and stdout stays empty."""
    expected = in_finished(*files).out

    result = in_finished(*files, "-o", "out.csv")

    assert result.code == 0
    assert result.out == ""
    assert Path("out.csv").read_text() == expected
    assert list(Path().glob(".*.tmp")) == []


def test_a_file_that_cannot_be_written_is_left_as_it_was(
    files: list[str], in_finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends with 1; the older result and no temporary file is there."""
    Path("out.csv").write_text("older")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autometa.atomic.os.fsync", full)

    result = in_finished(*files, "-o", "out.csv")

    assert result.code == 1
    assert "No space left on device" in result.err
    assert Path("out.csv").read_text() == "older"
    assert list(Path().glob(".*.tmp")) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--target": "anwser"}, "anwser"),
        ({"--support": "absent.csv"}, "absent.csv"),
        ({"--rows": "absent.csv"}, "absent.csv"),
        ({"--export": "absent"}, "absent"),
        ({"--support": "new.csv", "--target": "length"}, "class"),
    ],
)
def test_wrong_files_are_told_in_one_line(
    changes: dict[str, str], words: str, files: list[str], in_finished: Run
) -> None:
    """The message names the file or column, and no result is written."""
    for option, value in changes.items():
        files[files.index(option) + 1] = value

    result = in_finished(*files, "-o", "out.csv")

    assert result.code == 2
    assert words in result.err
    assert [line for line in result.err.splitlines() if line.startswith("autometa: ")] == [
        result.err.splitlines()[-1]
    ]
    assert not Path("out.csv").exists()


def test_neither_optuna_nor_openml_is_loaded(files: list[str], environment: dict[str, str]) -> None:
    """Whoever only predicts needs no search library, and does not wait for one."""
    code = (
        "import sys; from autometa.cli import main; code = main(sys.argv[1:]);"
        "print([m for m in ('optuna', 'openml', 'optuna_dashboard') if m in sys.modules]);"
        "sys.exit(code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, *files],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.endswith("[]\n")


def test_compare_tells_of_classical_models(files: list[str], in_finished: Run) -> None:
    """The table and the verdict are on stderr, and the predictions are as without it."""
    plain = in_finished(*files)
    result = in_finished(*files, "--compare")

    assert result.code == 0, result.err
    assert result.out == plain.out
    assert "labelled rows left out" in result.err
    assert "random_forest" in result.err
    assert "on these rows" in result.err.splitlines()[-1]
