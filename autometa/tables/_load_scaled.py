"""Scaled tables from the cache, by the hash of their contents."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from autometa.tables._cache import CacheEntry, cached, default_cache_dir
from autometa.tables._encode import ENCODING_VERSION, encode_table, scale_table
from autometa.tables._records import (
    EncodedTable,
    RowHashes,
    ScaledTable,
    Sketch,
    StoredTable,
    Table,
)
from autometa.tables._scaling import N_CHANNELS, N_STATISTICS


def load_scaled(
    table: Table | EncodedTable | StoredTable,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    is_thorough: bool = False,
) -> ScaledTable:
    """Returns a table scaled on all of its rows, read-only, from the cache or through it.

    Name, family and source are those of the table that is given; all else depends on its contents.

    Args:
        table: a table as read, already as numbers, or to be read where the cache lacks it.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.
        is_thorough: whether to compare every byte of the cache with its manifest.

    Raises:
        UserError: the table cannot be encoded (see ``encode_table``).
        RunError: the cache folder cannot be written.

    >>> from autometa.tables import synthetic_table
    >>> scaled = load_scaled(synthetic_table(seed=0, index=1))
    >>> scaled.name, scaled.x_RFH.shape, scaled.x_RFH.flags.writeable
    ('synthetic-0-1', (224, 11, 2), False)
    """
    folder = default_cache_dir() if cache_dir is None else cache_dir

    def build() -> CacheEntry:
        read = table.read() if isinstance(table, StoredTable) else table
        encoded = encode_table(read) if isinstance(read, Table) else read
        return _packed(scale_table(encoded))

    entry = cached(folder, _key(table.sha256), build, is_thorough=is_thorough)
    return _unpacked(entry, table)


def cached_bytes(table: ScaledTable, cache_dir: str | os.PathLike[str] | None = None) -> int:
    """Returns the bytes that a table takes in the cache, encoded; 0 where it is not there.

    >>> from autometa.tables import scale_table, synthetic_table
    >>> encoded = synthetic_table(seed=0, index=1)
    >>> cached_bytes(scale_table(encoded))
    0
    >>> cached_bytes(load_scaled(encoded)) > encoded.values_RF.nbytes
    True
    """
    folder = Path(default_cache_dir() if cache_dir is None else cache_dir) / _key(table.sha256)
    return sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0


def _key(sha256: str) -> str:
    return f"table-v{ENCODING_VERSION}-{sha256}"


def _packed(table: ScaledTable) -> CacheEntry:
    # The large arrays are one file, so that a table keeps one file open at most.
    parts = (table.x_RFH, table.values_RF, table.stats_FJ)
    return CacheEntry(
        {
            "cells": np.concatenate([part.ravel() for part in parts]),
            "usable": table.usable_F,
            "is_indicator": table.is_indicator_F,
            "source_column": table.source_column_F,
            "y": table.y_R,
            "feature_hashes": table.hashes.features.smallest_K,
            "cell_hashes": table.hashes.cells.smallest_K,
        },
        {
            "class_names": list(table.class_names),
            "dropped": dict(table.dropped),
            "raw_rows": table.raw_rows,
            "raw_columns": table.raw_columns,
            "contents": table.hashes.contents,
            "repeated": [table.hashes.features.repeated, table.hashes.cells.repeated],
        },
    )


def _unpacked(entry: CacheEntry, table: Table | EncodedTable | StoredTable) -> ScaledTable:
    arrays, values = entry.arrays, entry.values
    rows, columns = len(arrays["y"]), len(arrays["usable"])
    sizes = (rows * columns * N_CHANNELS, rows * columns)
    x, cells, stats = np.split(arrays["cells"], np.cumsum(sizes))
    return ScaledTable(
        name=table.name,
        family=table.family,
        sha256=table.sha256,
        x_RFH=x.reshape(rows, columns, N_CHANNELS),
        stats_FJ=stats.reshape(columns, N_STATISTICS),
        usable_F=arrays["usable"],
        y_R=arrays["y"],
        is_indicator_F=arrays["is_indicator"],
        source_column_F=arrays["source_column"],
        values_RF=cells.reshape(rows, columns),
        source=table.source,
        class_names=tuple(values["class_names"]),
        dropped=dict(values["dropped"]),
        raw_rows=values["raw_rows"],
        raw_columns=values["raw_columns"],
        hashes=RowHashes(
            Sketch(arrays["feature_hashes"], values["repeated"][0]),
            Sketch(arrays["cell_hashes"], values["repeated"][1]),
            values["contents"],
        ),
    )
