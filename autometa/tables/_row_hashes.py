"""What a table is recognised by: hashes of its rows, whatever their columns are called.

A row is hashed as the multiset of its cells, so that neither the order nor the names of columns
matter. Numbers are rounded to 13 binary digits (about 4 decimal ones), texts that show a number
count as that number, and zeros and missing cells are left out, so that columns of zeros do not
matter either. Identifiers and constant columns are left out too.

Chance makes different tables share rows where a row says little: the 512 rows of a truth table of
9 binary columns are 10 multisets. Only rows that occur once in their table can therefore tell of a
common origin, and a table is compared at all only where at least half of its rows are such, and 20.
The share of repeated rows is kept: by chance alone, a row of another table with cells alike would
be found in this one as often as this one's own rows are found in it again.
Of these hashes each table keeps the ``SKETCH_SIZE`` smallest: a bottom-k MinHash sketch. Tables of
which nothing but column names and row order differs are also recognised by a hash of all rows, for
which a row need not say much. What neither can see: copies that were rescaled, recoded, or lost
informative columns.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from autometa.tables._cells import CellKind, Cells, parse_number, read_cells
from autometa.tables._columns import ColumnPlan, plan_column
from autometa.tables._records import SKETCH_SIZE, RowHashes, Sketch, Table
from autometa.typing import FloatArray

_MIN_ROWS = 20
_SINGLE_SHARE = 0.5
_MANTISSA_BITS = 13


def row_hashes(table: Table) -> RowHashes:
    """Returns the sketches of all rows of a table."""
    features_R = np.zeros(len(table.frame), np.uint64)
    for position, label in enumerate(table.frame.columns):
        cells = read_cells(table.frame.iloc[:, position], str(label))
        if isinstance(plan_column(cells, str(label), position), ColumnPlan):
            features_R += _cell_hashes(cells)
    cells_R = features_R + _cell_hashes(read_cells(table.target, "target"))
    return RowHashes(_sketch(features_R), _sketch(cells_R), _contents(cells_R))


def _sketch(hashes_R: NDArray[np.uint64]) -> Sketch:
    distinct, counts = np.unique(_mix(hashes_R), return_counts=True)
    single = distinct[counts == 1]
    if len(single) < max(_MIN_ROWS, _SINGLE_SHARE * len(hashes_R)):
        return Sketch()
    return Sketch(single[:SKETCH_SIZE], 1 - len(single) / len(hashes_R))


def _contents(hashes_R: NDArray[np.uint64]) -> int:
    """Returns a hash of all rows in any order, repeated ones included."""
    if len(hashes_R) < _MIN_ROWS:
        return 0
    return int(_mix(_mix(hashes_R)).sum(dtype=np.uint64))


def _cell_hashes(cells: Cells) -> NDArray[np.uint64]:
    if cells.kind not in {CellKind.LEVELS, CellKind.TEXTS}:
        return _number_hashes(cells.numbers)
    numbers = np.array([parse_number(level) for level in cells.levels], np.float64)
    hashes = np.array(
        [
            int.from_bytes(hashlib.blake2b(level.lower().encode(), digest_size=8).digest(), "big")
            for level in cells.levels
        ],
        np.uint64,
    )
    hashes = np.where(np.isnan(numbers), hashes, _number_hashes(numbers))
    return np.asarray(np.append(hashes, np.uint64(0))[cells.codes], np.uint64)


def _number_hashes(numbers: FloatArray) -> NDArray[np.uint64]:
    """Returns hashes of rounded numbers; 0 for zero and for missing."""
    mantissa, exponent = np.frexp(np.where(np.isnan(numbers), 0.0, numbers))
    rounded = np.ldexp(np.rint(np.ldexp(mantissa, _MANTISSA_BITS)), exponent - _MANTISSA_BITS)
    return np.where(rounded == 0, np.uint64(0), _mix(rounded.astype(np.float64).view(np.uint64)))


def _mix(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns well-spread hashes: the finaliser of SplitMix64 (Steele et al. 2014)."""
    mixed = hashes + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
