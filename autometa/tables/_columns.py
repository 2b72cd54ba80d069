"""What becomes of one raw column: its plan, fitted without labels, and the numbers it gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from autometa.tables._cells import (
    CellKind,
    Cells,
    as_days,
    as_numbers,
    parse_dates,
    parse_number,
)
from autometa.typing import BoolArray, FloatArray, IntArray

CONSTANT, IDENTIFIER, ALL_MISSING = "constant", "identifier", "all missing"

MAX_LEVELS = 10
MIN_IDENTIFIER_ROWS = 20  # fewer rows are all distinct by chance
_PARSED_SHARE = 0.95
_MISSING_SHARE = (0.02, 0.98)
_TEXT_WORDS, _TEXT_LENGTH = 3.0, 20.0
_MAX_WORDS = 16
_WORD_SHARE = (0.05, 0.95)
_PROBES = 64
_WORD = re.compile(r"\w\w+")


class ColumnKind(StrEnum):
    """Kinds of raw columns, each with its own treatment.

    >>> import pandas as pd
    >>> from autometa.tables import FrameEncoder
    >>> frame = pd.DataFrame({"age": [31, 58], "since": ["2021-03-01", "2022-07-15"]})
    >>> [plan.kind.value for plan in FrameEncoder.fit(frame).plans]
    ['numeric', 'date']
    """

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXT = "text"


@dataclass(frozen=True)
class ColumnPlan:
    """How one raw column is encoded; plain values only, so that it can be written as JSON.

    Attributes:
        column: name of the raw column.
        position: its position in the table that was fitted.
        kind: its kind.
        levels: levels that get an indicator each.
        log_frequencies: log of the share of rows of each level that occurs at least twice; empty
            unless the column has a log-frequency column.
        rarest: log of the share of rows of the rarest level, which also stands for unknown ones.
        words: words that get an indicator each.
        has_hour: whether the dates have times of day.
        has_missing: whether there is an indicator of missing cells.
        only_missing: the column is constant where it is present, and only the indicator is left.

    >>> plan = ColumnPlan("size", 0, ColumnKind.CATEGORICAL, levels=("S", "M"), has_missing=True)
    >>> plan.encoded_names()
    ['size = S', 'size = M', 'size is missing']
    """

    column: str
    position: int
    kind: ColumnKind
    levels: tuple[str, ...] = ()
    log_frequencies: tuple[tuple[str, float], ...] = ()
    rarest: float = 0.0
    words: tuple[str, ...] = ()
    has_hour: bool = False
    has_missing: bool = False
    only_missing: bool = False

    def encoded_names(self) -> list[str]:
        """Returns a name for each encoded column, in order."""
        names: list[str] = []
        if not self.only_missing:
            names = [f"{self.column}{suffix}" for suffix in self._suffixes()]
        return [*names, f"{self.column} is missing"] if self.has_missing else names

    def are_indicators(self) -> list[bool]:
        """Returns whether each encoded column holds only 0 and 1."""
        flags: list[bool] = []
        if not self.only_missing:
            match self.kind:
                case ColumnKind.NUMERIC | ColumnKind.DATE:
                    flags = [False] * len(self._suffixes())
                case ColumnKind.BOOLEAN:
                    flags = [True]
                case ColumnKind.CATEGORICAL:
                    flags = [True] * len(self.levels) + [False] * bool(self.log_frequencies)
                case ColumnKind.TEXT:
                    flags = [False] * 3 + [True] * len(self.words)
        return [*flags, True] if self.has_missing else flags

    def _suffixes(self) -> list[str]:
        match self.kind:
            case ColumnKind.NUMERIC | ColumnKind.BOOLEAN:
                return [""]
            case ColumnKind.CATEGORICAL:
                frequency = [": log frequency"] if self.log_frequencies else []
                return [f" = {level}" for level in self.levels] + frequency
            case ColumnKind.DATE:
                hour = [": hour"] if self.has_hour else []
                return [": days", ": sin of year", ": cos of year", ": weekday", *hour]
            case ColumnKind.TEXT:
                return [
                    *(": length", ": words", ": share of digits"),
                    *(f" has {word}" for word in self.words),
                ]


def plan_column(cells: Cells, column: str, position: int) -> ColumnPlan | str:
    """Returns the plan of a column, or the reason for leaving it out.

    Args:
        cells: its cells.
        column: its name.
        position: its position in the table.
    """
    cells = _recognised(cells)
    present_R = cells.are_present()
    rows, present = len(present_R), int(present_R.sum())
    if present == 0:
        return ALL_MISSING
    low, high = _MISSING_SHARE
    has_missing = low <= 1 - present / rows <= high
    counts = np.bincount(cells.codes[cells.codes >= 0], minlength=len(cells.levels))
    if cells.kind in {CellKind.LEVELS, CellKind.TEXTS}:
        kind = _kind_of_levels(cells, counts)
    else:
        kind = _kind_of_numbers(cells.kind, cells.numbers[present_R], is_complete=present == rows)
    if not isinstance(kind, ColumnKind):
        if kind == CONSTANT and has_missing:
            category = ColumnKind.CATEGORICAL
            return ColumnPlan(column, position, category, has_missing=True, only_missing=True)
        return kind
    return _details(ColumnPlan(column, position, kind, has_missing=has_missing), cells, counts)


def _details(plan: ColumnPlan, cells: Cells, counts: IntArray) -> ColumnPlan:
    """Returns the plan with what its kind needs to know of the cells."""
    match plan.kind:
        case ColumnKind.CATEGORICAL:
            return _with_levels(plan, cells, counts)
        case ColumnKind.TEXT:
            return _with_words(plan, cells, counts)
        case ColumnKind.DATE:
            return replace(plan, has_hour=bool(np.any(np.mod(cells.numbers, 1) > 0)))
    return plan


def _recognised(cells: Cells) -> Cells:
    """Returns texts that show numbers or dates as such, other cells as they are."""
    if cells.kind != CellKind.TEXTS or not cells.levels:
        return cells
    counts = np.bincount(cells.codes[cells.codes >= 0], minlength=len(cells.levels))
    no_codes = np.empty(0, np.int64)
    if _mostly(cells.levels, counts, _are_numbers):
        return Cells(CellKind.NUMBERS, as_numbers(cells), no_codes, ())
    if _mostly(cells.levels, counts, _are_dates):
        return Cells(CellKind.DATES, as_days(cells), no_codes, ())
    return cells


def _kind_of_numbers(kind: CellKind, numbers: FloatArray, *, is_complete: bool) -> ColumnKind | str:
    lowest, highest = numbers.min(), numbers.max()
    if lowest == highest:
        return CONSTANT
    if kind == CellKind.FLAGS:
        return ColumnKind.BOOLEAN
    if kind == CellKind.DATES:
        return ColumnKind.DATE
    # Cheapest test first: a complete run of integers spans exactly its number of rows.
    is_run = is_complete and highest - lowest == len(numbers) - 1
    if is_run and len(numbers) >= MIN_IDENTIFIER_ROWS:
        ascending = np.sort(numbers)
        if np.all(np.diff(ascending) == 1) and float(lowest).is_integer():
            return IDENTIFIER
    return ColumnKind.NUMERIC


def _kind_of_levels(cells: Cells, counts: IntArray) -> ColumnKind | str:
    if len(counts) == 1:
        return CONSTANT
    is_text = cells.kind == CellKind.TEXTS and len(counts) > MAX_LEVELS
    if is_text and _are_sentences(cells.levels, counts):
        return ColumnKind.TEXT
    if len(counts) == counts.sum() >= MIN_IDENTIFIER_ROWS:
        return IDENTIFIER
    return ColumnKind.CATEGORICAL


def _are_numbers(texts: tuple[str, ...]) -> BoolArray:
    return ~np.isnan([parse_number(text) for text in texts])


def _are_dates(texts: tuple[str, ...]) -> BoolArray:
    return ~np.isnan(parse_dates(texts))


def _mostly(
    levels: tuple[str, ...], counts: IntArray, test: Callable[[tuple[str, ...]], BoolArray]
) -> bool:
    """Returns whether a test holds for at least 95 % of the cells.

    Evenly spaced levels are probed first: most columns of texts are nothing else at a glance.
    """
    probes = levels[:: max(1, len(levels) // _PROBES)]
    if len(probes) < len(levels) and np.mean(test(probes)) < 0.5:
        return False
    return bool(counts[test(levels)].sum() >= _PARSED_SHARE * counts.sum())


def _are_sentences(levels: tuple[str, ...], counts: IntArray) -> bool:
    words = np.array([level.count(" ") + 1 for level in levels])
    lengths = np.array([len(level) for level in levels])
    rows = counts.sum()
    return bool(words @ counts >= _TEXT_WORDS * rows and lengths @ counts >= _TEXT_LENGTH * rows)


def _with_levels(plan: ColumnPlan, cells: Cells, counts: IntArray) -> ColumnPlan:
    # Most frequent first, ties by name: nothing depends on the order of the rows.
    order = sorted(range(len(counts)), key=lambda code: (-counts[code], cells.levels[code]))
    names = [cells.levels[code] for code in order]
    if len(names) == 2:
        return replace(plan, levels=(names[0],))
    if len(names) <= MAX_LEVELS:
        return replace(plan, levels=tuple(names))
    logs = np.log(counts / counts.sum())
    known = tuple((cells.levels[code], float(logs[code])) for code in order if counts[code] > 1)
    return replace(
        plan,
        levels=tuple(names[:MAX_LEVELS]),
        # A column needs one entry for its log-frequency column to exist.
        log_frequencies=known or ((names[0], float(logs[order[0]])),),
        rarest=float(logs.min()),
    )


def _with_words(plan: ColumnPlan, cells: Cells, counts: IntArray) -> ColumnPlan:
    holding: Counter[str] = Counter()
    for level, count in zip(cells.levels, counts.tolist(), strict=True):
        for word in words_of(level):
            holding[word] += count
    low, high = (share * counts.sum() for share in _WORD_SHARE)
    half = counts.sum() / 2
    candidates = [word for word, count in holding.items() if low <= count <= high]
    candidates.sort(key=lambda word: (abs(holding[word] - half), word))
    return replace(plan, words=tuple(candidates[:_MAX_WORDS]))


def words_of(text: str) -> set[str]:
    """Returns the distinct words of a text, in lower case, of two characters or more."""
    return set(_WORD.findall(text.lower()))
