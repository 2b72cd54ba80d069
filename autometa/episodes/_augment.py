"""New tasks from old tables: other columns become the label, so that few tables give many tasks.

Two kinds of relabelling are drawn, both followed half of the time by a random subset of columns:

- a column becomes the label (numeric columns are cut at random quantiles into 2 to 5 classes), and
  every encoded column of the same source column is removed;
- clusters of a random subset of columns become the label, and these columns are removed (STUNT,
  Nam et al., ICLR 2023, arXiv 2303.00918, section 3.2).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from autometa.tables import ScaledTable, scale_rows
from autometa.typing import BoolArray, FloatArray, IntArray

_MAX_ROWS = 400
_MAX_COLUMNS = 64
_MIN_CLASS_ROWS = 24
_MIN_COLUMNS = 2
_COLUMN_LABEL_SHARE = 0.65
_LLOYD_STEPS = 4
_PURPOSE = 0xA06


def augmented_table(table: ScaledTable, *, rng: np.random.Generator) -> ScaledTable | None:
    """Returns a relabelled copy of a table, or None where the draw gave no usable task.

    Args:
        table: the table to relabel; at most 400 of its rows and 64 of its columns are used.
        rng: source of randomness.
    """
    rows = rng.permutation(len(table.y_R))[:_MAX_ROWS]
    usable = np.flatnonzero(table.usable_F)
    if len(usable) < 2 * _MIN_COLUMNS:
        return None
    if len(usable) > _MAX_COLUMNS:
        usable = np.sort(rng.permutation(usable)[:_MAX_COLUMNS])
    z_RG = np.asarray(table.x_RFH[rows][:, usable, 0])
    if rng.random() < _COLUMN_LABEL_SHARE:
        y_R, picked = _column_as_label(z_RG, table.is_indicator_F[usable], rng)
    else:
        y_R, picked = _clusters_as_label(z_RG, rng)
    spent = usable[picked]
    removed = np.isin(table.source_column_F, table.source_column_F[spent])
    kept = usable[~removed[usable]]
    if rng.random() < 0.5:
        share = rng.uniform(0.4, 1.0)
        kept = np.sort(rng.permutation(kept)[: max(_MIN_COLUMNS, int(len(kept) * share))])
    counts = np.bincount(y_R)
    large = np.flatnonzero(counts >= _MIN_CLASS_ROWS)
    if len(kept) < _MIN_COLUMNS or len(large) < 2:
        return None
    code = np.full(len(counts), -1)
    code[large] = np.arange(len(large))
    inside = np.flatnonzero(code[y_R] >= 0)
    values_RF = np.asarray(table.values_RF[rows[inside]][:, kept])
    is_indicator_F = np.asarray(table.is_indicator_F)[kept]
    scaled = scale_rows(values_RF, is_indicator_F, np.arange(len(inside)))
    if scaled.usable_F.sum() < _MIN_COLUMNS:
        return None
    return dataclasses.replace(
        table,
        name=f"{table.name}~augmented",
        x_RFH=scaled.x_RFH,
        stats_FJ=scaled.stats_FJ,
        usable_F=scaled.usable_F,
        values_RF=values_RF,
        y_R=code[y_R[inside]],
        is_indicator_F=is_indicator_F,
        source_column_F=np.asarray(table.source_column_F)[kept],
    )


def _column_as_label(
    z_RG: FloatArray, is_indicator_G: BoolArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    column = int(rng.integers(z_RG.shape[1]))
    z_R = z_RG[:, column]
    if is_indicator_G[column]:
        return (z_R > 0).astype(np.int64), np.array([column])
    classes = int(rng.choice([2, 2, 3, 4, 5]))
    shares = np.cumsum(rng.dirichlet(np.full(classes, 8.0)))[:-1]
    # A little noise splits the ties of rounded columns.
    noisy_R = z_R + 1e-3 * rng.normal(size=len(z_R))
    return np.digitize(noisy_R, np.quantile(noisy_R, shares)), np.array([column])


def _clusters_as_label(z_RG: FloatArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    count = int(rng.integers(1, max(2, z_RG.shape[1] // 2)))
    columns = rng.permutation(z_RG.shape[1])[:count]
    points = z_RG[:, columns] * rng.uniform(0.5, 1.5, size=count)
    clusters = int(rng.choice([2, 3, 4, 5]))
    centres = points[rng.permutation(len(points))[:clusters]]
    for _ in range(_LLOYD_STEPS):
        distance = (centres**2).sum(1) - 2 * points @ centres.T
        assigned = distance.argmin(1)
        centres = np.stack(
            [
                points[assigned == cluster].mean(0) if (assigned == cluster).any() else centre
                for cluster, centre in enumerate(centres)
            ]
        )
    return assigned.astype(np.int64), columns


class AugmentedPool:
    """Relabelled copies of tables, each made when it is first asked for.

    A copy is a function of the seed, the table and its number alone.

    Args:
        tables: the tables to relabel.
        seed: seed of all copies.
    """

    def __init__(self, tables: list[ScaledTable], *, seed: int) -> None:
        self._tables = tables
        self._seed = seed
        self._copies: dict[tuple[int, int], ScaledTable | None] = {}

    def copy(self, index: int, number: int) -> ScaledTable | None:
        """Returns a copy of the table at a position; None where its draw gave no usable task."""
        key = (index, number)
        if key not in self._copies:
            rng = np.random.default_rng(np.random.SeedSequence([self._seed, _PURPOSE, *key]))
            self._copies[key] = augmented_table(self._tables[index], rng=rng)
        return self._copies[key]
