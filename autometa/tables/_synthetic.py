"""Tables of the random prior, generated once and then memory-mapped as one set of arrays."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np

from autometa.tables._cache import CacheEntry, cached, default_cache_dir
from autometa.tables._encode import ENCODING_VERSION
from autometa.tables._prior import N_ROWS, PRIOR_VERSION, RandomTable, random_table
from autometa.tables._records import SYNTHETIC, EncodedTable, ScaledTable
from autometa.tables._scaling import N_CHANNELS, ScaledRows, scale_rows

if TYPE_CHECKING:
    from autometa.config import SyntheticSource


def synthetic_table(seed: int, index: int) -> EncodedTable:
    """Returns table ``index`` of the random tables of a seed; a pure function of both.

    Args:
        seed: at least 0.
        index: at least 0.

    >>> table = synthetic_table(seed=0, index=1)
    >>> table.name, table.values_RF.shape, len(table.class_names)
    ('synthetic-0-1', (224, 11), 3)
    """
    drawn = random_table(seed, index)
    classes = int(drawn.y_R.max()) + 1
    return EncodedTable(
        name=f"synthetic-{seed}-{index}",
        family=SYNTHETIC,
        source=SYNTHETIC,
        sha256=_sha256(seed, index),
        values_RF=drawn.values_RF,
        is_indicator_F=drawn.is_indicator_F,
        source_column_F=drawn.source_column_F,
        y_R=drawn.y_R,
        class_names=tuple(map(str, range(classes))),
        raw_rows=N_ROWS,
        raw_columns=drawn.raw_columns,
    )


def synthetic_tables(
    source: SyntheticSource, cache_dir: str | os.PathLike[str] | None = None
) -> list[ScaledTable]:
    """Returns the first ``count`` random tables of a seed, scaled, from the cache or through it.

    Args:
        source: count and seed.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.

    Raises:
        RunError: the cache folder cannot be written.
    """
    seed, count = source.seed, source.count
    entry = cached(
        default_cache_dir() if cache_dir is None else cache_dir,
        f"synthetic-v{PRIOR_VERSION}.{ENCODING_VERSION}-{seed}-{count}",
        lambda: _generated(seed, count),
    )
    arrays = entry.arrays
    ends_T = np.cumsum(arrays["columns"]).tolist()
    raw_columns_T = arrays["raw_columns"].tolist()
    classes_T = (arrays["y"].max(axis=1) + 1).tolist()
    tables, start = [], 0
    for index, end in enumerate(ends_T):
        columns = end - start
        x = arrays["x"][start * N_ROWS * N_CHANNELS : end * N_ROWS * N_CHANNELS]
        values = arrays["values"][start * N_ROWS : end * N_ROWS]
        tables.append(
            ScaledTable(
                name=f"synthetic-{seed}-{index}",
                family=SYNTHETIC,
                sha256=_sha256(seed, index),
                x_RFH=x.reshape(N_ROWS, columns, N_CHANNELS),
                stats_FJ=arrays["stats"][start:end],
                usable_F=arrays["usable"][start:end],
                y_R=arrays["y"][index],
                is_indicator_F=arrays["is_indicator"][start:end],
                source_column_F=arrays["source_column"][start:end],
                values_RF=values.reshape(N_ROWS, columns),
                source=SYNTHETIC,
                class_names=tuple(map(str, range(classes_T[index]))),
                raw_rows=N_ROWS,
                raw_columns=raw_columns_T[index],
            )
        )
        start = end
    return tables


def _generated(seed: int, count: int) -> CacheEntry:
    drawn: list[RandomTable] = [random_table(seed, index) for index in range(count)]
    scaled: list[ScaledRows] = [scale_rows(t.values_RF, t.is_indicator_F) for t in drawn]
    return CacheEntry(
        {
            "columns": np.array([t.values_RF.shape[1] for t in drawn]),
            "raw_columns": np.array([t.raw_columns for t in drawn]),
            "x": np.concatenate([rows.x_RFH.ravel() for rows in scaled]),
            "values": np.concatenate([t.values_RF.ravel() for t in drawn]),
            "stats": np.concatenate([rows.stats_FJ for rows in scaled]),
            "usable": np.concatenate([rows.usable_F for rows in scaled]),
            "is_indicator": np.concatenate([t.is_indicator_F for t in drawn]),
            "source_column": np.concatenate([t.source_column_F for t in drawn]),
            "y": np.stack([t.y_R for t in drawn]),
        },
        {"seed": seed, "count": count},
    )


def _sha256(seed: int, index: int) -> str:
    return hashlib.sha256(f"{SYNTHETIC} v{PRIOR_VERSION} {seed} {index}".encode()).hexdigest()
