"""A whole table to numbers: its target, its hash, the rows kept, cells in single precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.errors import UserError
from autometa.tables import Table, encode_table, make_table, scale_rows, scale_table


def _table(target: Any, **features: Any) -> Table:
    frame = pd.DataFrame({**(features or {"a": np.arange(len(target)) ** 2}), "target": target})
    return make_table("t", frame, target="target", source="files")


def test_the_last_column_is_the_target_by_default() -> None:
    """Without a name for it, the target comes last."""
    table = make_table("t", pd.DataFrame({"a": [1], "b": [2]}), target=None, source="files")

    assert table.target.tolist() == [2]
    assert list(table.frame.columns) == ["a"]


def test_rows_without_a_class_are_left_out() -> None:
    """Missing and blank classes are no classes, and rows are numbered anew."""
    table = _table(["x", None, "y", " ", "x"], a=[1, 2, 3, 4, 5])

    assert table.target.tolist() == ["x", "y", "x"]
    assert table.frame["a"].tolist() == [1, 3, 5]
    assert table.frame.index.tolist() == [0, 1, 2]


def test_an_absent_target_is_refused_with_the_columns_there_are() -> None:
    """The message lists what could have been meant."""
    frame = pd.DataFrame({"a": [1], "b": [2]})

    with pytest.raises(UserError, match=r"no column 'c': choose one of a, b"):
        make_table("t", frame, target="c", source="files")


def test_a_table_of_one_name_twice_is_refused() -> None:
    """Equal column names cannot be told apart."""
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "y"])

    with pytest.raises(UserError, match="'a' occurs 2 times"):
        make_table("t", frame, target="y", source="files")


def test_the_hash_is_of_the_contents() -> None:
    """The type of text, the name of the table and the source do not matter; any cell does."""
    frame = pd.DataFrame({"a": ["x", "y", None], "b": [1.0, -0.0, np.nan], "y": ["p", "q", "p"]})
    plain = make_table("t", frame, target="y", source="files")

    same = make_table("u", frame.astype({"a": object}), target="y", source="sklearn")
    other = make_table("t", frame.assign(b=[1.0, 0.0, 2.0]), target="y", source="files")
    renamed = make_table("t", frame.rename(columns={"a": "c"}), target="y", source="files")

    assert plain.sha256 == same.sha256
    assert len({plain.sha256, other.sha256, renamed.sha256}) == 3


def test_names_cannot_run_into_each_other() -> None:
    """Levels ('ab', 'c') and ('a', 'bc') have different hashes."""
    first = _table(["p", "q"], a=["ab", "c"])
    second = _table(["p", "q"], a=["a", "bc"])

    assert first.sha256 != second.sha256


def test_an_undeclared_family_is_one_of_its_own() -> None:
    """Two files of one name are not taken for one family."""
    first, second = _table(["p", "q"], a=[1, 2]), _table(["p", "q"], a=[1, 3])

    assert first.family != second.family


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (["b", "a"] * 6, ("a", "b")),
        ([10, 9] * 6, ("9", "10")),
        (["10", "9"] * 6, ("9", "10")),
        ([1.0, 0.0] * 6, ("0", "1")),
        ([True, False] * 6, ("False", "True")),
        (pd.Categorical(["lo", "hi"] * 6, categories=["lo", "mid", "hi"]), ("hi", "lo")),
    ],
)
def test_classes_are_coded_in_sorted_order(target: Any, names: tuple[str, ...]) -> None:
    """Codes follow the sorted names, numbers by value; unused categories are no classes."""
    encoded = encode_table(_table(target))

    assert encoded.class_names == names
    assert [encoded.class_names[code] for code in encoded.y_R[:2]] == [
        str(label) if not isinstance(label, float) else str(int(label)) for label in target[:2]
    ]
    assert encoded.y_R.dtype == np.int64


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (["x"] * 12, "holds only one"),
        (["x"] * 12 + ["y"] * 4, "2 classes of at least 5 rows"),
        ([i + 0.5 for i in range(30)], "30 rows in 30 classes"),
        (["x", "y"], "2 rows in 2 classes"),
    ],
)
def test_tables_without_two_classes_to_learn_are_refused(target: Any, message: str) -> None:
    """A table needs two classes of five rows."""
    with pytest.raises(UserError, match=message):
        encode_table(_table(target))


def test_a_table_without_any_row_is_refused() -> None:
    """A target that is missing everywhere leaves nothing."""
    with pytest.raises(UserError, match="0 rows in 0 classes"):
        encode_table(_table([None, None], a=[1, 2]))


def test_a_table_without_usable_columns_is_refused_with_reasons() -> None:
    """The message says why each column was left out."""
    with pytest.raises(
        UserError, match=r"none besides its target: a \(constant\), b \(all missing"
    ):
        encode_table(_table(["x", "y"] * 6, a=[1] * 12, b=[None] * 12))


def test_a_table_of_a_target_alone_is_refused() -> None:
    """A target without features is no table to learn from."""
    table = make_table("t", pd.DataFrame({"y": ["p", "q"] * 6}), target=None, source="files")

    with pytest.raises(UserError, match="none besides its target: add features"):
        encode_table(table)


def test_large_tables_are_cut_to_6000_rows_always_the_same() -> None:
    """The rows that are kept depend on the contents alone."""
    table = _table(["x", "y"] * 4000, a=np.arange(8000) ** 2)

    first, second = encode_table(table), encode_table(table)

    assert first.values_RF.shape == (6000, 1)
    assert np.array_equal(first.values_RF, second.values_RF)
    assert np.all(np.diff(first.values_RF[:, 0]) > 0)
    assert (first.raw_rows, first.raw_columns) == (8000, 1)


@pytest.mark.parametrize(("shift", "factor"), [(1e9, 1.0), (0.0, 1e60), (0.0, 1e-60)])
def test_cells_beyond_single_precision_are_standardised(shift: float, factor: float) -> None:
    """Neither large offsets nor extreme units lose what distinguishes rows."""
    number = np.random.default_rng(0).normal(size=40)

    plain = encode_table(_table(["x", "y"] * 20, a=number))
    moved = encode_table(_table(["x", "y"] * 20, a=shift + factor * number))

    flags = np.array([False])
    assert moved.values_RF.dtype == np.float32
    assert scale_rows(moved.values_RF, flags).x_RFH == pytest.approx(
        scale_rows(plain.values_RF, flags).x_RFH, abs=1e-4
    )


def test_a_scaled_table_carries_everything_over() -> None:
    """Scaling adds channels and statistics to what encoding found."""
    encoded = encode_table(_table(["x", "y"] * 6, a=[1, 2, 4] * 4, b=["c"] * 12))

    scaled = scale_table(encoded)

    assert scaled.dropped == {"b": "constant"}
    assert scaled.class_names == ("x", "y")
    assert scaled.values_RF is encoded.values_RF
    assert scaled.x_RFH.shape == (12, 1, 2)
