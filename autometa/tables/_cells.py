"""Cells of one raw column in a plain form, whatever pandas type holds them.

| pandas dtype                                     | read as |
|--------------------------------------------------|---------|
| integer, float, decimal, sparse, timedelta (s)   | numbers |
| bool, boolean, objects that are all bool         | flags   |
| datetime (zones dropped, wall clock kept), period| dates   |
| category                                         | levels  |
| string, mixed objects, intervals, anything else  | texts   |
| complex                                          | refused |

Missing: NaN, None, NaT, NA, infinities, and strings of blanks.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import numpy as np
import pandas as pd
from pandas.api import types as dtypes

from autometa.errors import UserError
from autometa.typing import BoolArray, FloatArray, IntArray

_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d*)?)(?:[eE][+-]?\d+)?(?:\s?%)?"
)
_ISO_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})
_LARGEST = 1e100  # squares and products of cells stay finite
_MICROSECONDS_PER_DAY = 86_400_000_000


class CellKind(StrEnum):
    """Forms that the cells of a column are read as."""

    NUMBERS = "numbers"
    FLAGS = "flags"
    DATES = "dates"
    LEVELS = "levels"
    TEXTS = "texts"


@dataclass(frozen=True)
class Cells:
    """The cells of one column.

    Attributes:
        kind: which of the two forms is filled in, and what it means.
        numbers: float64, NaN is missing: numbers, flags (0, 1) or dates (days since 1970-01-01).
        codes: int64 positions in ``levels``, -1 is missing: levels and texts.
        levels: the distinct strings, stripped, in order of appearance.
    """

    kind: CellKind
    numbers: FloatArray
    codes: IntArray
    levels: tuple[str, ...]

    def are_present(self) -> BoolArray:
        """Returns which cells are not missing."""
        if self.kind in {CellKind.LEVELS, CellKind.TEXTS}:
            return self.codes >= 0
        return ~np.isnan(self.numbers)


def read_cells(column: pd.Series, name: str) -> Cells:  # noqa: PLR0911 (a table of cases)
    """Returns the cells of a column.

    Args:
        column: any pandas column.
        name: what to call it in an error.

    Raises:
        UserError: the column holds complex numbers.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        levels = [level_text(level) for level in column.cat.categories]
        return _levels(CellKind.LEVELS, column.cat.codes.to_numpy(np.int64), levels)
    if dtypes.is_complex_dtype(dtype):
        raise UserError(
            f"a column must hold real numbers, but {name!r} holds complex ones: give their real "
            "and imaginary parts as two columns"
        )
    if dtypes.is_bool_dtype(dtype):
        return _numbers(CellKind.FLAGS, _floats(column))
    if dtypes.is_numeric_dtype(dtype):
        return _numbers(CellKind.NUMBERS, _floats(column))
    if dtypes.is_timedelta64_dtype(dtype):
        return _numbers(CellKind.NUMBERS, _floats(column.dt.total_seconds()))
    if isinstance(dtype, pd.PeriodDtype):
        return _dates(column.dt.to_timestamp())
    if isinstance(dtype, np.dtype | pd.DatetimeTZDtype) and dtypes.is_datetime64_any_dtype(dtype):
        return _dates(column)
    if isinstance(dtype, pd.ArrowDtype):
        column = column.astype(object)
        dtype = column.dtype
    if dtypes.is_object_dtype(dtype):
        return _objects(column, name)
    return _texts(column)


def _objects(column: pd.Series, name: str) -> Cells:  # noqa: PLR0911 (a table of cases)
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "complex":
        return read_cells(column.astype(complex), name)
    if inferred == "boolean":
        return _numbers(CellKind.FLAGS, _floats(column.astype("boolean")))
    if inferred in {"integer", "floating", "mixed-integer-float", "decimal"}:
        return _numbers(CellKind.NUMBERS, _floats(pd.to_numeric(column, errors="coerce")))
    if inferred in {"datetime", "datetime64", "date"}:
        try:
            return _dates(pd.to_datetime(column))
        except (ValueError, TypeError):  # mixed zones, or mixed dates and times
            return _dates(pd.to_datetime(column, utc=True, format="mixed", errors="coerce"))
    if inferred in {"timedelta", "timedelta64"}:
        return read_cells(pd.to_timedelta(column), name)
    return _texts(column)


def _texts(column: pd.Series) -> Cells:
    try:
        codes, distinct = pd.factorize(column, use_na_sentinel=True)
    except TypeError:  # cells that cannot be hashed, such as lists
        strings = column.map(level_text, na_action="ignore")
        codes, distinct = pd.factorize(strings, use_na_sentinel=True)
    return _levels(CellKind.TEXTS, codes.astype(np.int64), [level_text(cell) for cell in distinct])


def _levels(kind: CellKind, codes: IntArray, levels: list[str]) -> Cells:
    """Merges levels that are equal once stripped, and makes blank ones missing."""
    position: dict[str, int] = {}
    # The last place answers code -1.
    merged = np.full(len(levels) + 1, -1, np.int64)
    used = np.bincount(codes[codes >= 0], minlength=len(levels))
    for code, level in enumerate(levels):
        if level and used[code]:
            merged[code] = position.setdefault(level, len(position))
    return Cells(kind, np.empty(0), merged[codes], tuple(position))


def _numbers(kind: CellKind, numbers: FloatArray) -> Cells:
    if not np.isfinite(numbers).all():
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    if kind == CellKind.NUMBERS:
        numbers = np.clip(numbers, -_LARGEST, _LARGEST)
    return Cells(kind, numbers, np.empty(0, np.int64), ())


def _floats(column: pd.Series) -> FloatArray:
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), np.float64)


def _dates(column: pd.Series) -> Cells:
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_localize(None)
    stamps = column.to_numpy(dtype="datetime64[us]", na_value=np.datetime64("NaT"))
    return Cells(CellKind.DATES, _days(stamps), np.empty(0, np.int64), ())


def _days(stamps: np.ndarray[Any, np.dtype[np.datetime64]]) -> FloatArray:
    days = stamps.astype(np.int64) / _MICROSECONDS_PER_DAY
    return np.where(np.isnat(stamps), np.nan, days)


def level_text(value: object) -> str:
    """Returns the name of a level: whole floats read as integers, strings are stripped."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return value.decode("latin-1").strip()
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def parse_number(text: str) -> float:
    """Returns the number that a text such as ``1,234`` or ``12%`` shows, NaN for other texts."""
    if _NUMBER.fullmatch(text) is None:
        return np.nan
    plain = text.replace(",", "")
    if plain.endswith("%"):
        return float(plain[:-1]) / 100
    number = float(plain)
    return float(np.clip(number, -_LARGEST, _LARGEST)) if np.isfinite(number) else np.nan


def parse_dates(texts: tuple[str, ...]) -> FloatArray:
    """Returns days since 1970-01-01 of ISO dates (with or without a time), NaN for other texts."""
    days = np.full(len(texts), np.nan)
    matched = [i for i, text in enumerate(texts) if _ISO_DATE.fullmatch(text)]
    if matched:
        stamps = pd.to_datetime(
            pd.Series([texts[i] for i in matched], dtype=object),
            format="ISO8601",
            errors="coerce",
            utc=True,
        )
        days[matched] = _dates(stamps).numbers
    return days


def as_numbers(cells: Cells) -> FloatArray:
    """Returns the cells as numbers; texts that show none, and dates, are missing."""
    if cells.kind in {CellKind.NUMBERS, CellKind.FLAGS}:
        return cells.numbers
    if cells.kind == CellKind.DATES:
        return np.full(len(cells.numbers), np.nan)
    return _take([parse_number(level) for level in cells.levels], cells.codes)


def as_flags(cells: Cells) -> FloatArray:
    """Returns the cells as 0 and 1 (also of words such as ``yes``); others are missing."""
    if cells.kind in {CellKind.LEVELS, CellKind.TEXTS}:
        words = [level.lower() for level in cells.levels]
        flags = [1.0 if w in _TRUE else 0.0 if w in _FALSE else np.nan for w in words]
        return _take(flags, cells.codes)
    return np.where((cells.numbers == 0) | (cells.numbers == 1), cells.numbers, np.nan)


def as_days(cells: Cells) -> FloatArray:
    """Returns the cells as days since 1970-01-01; what is no date is missing."""
    if cells.kind == CellKind.DATES:
        return cells.numbers
    if cells.kind in {CellKind.LEVELS, CellKind.TEXTS}:
        return _take(parse_dates(cells.levels), cells.codes)
    return np.full(len(cells.numbers), np.nan)


def as_levels(cells: Cells) -> tuple[IntArray, tuple[str, ...]]:
    """Returns the cells as codes (-1 is missing) and the strings that they stand for."""
    if cells.kind in {CellKind.LEVELS, CellKind.TEXTS}:
        return cells.codes, cells.levels
    codes, distinct = pd.factorize(cells.numbers, use_na_sentinel=True)
    if cells.kind == CellKind.FLAGS:
        return codes, tuple(str(bool(flag)) for flag in distinct)
    if cells.kind == CellKind.DATES:
        epoch = datetime.datetime(1970, 1, 1)
        return codes, tuple(str(epoch + datetime.timedelta(float(day))) for day in distinct)
    return codes, tuple(level_text(number) for number in cast("FloatArray", distinct))


def _take(values: FloatArray | list[float], codes: IntArray) -> FloatArray:
    """Returns the value of each code; NaN for -1."""
    return np.append(np.asarray(values, np.float64), np.nan)[codes]
