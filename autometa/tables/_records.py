"""A table in its three forms: as read, as numbers, and scaled.

Arrays of the last two forms are read-only; letters of their axes are in ``autometa.typing``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autometa.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

SYNTHETIC = "synthetic"
"""Source and family of the tables of the random prior; they cannot leak into one another."""


@dataclass(frozen=True)
class Skipped:
    """A table of a folder that could not be used, and why.

    >>> import pandas as pd
    >>> from autometa.tables import load_source, parse_source
    >>> pd.DataFrame({"age": [31, 58], "paid": ["yes", "yes"]}).to_csv("loans.csv", index=False)
    >>> tables, [skipped] = load_source(parse_source("."))
    >>> print(f"{skipped.name}: {skipped.reason.partition(':')[0]}")
    loans: a table must have at least 2 classes, but the target of 'loans' holds only one
    """

    name: str
    reason: str


SKETCH_SIZE = 4096
"""Largest number of row hashes that a table keeps."""


@dataclass(frozen=True)
class Sketch:
    """The smallest hashes of the rows that occur once in a table (see ``_row_hashes``).

    Attributes:
        smallest_K: up to ``SKETCH_SIZE`` hashes, ascending, uint64; none where the rows are too
            alike to recognise a table by them.
        repeated: share of the rows that occur more than once.
    """

    smallest_K: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    repeated: float = 1.0


@dataclass(frozen=True)
class RowHashes:
    """What a table's rows are recognised by, whatever its columns are called.

    Attributes:
        features: of the rows without the target.
        cells: of the rows with the target, so that a table is recognised when another of its
            columns is the target.
        contents: a hash of all rows with the target, in any order; 0 where there are too few.

    >>> from autometa.tables import load_source, parse_source
    >>> (iris,), _ = load_source(parse_source("sklearn:iris"))
    >>> len(iris.hashes.features.smallest_K), round(iris.hashes.features.repeated, 3)
    (148, 0.013)
    """

    features: Sketch = field(default_factory=Sketch)
    cells: Sketch = field(default_factory=Sketch)
    contents: int = 0


@dataclass(frozen=True)
class Table:
    """A table as it was read; ``make_table`` builds one.

    Attributes:
        name: what the table is called in listings.
        frame: the features, one row per example, rows numbered from 0.
        target: the class of each row, without missing values.
        source: where it came from (``sklearn``, a file).
        family: tables of one family share an origin and stay on one side of any split.
        sha256: of the contents (column names, kinds and cells), whatever file held them.

    >>> import pandas as pd
    >>> from autometa.tables import make_table
    >>> frame = pd.DataFrame({"age": [31, 58, 40], "paid": ["yes", "no", "no"]})
    >>> table = make_table("loans", frame, target="paid", source="memory")
    >>> list(table.frame.columns), list(table.target)
    (['age'], ['yes', 'no', 'no'])
    """

    name: str
    frame: pd.DataFrame
    target: pd.Series
    source: str
    family: str
    sha256: str


@dataclass(frozen=True)
class StoredTable:
    """A table whose contents are known by their hash, to be read only if need be.

    Attributes:
        name: what the table is called.
        family: its family.
        source: where it came from.
        sha256: hash of its contents, that of the table that ``read`` returns.
        read: reads it.
    """

    name: str
    family: str
    source: str
    sha256: str
    read: Callable[[], Table]


@dataclass(frozen=True)
class EncodedTable:
    """A table as numbers (stage 1), fitted without looking at the labels.

    Attributes:
        name: what the table is called in listings.
        family: its family.
        source: where it came from.
        sha256: of the contents of the table.
        values_RF: cells, float32; NaN is missing (numeric columns only).
        is_indicator_F: True for columns that hold 0 or 1.
        source_column_F: position of the raw column that each encoded column came from, int32.
        y_R: class codes 0..W-1 in the order of ``class_names``, int64.
        class_names: names of the classes, sorted.
        dropped: raw columns that were left out, and why.
        raw_rows: rows of the table before it was cut to the largest number of rows.
        raw_columns: columns of the table, without the target.
        hashes: what near-duplicates are recognised by.

    >>> from autometa.tables import synthetic_table
    >>> encoded = synthetic_table(seed=0, index=1)
    >>> encoded.values_RF.shape, encoded.y_R.shape, encoded.class_names
    ((224, 11), (224,), ('0', '1', '2'))
    """

    name: str
    family: str
    source: str
    sha256: str
    values_RF: FloatArray
    is_indicator_F: BoolArray
    source_column_F: IntArray
    y_R: IntArray
    class_names: tuple[str, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)
    raw_rows: int = 0
    raw_columns: int = 0
    hashes: RowHashes = field(default_factory=RowHashes)


@dataclass(frozen=True)
class ScaledTable:
    """A table scaled on all of its rows (stage 2): the unlabelled setting.

    Attributes:
        name: what the table is called in listings.
        family: its family.
        sha256: of the contents of the table.
        x_RFH: float32; channel 0 the clipped z-score, channel 1 the rank-gauss score.
        stats_FJ: statistics of each column, float32 (see ``_scaling``).
        usable_F: False where a column is constant.
        y_R: class codes, int64.
        is_indicator_F: True for columns that hold 0 or 1.
        source_column_F: position of the raw column of each encoded column, int32.
        values_RF: cells before scaling, float32, NaN is missing; for scaling on fewer rows.
        source: where it came from.
        class_names: names of the classes, sorted.
        dropped: raw columns that were left out, and why.
        raw_rows: rows of the table before it was cut to the largest number of rows.
        raw_columns: columns of the table, without the target.
        hashes: what near-duplicates are recognised by.

    >>> from autometa.tables import load_source, parse_source
    >>> (iris,), _ = load_source(parse_source("sklearn:iris"))
    >>> iris.x_RFH.shape, iris.class_names
    ((150, 4, 2), ('setosa', 'versicolor', 'virginica'))
    """

    name: str
    family: str
    sha256: str
    x_RFH: FloatArray
    stats_FJ: FloatArray
    usable_F: BoolArray
    y_R: IntArray
    is_indicator_F: BoolArray
    source_column_F: IntArray
    values_RF: FloatArray
    source: str = ""
    class_names: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    raw_rows: int = 0
    raw_columns: int = 0
    hashes: RowHashes = field(default_factory=RowHashes)
