"""One raw column to numbers, as its plan says."""

from __future__ import annotations

import numpy as np

from autometa.tables._cells import Cells, as_days, as_flags, as_levels, as_numbers
from autometa.tables._columns import ColumnKind, ColumnPlan, words_of
from autometa.typing import FloatArray

_DAYS_PER_YEAR = 365.25


def encode_column(plan: ColumnPlan, cells: Cells) -> FloatArray:
    """Returns the encoded columns of a raw column, float64 (rows, columns); NaN is missing.

    Indicators hold 0 where the cell is missing or its level unknown.

    Args:
        plan: how to encode it.
        cells: its cells, of the rows that were fitted or of later ones.
    """
    blocks: list[FloatArray] = []
    present_R = cells.are_present()
    if not plan.only_missing:
        match plan.kind:
            case ColumnKind.NUMERIC:
                numbers_R = as_numbers(cells)
                present_R = ~np.isnan(numbers_R)
                blocks.append(numbers_R[:, None])
            case ColumnKind.BOOLEAN:
                flags_R = as_flags(cells)
                present_R = ~np.isnan(flags_R)
                blocks.append((flags_R == 1)[:, None].astype(np.float64))
            case ColumnKind.CATEGORICAL:
                blocks.append(_level_columns(plan, cells))
            case ColumnKind.DATE:
                days_R = as_days(cells)
                present_R = ~np.isnan(days_R)
                blocks.append(_date_columns(plan, days_R))
            case ColumnKind.TEXT:
                blocks.append(_text_columns(plan, cells))
    if plan.has_missing:
        blocks.append((~present_R)[:, None].astype(np.float64))
    return np.concatenate(blocks, axis=1)


def _level_columns(plan: ColumnPlan, cells: Cells) -> FloatArray:
    codes_R, levels = as_levels(cells)
    place = {level: i for i, level in enumerate(plan.levels)}
    # The extra place answers code -1.
    place_R = np.array([*(place.get(level, -1) for level in levels), -1])[codes_R]
    has_frequency = bool(plan.log_frequencies)
    columns_RF = np.zeros((len(codes_R), len(plan.levels) + has_frequency))
    known = np.flatnonzero(place_R >= 0)
    columns_RF[known, place_R[known]] = 1.0
    if has_frequency:
        logs = dict(plan.log_frequencies)
        log_of = np.array([*(logs.get(level, plan.rarest) for level in levels), np.nan])
        columns_RF[:, -1] = log_of[codes_R]
    return columns_RF


def _date_columns(plan: ColumnPlan, days_R: FloatArray) -> FloatArray:
    whole_R = np.floor(days_R)
    stamps = np.where(np.isnan(whole_R), 0, whole_R).astype("datetime64[D]")
    in_year = (stamps - stamps.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    angle_R = np.where(np.isnan(days_R), np.nan, 2 * np.pi * in_year / _DAYS_PER_YEAR)
    # 1970-01-01 was a Thursday; Monday counts as 0.
    parts = [days_R, np.sin(angle_R), np.cos(angle_R), np.mod(whole_R + 3, 7)]
    if plan.has_hour:
        parts.append(np.round((days_R - whole_R) * 24, 6))  # days have few digits to spare
    return np.stack(parts, axis=1)


def _text_columns(plan: ColumnPlan, cells: Cells) -> FloatArray:
    codes_R, levels = as_levels(cells)
    per_level = np.zeros((len(levels) + 1, 3 + len(plan.words)))
    per_level[-1, :3] = np.nan  # answers code -1
    for i, text in enumerate(levels):
        digits = sum(map(str.isdigit, text))
        found = words_of(text)
        per_level[i] = [
            *(len(text), text.count(" ") + 1, digits / max(1, len(text))),
            *(word in found for word in plan.words),
        ]
    return per_level[codes_R]
