"""The file of a score sheet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from autometa.errors import UserError
from autometa.evaluation import ScoreSheet
from autometa.evaluation._sheet_file import SHEET_VERSION

CELLS = {("f", "a", 1): [0.1, 0.2], ("g", "b", 5): [0.3]}


@pytest.fixture
def sheet(make_sheet: Callable[..., ScoreSheet]) -> ScoreSheet:
    """A sheet of two methods."""
    return make_sheet({"x": CELLS, "y": CELLS})


def test_a_sheet_survives_its_file(sheet: ScoreSheet, tmp_path: Path) -> None:
    """What is read is what was written; folders are made."""
    path = tmp_path / "deep" / "role=test" / "scores.parquet"

    sheet.to_parquet(path)
    again = ScoreSheet.from_parquet(str(path))

    pd.testing.assert_frame_equal(again.frame, sheet.frame)
    assert [entry.name for entry in path.parent.iterdir()] == ["scores.parquet"]


def test_an_empty_sheet_survives_its_file(tmp_path: Path) -> None:
    """A sheet without rows is a sheet."""
    ScoreSheet.from_rows([]).to_parquet(tmp_path / "scores.parquet")

    assert len(ScoreSheet.from_parquet(tmp_path / "scores.parquet")) == 0


def test_a_failing_write_leaves_the_old_file(
    sheet: ScoreSheet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails before the file is whole loses nothing and leaves no litter."""
    path = tmp_path / "scores.parquet"
    sheet.to_parquet(path)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        sheet.append(ScoreSheet(sheet.frame.assign(seed=1))).to_parquet(path)

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.parquet"]


@pytest.mark.parametrize("cut", [0, 4, 200])
def test_a_damaged_file_is_a_user_error(sheet: ScoreSheet, tmp_path: Path, cut: int) -> None:
    """A file that was cut short is refused with the remedy."""
    path = tmp_path / "scores.parquet"
    sheet.to_parquet(path)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(UserError, match=r"damaged or something else .* write the scores again"):
        ScoreSheet.from_parquet(path)


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(UserError, match=r"there is none at .*nowhere"):
        ScoreSheet.from_parquet(tmp_path / "nowhere.parquet")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (str(SHEET_VERSION + 1).encode(), "upgrade autometa"),
        (None, "has none: give a file that autometa wrote"),
        (b"x", "has none: give a file that autometa wrote"),
    ],
)
def test_files_of_other_versions_are_user_errors(
    sheet: ScoreSheet, tmp_path: Path, version: bytes | None, message: str
) -> None:
    """A newer schema, or a parquet file of something else, is refused."""
    path = tmp_path / "scores.parquet"
    metadata = {} if version is None else {b"autometa.score_sheet": version}
    table = pa.Table.from_pandas(sheet.frame).replace_schema_metadata(metadata)
    parquet.write_table(table, path)

    with pytest.raises(UserError, match=message):
        ScoreSheet.from_parquet(path)


def test_a_file_that_lacks_a_column_is_a_user_error(sheet: ScoreSheet, tmp_path: Path) -> None:
    """The right version does not excuse wrong contents."""
    path = tmp_path / "scores.parquet"
    table = pa.Table.from_pandas(sheet.frame.drop(columns="brier"))
    version = {b"autometa.score_sheet": str(SHEET_VERSION).encode()}
    parquet.write_table(table.replace_schema_metadata(version), path)

    with pytest.raises(UserError, match="brier missing"):
        ScoreSheet.from_parquet(path)
