"""Stage 1: each kind of raw column has its stated treatment."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.errors import UserError
from autometa.tables import ColumnKind, FrameEncoder


def _encoded(cells: Any, rows: Any = None) -> tuple[FrameEncoder, np.ndarray]:
    encoder = FrameEncoder.fit(pd.DataFrame({"a": cells}))
    return encoder, encoder.transform(pd.DataFrame({"a": cells if rows is None else rows}))


def _kind(encoder: FrameEncoder) -> ColumnKind:
    (plan,) = encoder.plans
    return plan.kind


NUMBERS = [1.5, -2.0, 1.5, 7.0, 0.0]


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(NUMBERS),
        pd.Series(NUMBERS, dtype="float32"),
        pd.Series(NUMBERS, dtype="Float64"),
        pd.Series(NUMBERS, dtype=object),
        pd.Series(NUMBERS, dtype="double[pyarrow]"),
        pd.Series(["1.5", "-2", " 1.5 ", "+7.0", "0"]),
        pd.Series(["1.5", "-2", "1.5", "7e0", "0"], dtype="string"),
        pd.Series(["150%", "-200 %", "150%", "700%", "0%"]),
        pd.Series(pd.arrays.SparseArray(NUMBERS)),
        pd.to_timedelta(pd.Series(NUMBERS), unit="s"),
        pd.Series(pd.to_timedelta(NUMBERS, unit="s"), dtype=object),
    ],
    ids=lambda cells: str(cells.dtype),
)
def test_numbers_of_every_dtype_are_read(cells: pd.Series) -> None:
    """Numbers are numeric whatever dtype or text holds them."""
    encoder, values = _encoded(cells)

    assert _kind(encoder) == ColumnKind.NUMERIC
    assert values[:, 0] == pytest.approx(NUMBERS)
    assert encoder.is_indicator_F.tolist() == [False]


def test_text_with_thousands_is_numeric() -> None:
    """Groups of three digits are read as one number."""
    encoder, values = _encoded(["1,234", "12,345,678.5", "7", "-1,000"])

    assert _kind(encoder) == ColumnKind.NUMERIC
    assert values[:, 0].tolist() == [1234.0, 12345678.5, 7.0, -1000.0]


def test_a_few_unreadable_numbers_are_missing() -> None:
    """Up to 5 % of other texts leave a column numeric."""
    cells = [str(i % 13) for i in range(97)] + ["n/a", "-", "unknown"]

    encoder, values = _encoded(cells)

    assert _kind(encoder) == ColumnKind.NUMERIC
    assert np.isnan(values[97:, 0]).all()
    assert encoder.plans[0].has_missing


def test_more_unreadable_numbers_make_a_category() -> None:
    """Beyond 5 % of other texts a column is categorical."""
    encoder, _ = _encoded([str(i % 3) for i in range(90)] + ["other"] * 10)

    assert _kind(encoder) == ColumnKind.CATEGORICAL


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_up_to_ten_levels_get_an_indicator_each(dtype: Any) -> None:
    """A category of three levels is three indicators, the commonest first."""
    encoder, values = _encoded(pd.Series(["b", "a", "b", "c", "b", "a"], dtype=dtype))

    assert encoder.encoded_names() == ("a = b", "a = a", "a = c")
    assert encoder.is_indicator_F.all()
    assert values.argmax(1).tolist() == [0, 1, 0, 2, 0, 1]
    assert values.sum(1).tolist() == [1.0] * 6


def test_two_levels_get_one_indicator() -> None:
    """A binary category is one indicator, of the commoner level."""
    encoder, values = _encoded(["x", "y", "y"])

    assert encoder.encoded_names() == ("a = y",)
    assert values[:, 0].tolist() == [0.0, 1.0, 1.0]


def test_a_category_of_numbers_stays_a_category() -> None:
    """The category dtype is believed, and whole floats are named as integers."""
    cells = pd.Series([3.0, 1.0, 2.0, 1.0], dtype="category")

    encoder, values = _encoded(cells, rows=["1", "2", "3", "1.0"])

    assert _kind(encoder) == ColumnKind.CATEGORICAL
    assert encoder.plans[0].levels == ("1", "2", "3")
    assert values.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_unused_categories_are_no_levels() -> None:
    """Only levels that occur count."""
    encoder, _ = _encoded(pd.Categorical(["x", "y", "y"], categories=["x", "y", "z"]))

    assert encoder.plans[0].levels == ("y",)


def test_many_levels_get_ten_indicators_and_a_log_frequency() -> None:
    """High cardinality: the ten commonest levels, and how common the level is."""
    cells = [f"l{i}" for i in range(20) for _ in range(20 - i)]

    encoder, values = _encoded(cells, rows=["l0", "l9", "l10", "l19", "new", None])

    assert encoder.is_indicator_F.tolist() == [True] * 10 + [False]
    assert values[:, :10].sum(1).tolist() == [1, 1, 0, 0, 0, 0]
    assert values[:5, 10] == pytest.approx(np.log(np.array([20, 11, 10, 1, 1]) / 210))
    assert np.isnan(values[5, 10])


@pytest.mark.parametrize("dtype", ["bool", "boolean", object])
def test_booleans_get_one_indicator(dtype: Any) -> None:
    """A flag is one indicator of true."""
    encoder, values = _encoded(pd.Series([True, False, True], dtype=dtype))

    assert _kind(encoder) == ColumnKind.BOOLEAN
    assert values[:, 0].tolist() == [1.0, 0.0, 1.0]


def test_booleans_are_read_from_words_and_numbers_later() -> None:
    """Rows from another file may spell flags differently."""
    encoder, _ = _encoded([True, False, True])

    texts = encoder.transform(pd.DataFrame({"a": ["yes", "FALSE", "1", "?"]}))
    numbers = encoder.transform(pd.DataFrame({"a": [1.0, 0.0, np.nan]}))

    assert texts[:, 0].tolist() == [1, 0, 1, 0]
    assert numbers[:, 0].tolist() == [1, 0, 0]


STAMPS = pd.to_datetime(["1970-01-01", "1970-01-02", "2024-07-01", None])


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(STAMPS),
        pd.Series(STAMPS).dt.tz_localize("Europe/Paris"),
        pd.Series(STAMPS, dtype=object),
        pd.Series(STAMPS).dt.date,
        pd.Series(STAMPS).dt.to_period("D"),
        pd.Series(STAMPS.astype("datetime64[us]")).astype("timestamp[us][pyarrow]"),
        pd.Series(STAMPS).dt.date.astype("date32[pyarrow]"),
        pd.Series(["1970-01-01", "1970-01-02", "2024-07-01", ""]),
        pd.Series(["1970-01-01T00:00", "1970-01-02T00:00:00Z", "2024-07-01 00:00:00", None]),
    ],
    ids=[
        *("naive", "zone", "object", "date", "period", "arrow", "arrow date"),
        *("text", "text with time"),
    ],
)
def test_dates_become_days_season_and_weekday(cells: pd.Series) -> None:
    """A date is days since 1970, a point on the circle of the year, and a weekday."""
    encoder, values = _encoded(cells)

    assert _kind(encoder) == ColumnKind.DATE
    assert values.shape == (4, 5)
    assert values[:3, 0].tolist() == [0.0, 1.0, 19905.0]
    assert values[0, 1:3] == pytest.approx([0.0, 1.0])
    assert np.hypot(values[:3, 1], values[:3, 2]) == pytest.approx(np.ones(3))
    assert values[:3, 3].tolist() == [3, 4, 0]
    assert np.isnan(values[3, :4]).all()
    assert values[:, 4].tolist() == [0, 0, 0, 1]


def test_dates_with_a_time_have_an_hour() -> None:
    """The hour is there where any cell has one."""
    encoder, values = _encoded(["2024-01-01 06:30", "2024-01-02 00:00", "2024-01-02 18:00"])

    assert encoder.encoded_names()[-1] == "a: hour"
    assert values[:, -1].tolist() == [6.5, 0.0, 18.0]


def test_impossible_dates_are_missing() -> None:
    """A date that the calendar lacks is a missing cell."""
    encoder, values = _encoded([f"2024-01-{day:02}" for day in range(1, 31)] + ["2024-02-31"])

    assert _kind(encoder) == ColumnKind.DATE
    assert np.isnan(values[-1, 0])


def _reviews() -> list[str]:
    rng = np.random.default_rng(0)
    words = ["always", "bread", "carpet", "daring", "Eleven", "figure 7"]
    return [" ".join(rng.choice(words, size=6)) for _ in range(60)]


def test_sentences_become_counts_and_words() -> None:
    """Text gives length, words, share of digits and the most telling words."""
    cells = _reviews()

    encoder, values = _encoded(cells, rows=[*cells, None, "eleven 11"])

    assert _kind(encoder) == ColumnKind.TEXT
    assert set(encoder.plans[0].words) <= {
        *("always", "bread", "carpet", "daring", "eleven", "figure")
    }
    assert values[0, 0] == len(cells[0])
    assert values[0, 1] == cells[0].count(" ") + 1
    assert np.isnan(values[60, :3]).all()
    assert not values[60, 3:].any()
    assert values[61, 2] == pytest.approx(2 / 9)
    assert values[61, 3:].sum() == 1
    assert encoder.is_indicator_F.tolist() == [False] * 3 + [True] * len(encoder.plans[0].words)


def test_words_have_between_5_and_95_percent_and_half_comes_first() -> None:
    """Words that nearly all or hardly any rows hold are left out."""
    cells = [
        f"common sentence number{i} with {'half' if i % 2 else 'other'} "
        f"{'third' if i % 3 == 0 else ''}"
        for i in range(60)
    ]

    encoder, _ = _encoded(cells)

    assert encoder.plans[0].words == ("half", "other", "third")


def test_missing_numbers_stay_missing_and_get_an_indicator() -> None:
    """Between 2 and 98 % of missing cells there is an indicator of them."""
    encoder, values = _encoded([1.0, np.nan, np.inf, -np.inf, 3.0])

    assert encoder.is_indicator_F.tolist() == [False, True]
    assert np.isnan(values[:, 0]).tolist() == [False, True, True, True, False]
    assert values[:, 1].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(("missing", "indicators"), [(1, 0), (2, 1), (98, 1), (99, 0)])
def test_the_missing_indicator_needs_2_to_98_percent(missing: int, indicators: int) -> None:
    """Rare and nearly universal missing cells get no indicator."""
    cells = [None] * missing + [["x", "y"][i % 2] for i in range(100 - missing)]

    encoder, _ = _encoded(cells)

    assert sum(plan.has_missing for plan in encoder.plans) == indicators


def test_missing_categories_are_no_level() -> None:
    """A missing or blank cell has no indicator but that of missing cells."""
    encoder, values = _encoded(["x", None, "  ", "y", "x"])

    assert encoder.encoded_names() == ("a = x", "a is missing")
    assert values.tolist() == [[1, 0], [0, 1], [0, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([3.0] * 5, "constant"),
        (["x"] * 5, "constant"),
        ([True] * 5, "constant"),
        ([None] * 5, "all missing"),
        ([np.nan] * 5, "all missing"),
        ([pd.NaT] * 5, "all missing"),
        (["", " "] * 5, "all missing"),
        (pd.Series([pd.NA] * 5, dtype="Int64"), "all missing"),
        (pd.Series([None] * 5, dtype="category"), "all missing"),
        (range(7, 47), "identifier"),
        (np.random.default_rng(0).permutation(40), "identifier"),
        ([f"row{i}" for i in range(40)], "identifier"),
        (pd.Series([f"row{i}" for i in range(40)], dtype="category"), "identifier"),
        ([str(i) for i in range(40)], "identifier"),
    ],
)
def test_columns_that_say_nothing_are_dropped_with_a_reason(cells: Any, reason: str) -> None:
    """Constant, missing and identifying columns are left out, and it is said why."""
    encoder, values = _encoded(cells)

    assert encoder.dropped == {"a": reason}
    assert values.shape == (len(cells), 0)


def test_a_constant_with_missing_cells_keeps_their_indicator() -> None:
    """What is there or not can tell something."""
    encoder, values = _encoded(["yes", None, "yes", None])

    assert encoder.encoded_names() == ("a is missing",)
    assert encoder.dropped == {}
    assert values[:, 0].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("cells", [range(19), [f"row{i}" for i in range(19)]])
def test_few_rows_have_no_identifiers(cells: Any) -> None:
    """Below 20 rows distinct cells are no sign of an identifier."""
    encoder, _ = _encoded(cells)

    assert encoder.dropped == {}


@pytest.mark.parametrize(
    "cells",
    [
        [i + 0.5 for i in range(40)],
        [2 * i for i in range(40)],
        [*range(39), 3],
        [*range(39), None],
    ],
    ids=["halves", "gaps", "repeated", "missing"],
)
def test_numbers_that_are_no_complete_run_are_kept(cells: Any) -> None:
    """Only complete runs of integers are identifiers."""
    encoder, _ = _encoded(cells)

    assert _kind(encoder) == ColumnKind.NUMERIC


def test_unknown_levels_have_no_indicator() -> None:
    """A level that was not fitted is all zeros."""
    _, values = _encoded(["x", "y", "z"], rows=["w", "x", None])

    assert values.sum(1).tolist() == [0, 1, 0]


def test_text_in_a_numeric_column_is_missing_later() -> None:
    """A numeric column that now holds words has missing cells."""
    _, values = _encoded([1.0, 2.0, 4.0], rows=["2.5", "many", None])

    assert values[0, 0] == 2.5
    assert np.isnan(values[1:, 0]).all()


def test_numbers_in_a_date_column_are_missing_later() -> None:
    """A column of dates that now holds numbers has missing cells."""
    _, values = _encoded(["2024-01-01", "2024-01-03"], rows=[1.0, 2.0])

    assert np.isnan(values).all()


def test_dates_in_other_columns_are_read_as_well_as_they_can_be() -> None:
    """Dates are missing numbers and unknown levels."""
    rows = pd.to_datetime(pd.Series(["2024-01-01", None]))

    _, numbers = _encoded([1.0, 2.0], rows=rows)
    _, levels = _encoded(["x", "y", "z"], rows=rows)

    assert np.isnan(numbers).all()
    assert not levels.any()


def test_a_missing_column_is_refused_by_name() -> None:
    """Rows without a fitted column cannot be encoded."""
    encoder = FrameEncoder.fit(pd.DataFrame({"a": [1, 2], "b": [3, 1], "c": [5, 5]}))

    with pytest.raises(UserError, match="'b' is missing"):
        encoder.transform(pd.DataFrame({"a": [1]}))


def test_further_columns_and_other_orders_are_accepted() -> None:
    """Columns are found by name; dropped ones need not be there."""
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 1], "c": [5, 5]})
    encoder = FrameEncoder.fit(frame)

    values = encoder.transform(pd.DataFrame({"z": ["?"], "b": [4], "a": [9]}))

    assert values.tolist() == [[9.0, 4.0]]


def test_column_names_need_not_be_strings() -> None:
    """Integers and tuples name columns as well."""
    frame = pd.DataFrame([[1, "x"], [2, "y"]], columns=pd.Index([0, (1, "b")], tupleize_cols=False))

    encoder = FrameEncoder.fit(frame)

    assert encoder.encoded_names()[0] == "0"
    assert encoder.transform(frame).shape == (2, 2)


@pytest.mark.parametrize("names", [["a", "a"], [1, "1"]])
def test_columns_of_one_name_are_refused(names: list[Any]) -> None:
    """Two columns of one name cannot be told apart."""
    with pytest.raises(UserError, match="occurs more than once"):
        FrameEncoder.fit(pd.DataFrame([[1, 2]], columns=names))


@pytest.mark.parametrize("dtype", [complex, object])
def test_complex_numbers_are_refused(dtype: Any) -> None:
    """Complex numbers have no order."""
    with pytest.raises(UserError, match="'a' holds complex"):
        _encoded(pd.Series([1j, 2 + 1j], dtype=dtype))


def test_no_rows_are_refused() -> None:
    """An encoder needs something to look at."""
    with pytest.raises(UserError, match="at least one row"):
        FrameEncoder.fit(pd.DataFrame({"a": []}))


def test_mixed_and_odd_objects_are_categories() -> None:
    """Cells of several types, even unhashable ones, are read as their text."""
    encoder, values = _encoded(pd.Series([1, "x", [1], None, [1], b"x"], dtype=object))

    assert _kind(encoder) == ColumnKind.CATEGORICAL
    assert set(encoder.plans[0].levels) == {"1", "x", "[1]"}
    assert values.shape == (6, 4)


def test_intervals_are_categories() -> None:
    """Bins of pandas.cut are levels, and so are its intervals as such."""
    binned = pd.Series(pd.cut([1, 5, 9, 1], bins=3))

    encoder, values = _encoded(binned)
    plain, _ = _encoded(binned.astype(object))

    assert _kind(encoder) == _kind(plain) == ColumnKind.CATEGORICAL
    assert values.sum(1).tolist() == [1.0] * 4


def test_enormous_numbers_stay_finite() -> None:
    """Cells are cut at 1e100, so that their squares are finite."""
    _, values = _encoded([1e300, -1e300, 1.0])

    assert values[:, 0].tolist() == [1e100, -1e100, 1.0]


def test_sources_point_at_the_raw_columns() -> None:
    """Each encoded column knows the position of the raw column it came from."""
    frame = pd.DataFrame({"c": [0, 0, 0], "a": ["x", "y", "z"], "b": [1.0, None, 2.0]})

    encoder = FrameEncoder.fit(frame)

    assert encoder.source_column_F.tolist() == [1, 1, 1, 2, 2]
    assert encoder.source_column_F.dtype == np.int32


def test_wide_tables_keep_every_column() -> None:
    """There is no limit on the number of columns."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 300)))

    assert FrameEncoder.fit(frame).transform(frame).shape == (20, 300)


def test_the_order_of_rows_does_not_change_the_plans() -> None:
    """The same rows in another order are encoded alike."""
    frame = pd.DataFrame(
        {
            "a": list("aabbccdde") * 3,
            "b": [f"l{i % 12}" for i in range(27)],
            "c": [f"review number {i} of this many" for i in range(27)],
        }
    )

    first = FrameEncoder.fit(frame)
    second = FrameEncoder.fit(frame.sample(frac=1, random_state=1))

    assert first.plans[0].levels == second.plans[0].levels
    assert np.array_equal(first.transform(frame), second.transform(frame), equal_nan=True)


def test_plans_can_be_written_as_json() -> None:
    """A plan holds plain values only."""
    frame = pd.DataFrame({"a": [f"l{i % 12}" for i in range(30)], "b": _reviews()[:30]})

    plans = FrameEncoder.fit(frame).plans

    assert json.loads(json.dumps([asdict(plan) for plan in plans]))


def test_a_frame_is_left_as_it_is() -> None:
    """Neither fitting nor encoding changes the frame."""
    frame = pd.DataFrame({"a": ["1", " 2", None], "b": [np.inf, 1.0, 2.0]})
    before = frame.copy(deep=True)

    FrameEncoder.fit(frame).transform(frame)

    pd.testing.assert_frame_equal(frame, before)
