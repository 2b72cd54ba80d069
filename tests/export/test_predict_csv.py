"""Predicting the rows of one file from the labelled rows of another."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autometa.errors import UserError
from autometa.export import load, predict_csv

LABELLED = """size;colour;price;ripe
1,5;red;?;yes
1,4;red;2,5;yes
1,6;;2,0;yes
9,0;green;0,5;no
8,5;green;?;no
"""
ROWS = """colour,size,price,note
green,8.8,0.7,a
red,1.5,?,b
,1.4,2.2,c
green,9.1,,d
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Writes labelled rows (semicolons, decimal commas) and rows to predict (commas)."""
    support, rows = tmp_path / "labelled.csv", tmp_path / "rows.csv"
    support.write_text(LABELLED)
    rows.write_text(ROWS)
    return support, rows


def test_rows_are_predicted_in_their_order(export: Path, files: tuple[Path, Path]) -> None:
    """Delimiters, missing cells, column order and further columns are understood."""
    answer = predict_csv(*files, target="ripe", export=export)

    assert list(answer.columns) == ["prediction", "p(no)", "p(yes)"]
    assert answer["prediction"].tolist() == ["no", "yes", "yes", "no"]
    np.testing.assert_allclose(answer[["p(no)", "p(yes)"]].sum(axis=1), 1)


def test_the_rows_serve_as_unlabelled_ones(export: Path, files: tuple[Path, Path]) -> None:
    """The answer is that of ``fit(X, y, X_unlabelled=rows)``."""
    X = pd.DataFrame({"a": [0.0, 1.0, 5.0, 6.0], "b": [1.0, 0.0, 1.0, 0.5]})
    rows = pd.DataFrame({"a": [0.5, 5.5, 2.0], "b": [3.0, 2.0, 9.0]})
    y = [1, 1, 2, 2]
    support_path, rows_path = files
    X.assign(y=y).to_csv(support_path, index=False)
    rows.to_csv(rows_path, index=False)

    answer = predict_csv(support_path, rows_path, target="y", export=export)

    expected = load(export).fit(X, y, X_unlabelled=rows).predict_proba(rows)
    np.testing.assert_allclose(answer[["p(1)", "p(2)"]], expected, rtol=0, atol=1e-9)
    assert answer["prediction"].isin([1, 2]).all()


def test_a_target_among_the_rows_is_ignored_and_noted(
    export: Path, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The true classes have no influence, and the log says so."""
    support, rows = files
    expected = predict_csv(support, rows, target="ripe", export=export)
    header, *lines = ROWS.split()
    rows.write_text("\n".join([f"{header},ripe", *(f"{line},no" for line in lines)]))

    with caplog.at_level(logging.WARNING, logger="autometa"):
        answer = predict_csv(support, rows, target="ripe", export=export)

    pd.testing.assert_frame_equal(answer, expected)
    assert "'ripe'" in caplog.text
    assert "ignored" in caplog.text


def test_no_rows_give_an_empty_answer(export: Path, files: tuple[Path, Path]) -> None:
    """A file that has nothing but a header is no error."""
    support, rows = files
    rows.write_text("size,colour,price\n")

    answer = predict_csv(support, rows, target="ripe", export=export)

    assert answer.shape == (0, 3)


@pytest.mark.parametrize(
    ("labelled", "rows", "match"),
    [
        (
            LABELLED.replace("no", "?", 1),
            ROWS,
            r"every row of .*labelled\.csv must have a class in 'ripe'; 1 have none, .* line 5",
        ),
        (
            LABELLED.replace("ripe", "sweet"),
            ROWS,
            r"labelled\.csv; got 'ripe': choose one of 'size', 'colour', 'price', 'sweet'",
        ),
        (LABELLED, "size,colour\n1,red\n", r"rows\.csv must have .* missing: 'price'"),
        ("size;ripe\n1;yes\n2;yes\n", "size\n1\n", "one class, 'yes'"),
        ("size;ripe\n", "size\n1\n", "must have labelled rows; got none"),
        ("size;ripe\n1;yes\n1;no\n", "size\n1\n", "tells rows apart"),
        ("", ROWS, r"labelled\.csv.*empty"),
    ],
)
def test_wrong_files_are_explained(
    export: Path, files: tuple[Path, Path], labelled: str, rows: str, match: str
) -> None:
    """Each mistake has a message of one sentence that names the file or the column."""
    files[0].write_text(labelled)
    files[1].write_text(rows)

    with pytest.raises(UserError, match=match):
        predict_csv(*files, target="ripe", export=export)


def test_a_missing_file_is_named(export: Path, files: tuple[Path, Path]) -> None:
    """The message says which file is not there."""
    files[1].unlink()

    with pytest.raises(UserError, match=r"rows\.csv"):
        predict_csv(*files, target="ripe", export=export)
