"""Scaling of many small groups of rows at once, each group fitted on its own first rows.

It gives what ``scale_rows`` gives for each group, to rounding. An episode has a few dozen rows, of
which a few columns: what that costs is a hundred calls of NumPy, and here they serve all groups.
Columns lie beside each other, whatever group they are of (G), padded to the longest (R rows, of
which N may be fit rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from autometa.tables import (
    MOMENT_ROWS,
    MOST_DISTINCT,
    N_CHANNELS,
    N_STATISTICS,
    Z_LIMIT,
    ScaledRows,
    normal_scores_of,
    scale_rows,
)
from autometa.typing import BoolArray, FloatArray, IntArray

_CELLS = 1_000_000
"""Cells of one array, padding included; bounds memory."""


@dataclass(frozen=True)
class RowsToScale:
    """A group of rows.

    Attributes:
        values_RF: cells, any float dtype; NaN is missing.
        is_indicator_F: True for columns that hold 0 or 1.
        fit_rows: how many of the rows, from the first, may be looked at; at least one.
    """

    values_RF: FloatArray
    is_indicator_F: BoolArray
    fit_rows: int


def scale_together(groups: Sequence[RowsToScale]) -> list[ScaledRows]:
    """Returns the rows of each group, scaled as its first rows tell."""
    scaled: list[ScaledRows] = []
    for chunk in _chunks(groups):
        if len(chunk) == 1:
            only = chunk[0]
            scaled.append(scale_rows(only.values_RF, only.is_indicator_F, np.arange(only.fit_rows)))
        else:
            scaled += _scaled(chunk)
    return scaled


def _chunks(groups: Sequence[RowsToScale]) -> Iterator[list[RowsToScale]]:
    """Yields runs of groups whose arrays stay small; large groups stand alone."""
    chunk: list[RowsToScale] = []
    columns = rows = 0
    for group in groups:
        more_rows, more_columns = group.values_RF.shape
        wider, longer = max(columns, more_columns), max(rows, more_rows)
        size = (len(chunk) + 1) * wider * max(wider, longer)
        if chunk and (size > _CELLS or max(group.fit_rows, chunk[0].fit_rows) > MOMENT_ROWS):
            yield chunk
            chunk, wider, longer = [], more_columns, more_rows
        chunk.append(group)
        columns, rows = wider, longer
    if chunk:
        yield chunk


def _scaled(groups: Sequence[RowsToScale]) -> list[ScaledRows]:
    widths = [group.values_RF.shape[1] for group in groups]
    ends = np.cumsum(widths)
    starts = ends - widths
    group_G = np.repeat(np.arange(len(groups)), widths)
    n_G1 = np.array([group.fit_rows for group in groups])[group_G, None]
    is_indicator_G = np.concatenate([group.is_indicator_F for group in groups]).astype(bool)
    cells_GR = np.full((int(ends[-1]), max(len(group.values_RF) for group in groups)), np.nan)
    for group, start, end in zip(groups, starts, ends, strict=True):
        cells_GR[start:end, : len(group.values_RF)] = group.values_RF.T

    is_fit_GN = np.arange(int(n_G1.max())) < n_G1
    fit_GN = np.where(is_fit_GN, cells_GR[:, : is_fit_GN.shape[1]], np.nan)
    is_missing_GN = np.isnan(fit_GN) & is_fit_GN
    missing_G = is_missing_GN.sum(1)
    ascending_GN = np.sort(fit_GN, axis=1)  # NaN comes last
    median_G1 = _medians(ascending_GN, n_G1[:, 0] - missing_G)[:, None]
    holes = np.flatnonzero(missing_G)
    if len(holes):
        fit_GN = np.where(is_missing_GN, median_G1, fit_GN)
        ascending_GN[holes] = np.sort(fit_GN[holes], axis=1)
    # Ranks are those of the cells as they are: centring may merge small ones.
    filled_GR = np.where(np.isnan(cells_GR), median_G1, cells_GR)
    cells_GR = filled_GR - median_G1

    mean_G1, sd_G1 = _mean_and_sd(cells_GR, is_fit_GN, n_G1)
    largest_G1 = np.take_along_axis(ascending_GN, n_G1 - 1, 1)
    usable_G1 = (ascending_GN[:, :1] < largest_G1) & (sd_G1 > 0)
    z_GR = np.clip((cells_GR - mean_G1) / np.where(usable_G1, sd_G1, 1.0), -Z_LIMIT, Z_LIMIT)
    z_GR *= usable_G1
    usable_G = usable_G1[:, 0]

    x_GRH = np.repeat(z_GR.astype(np.float32)[..., None], N_CHANNELS, axis=2)
    ranked = np.flatnonzero(usable_G & ~is_indicator_G)
    if len(ranked):
        x_GRH[ranked, :, 1] = _rank_gauss(
            ascending_GN[ranked], filled_GR[ranked], is_fit_GN[ranked], n_G1[ranked]
        )

    stats_GJ = np.zeros((len(usable_G), N_STATISTICS))
    stats_GJ[:, 0] = is_indicator_G
    stats_GJ[:, 1] = np.where(is_indicator_G, (mean_G1 + median_G1)[:, 0], 0.0)
    with np.errstate(invalid="ignore"):
        distinct_G = 1 + (ascending_GN[:, 1:] > ascending_GN[:, :-1]).sum(1)
    stats_GJ[:, 2] = np.minimum(distinct_G, MOST_DISTINCT) / MOST_DISTINCT
    stats_GJ[:, 3] = missing_G / n_G1[:, 0]
    stats_GJ[:, 4:] = _moments(z_GR, is_fit_GN, n_G1, usable_G, group_G)
    stats_GJ = stats_GJ.astype(np.float32)
    return [
        ScaledRows(
            x_RFH=x_GRH[start:end, : len(group.values_RF)].transpose(1, 0, 2),
            stats_FJ=stats_GJ[start:end],
            usable_F=usable_G[start:end],
        )
        for group, start, end in zip(groups, starts, ends, strict=True)
    ]


def _medians(ascending_GN: FloatArray, present_G: IntArray) -> FloatArray:
    """Returns the medians of sorted columns whose missing cells come last; 0 where all are."""
    columns = np.arange(len(ascending_GN))
    last_G = np.maximum(present_G - 1, 0)
    middle_G = ascending_GN[columns, last_G // 2] + ascending_GN[columns, (last_G + 1) // 2]
    return np.where(present_G > 0, middle_G / 2, 0.0)


def _mean_and_sd(
    values_GR: FloatArray, is_fit_GN: BoolArray, n_G1: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Returns mean and standard deviation over the fit rows (G1 each)."""
    fit_GN = values_GR[:, : is_fit_GN.shape[1]]
    mean_G1 = np.where(is_fit_GN, fit_GN, 0.0).sum(1, keepdims=True) / n_G1
    apart_GN = np.where(is_fit_GN, fit_GN - mean_G1, 0.0)
    return mean_G1, np.sqrt((apart_GN * apart_GN).sum(1, keepdims=True) / n_G1)


def _rank_gauss(
    ascending_GN: FloatArray, cells_GR: FloatArray, is_fit_GN: BoolArray, n_G1: IntArray
) -> FloatArray:
    """Returns the standardised normal scores of cells among their sorted fit rows."""
    # PyTorch searches all columns in one call. Padding is larger than any cell.
    ordered = torch.from_numpy(np.where(is_fit_GN, ascending_GN, np.inf))
    sought = torch.from_numpy(np.ascontiguousarray(cells_GR))
    twice_rank_GR = torch.searchsorted(ordered, sought).numpy()
    twice_rank_GR = twice_rank_GR + torch.searchsorted(ordered, sought, right=True).numpy()
    sizes, which_G = np.unique(n_G1[:, 0], return_inverse=True)
    tables = [_scores(int(n)) for n in sizes]
    offsets = np.cumsum([0, *(len(table) for table in tables[:-1])])
    scores_GR = np.concatenate(tables)[twice_rank_GR + offsets[which_G, None]]
    mean_G1, sd_G1 = _mean_and_sd(scores_GR, is_fit_GN, n_G1)
    return np.asarray((scores_GR - mean_G1) / sd_G1)


@lru_cache(maxsize=1024)
def _scores(n: int) -> FloatArray:
    return normal_scores_of(n)


def _moments(
    z_GR: FloatArray,
    is_fit_GN: BoolArray,
    n_G1: IntArray,
    usable_G: BoolArray,
    group_G: IntArray,
) -> FloatArray:
    """Returns skewness, kurtosis and correlations (statistics 4 to 8) of each column."""
    place_G = np.arange(len(group_G)) - np.searchsorted(group_G, group_G)
    mean_G1, sd_G1 = _mean_and_sd(z_GR, is_fit_GN, n_G1)
    z_GN = np.where(is_fit_GN, z_GR[:, : is_fit_GN.shape[1]] - mean_G1, 0.0)
    z_GN /= np.where(sd_G1 > 0, sd_G1, 1.0)
    n_G = n_G1[:, 0]
    squared_GN = z_GN * z_GN
    skew_G = np.clip(np.einsum("gn,gn->g", squared_GN, z_GN) / n_G, -3, 3) / 3
    kurtosis_G = np.log1p(np.einsum("gn,gn->g", squared_GN, squared_GN) / n_G) / 3
    columns_KFN = np.zeros((int(group_G[-1]) + 1, int(place_G.max()) + 1, z_GN.shape[1]))
    columns_KFN[group_G, place_G] = z_GN
    correlation_KFF = np.abs(columns_KFN @ columns_KFN.transpose(0, 2, 1))
    diagonal = np.arange(correlation_KFF.shape[1])
    correlation_KFF[:, diagonal, diagonal] = 0.0
    others_K = np.maximum(1, np.bincount(group_G, usable_G) - 1)
    mean_G = correlation_KFF.sum(2)[group_G, place_G] / n_G / others_K[group_G]
    largest_G = correlation_KFF.max(2)[group_G, place_G] / n_G
    return np.stack([skew_G, kurtosis_G, mean_G, largest_G, np.abs(skew_G)], axis=1)
