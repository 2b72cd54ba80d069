"""Families: declared ones, and ones found by shared rows."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.errors import UserError
from autometa.tables import (
    Table,
    check_leakage,
    encode_table,
    find_families,
    make_table,
    scale_table,
    shared_rows,
    synthetic_table,
)


def _table(name: str, frame: pd.DataFrame, target: str = "label") -> Table:
    return make_table(name, frame, target=target, source="files")


def _share(first: pd.DataFrame, second: pd.DataFrame) -> float:
    pairs = shared_rows([_table("a", first), _table("b", second)])
    return pairs[0].share if pairs else 0.0


@pytest.fixture
def frame(make_frame: Any) -> pd.DataFrame:
    """Returns a table of 400 distinct rows."""
    return make_frame(400)


def test_tables_of_other_rows_share_none(make_frame: Any) -> None:
    """Equal columns and distributions are no common origin."""
    assert _share(make_frame(400, seed=1), make_frame(400, seed=2)) == 0.0


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.sample(frac=1, random_state=0),
        lambda f: f[["colour", "weight", "size", "label"]],
        lambda f: f.rename(columns={"size": "V1", "weight": "V2", "colour": "V3"}),
        lambda f: f.astype({"size": "float32"}),
        lambda f: f.assign(size=f["size"].map("{:.9f}".format)),
        lambda f: f.assign(colour=f["colour"].str.upper().astype("category")),
        lambda f: f.assign(number=range(len(f)))[["number", *f.columns]],
        lambda f: f.assign(zero=0.0, one=1, none=None)[["zero", "one", "none", *f.columns]],
        lambda f: f.assign(label=np.where(f["label"] == "yes", "high", "low")),
    ],
    ids=[
        *("rows", "columns", "names", "precision", "text", "case", "identifier"),
        *("constants", "other classes"),
    ],
)
def test_copies_are_recognised(frame: pd.DataFrame, change: Any) -> None:
    """Order, names, types, precision, useless columns and class names do not matter."""
    assert _share(frame, change(frame)) == 1.0


def test_another_target_of_the_same_table_is_recognised(frame: pd.DataFrame) -> None:
    """The rows are the same whichever column is predicted."""
    first, second = _table("a", frame), _table("b", frame, target="colour")

    assert shared_rows([first, second])[0].share == 1.0


@pytest.mark.parametrize(("overlap", "is_family"), [(0.1, False), (0.15, False), (0.3, True)])
def test_a_fifth_of_the_rows_makes_a_family(
    make_frame: Any, overlap: float, is_family: bool
) -> None:
    """The share counts in the smaller table."""
    large = make_frame(1000, seed=1)
    kept = int(200 * overlap)
    small = pd.concat([large.iloc[:kept], make_frame(200 - kept, seed=2)])

    families = find_families([_table("large", large), _table("small", small)])

    assert (families["large"] == families["small"]) == is_family


def test_shares_of_large_tables_are_estimated_from_their_sketches(make_frame: Any) -> None:
    """Beyond the size of a sketch the share is an estimate, and rows beyond the cut count."""
    first, other = make_frame(20_000, seed=1), make_frame(10_000, seed=2)
    second = pd.concat([first.iloc[10_000:], other])

    share = _share(first, second.sample(frac=1, random_state=0))

    assert share == pytest.approx(0.5, abs=0.05)


def _truth_table(columns: int, seed: int) -> pd.DataFrame:
    cells = np.array(list(product([0, 1], repeat=columns)))
    frame = pd.DataFrame(cells, columns=[f"b{i}" for i in range(columns)])
    return frame.assign(label=np.random.default_rng(seed).integers(0, 2, len(frame)))


@pytest.mark.parametrize("as_text", [False, True])
def test_truth_tables_are_no_family_by_chance(as_text: bool) -> None:
    """All combinations of a few levels occur in unrelated tables as well."""
    first, second = _truth_table(9, seed=1), _truth_table(9, seed=2)
    if as_text:
        first, second = first.astype(str), second.astype(str)

    families = find_families([_table("a", first), _table("b", second)])

    assert families["a"] != families["b"]


def test_wide_binary_tables_are_no_family_by_chance() -> None:
    """Rows of flags are hardly more than their number of ones."""
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame(rng.integers(0, 2, (500, 150))).assign(label=rng.integers(0, 2, 500))
        for _ in range(2)
    ]

    assert shared_rows([_table(str(i), frame) for i, frame in enumerate(frames)]) == []


@pytest.mark.parametrize("columns", [2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("grades", [4, 10, 30])
def test_tables_of_small_integers_are_no_family_by_chance(columns: int, grades: int) -> None:
    """Grades repeat from table to table."""
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame(rng.integers(1, grades + 1, (rows, columns))).assign(
            label=rng.integers(0, 2, rows)
        )
        for rows in (100, 400, 700, 5000)
    ]

    assert shared_rows([_table(str(i), frame) for i, frame in enumerate(frames)]) == []


def test_whole_copies_of_tables_of_few_levels_are_recognised() -> None:
    """All rows together say enough where one row does not."""
    frame = _truth_table(6, seed=1)
    copy = frame.sample(frac=1, random_state=0).rename(columns={"b0": "z"})

    families = find_families([_table("a", frame), _table("b", copy)])

    assert families["a"] == families["b"]


def test_declared_families_are_joined_through_copies(make_named: Any) -> None:
    """A and b share rows, b and c a declared family: all three are one, with the declared name."""
    a = make_named("a", seed=1)
    b = make_named("b", seed=1, family="letters")
    c = make_named("c", seed=2, family="letters")
    d = make_named("d", seed=3)

    families = find_families([a, b, c, d])

    assert families == {"a": "letters", "b": "letters", "c": "letters", "d": d.family}


@pytest.mark.parametrize(
    "form", [lambda t: t, encode_table, lambda t: scale_table(encode_table(t))]
)
def test_every_form_of_a_table_is_accepted(make_named: Any, form: Any) -> None:
    """Raw, encoded and scaled tables are compared alike."""
    tables = [form(make_named("a", seed=1)), form(make_named("b", seed=1))]

    assert shared_rows(tables)[0].share == 1.0


def test_leakage_names_both_tables_their_roles_and_the_family(make_named: Any) -> None:
    """One sentence says what is where, and what to do."""
    roles = {
        "train": [make_named("x", seed=5), make_named("a", seed=1, family="letters")],
        "validation": [make_named("y", seed=6)],
        "test": [make_named("b", seed=1)],
    }

    with pytest.raises(UserError, match=r"'a' \(train\) and 'b' \(test\).* family 'letters'"):
        check_leakage(roles)


def test_declared_families_on_two_sides_are_leakage(make_named: Any) -> None:
    """Tables of one declared family need not share rows."""
    roles = {
        "train": [make_named("a", seed=1, family="letters")],
        "confirm": [make_named("b", seed=2, family="letters")],
    }

    with pytest.raises(UserError, match=r"'a'.*'b'"):
        check_leakage(roles)


def test_a_family_on_one_side_is_fine(make_named: Any) -> None:
    """Several tables of one family may have one role."""
    check_leakage(
        {
            "train": [make_named("a", seed=1), make_named("b", seed=1)],
            "test": [make_named("c", seed=2)],
        }
    )


def test_random_tables_cannot_leak() -> None:
    """Tables of the random prior may be on every side, even the same ones."""
    check_leakage({"train": [synthetic_table(0, 0)], "test": [synthetic_table(0, 0)]})
