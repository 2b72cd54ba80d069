"""Both stages for a whole table: ``Table`` to ``EncodedTable`` to ``ScaledTable``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autometa.errors import UserError
from autometa.tables._records import EncodedTable, ScaledTable, Table
from autometa.tables._scaling import scale_rows

if TYPE_CHECKING:
    from autometa.typing import BoolArray, FloatArray

ENCODING_VERSION = 2
"""Part of the key of every cached table: raise it with any change of encoding or scaling."""

MAX_ROWS = 6000
MIN_CLASS_ROWS = 5
_FLOAT32_RANGE = 1e30
_FLOAT32_SHIFT = 1e4


def encode_table(table: Table) -> EncodedTable:
    """Returns a table as numbers; at most 6,000 of its rows, chosen by the hash of its contents.

    Args:
        table: the table as it was read.

    Raises:
        UserError: fewer than two classes have 5 rows, or no column is usable.

    >>> import pandas as pd
    >>> from autometa.tables import make_table
    >>> frame = pd.DataFrame({"size": ["S", "M", "L", "L"] * 3, "paid": ["yes", "no"] * 6})
    >>> encoded = encode_table(make_table("orders", frame, target="paid", source="memory"))
    >>> encoded.values_RF[0].tolist(), encoded.class_names
    ([0.0, 0.0, 1.0], ('no', 'yes'))
    """
    from autometa.tables._contents import class_codes
    from autometa.tables._encoder import FrameEncoder
    from autometa.tables._row_hashes import row_hashes

    frame, target = table.frame, table.target
    _check_classes(table.name, class_codes(target)[0])
    if len(frame) > MAX_ROWS:
        rng = np.random.default_rng(int(table.sha256[:16], 16))
        rows = np.sort(rng.permutation(len(frame))[:MAX_ROWS])
        frame = frame.iloc[rows].reset_index(drop=True)
        target = target.iloc[rows].reset_index(drop=True)
    y_R, class_names = class_codes(target)
    _check_classes(table.name, y_R)
    encoder = FrameEncoder.fit(frame)
    if not encoder.plans:
        reasons = ", ".join(f"{name} ({why})" for name, why in encoder.dropped.items())
        raise UserError(
            f"a table must have a column to learn from, but {table.name!r} has none besides its "
            f"target{': ' + reasons if reasons else ''}: add features"
        )
    values_RF = encoder.transform(frame)
    return EncodedTable(
        name=table.name,
        family=table.family,
        source=table.source,
        sha256=table.sha256,
        values_RF=_single_precision(values_RF, encoder.is_indicator_F),
        is_indicator_F=encoder.is_indicator_F,
        source_column_F=encoder.source_column_F,
        y_R=y_R,
        class_names=class_names,
        dropped=dict(encoder.dropped),
        raw_rows=len(table.frame),
        raw_columns=table.frame.shape[1],
        hashes=row_hashes(table),
    )


def scale_table(encoded: EncodedTable) -> ScaledTable:
    """Returns a table scaled on all of its rows.

    >>> from autometa.tables import synthetic_table
    >>> encoded = synthetic_table(seed=0, index=1)
    >>> scaled = scale_table(encoded)
    >>> encoded.values_RF.shape, scaled.x_RFH.shape, scaled.stats_FJ.shape
    ((224, 11), (224, 11, 2), (11, 9))
    """
    scaled = scale_rows(encoded.values_RF, encoded.is_indicator_F)
    return ScaledTable(
        name=encoded.name,
        family=encoded.family,
        sha256=encoded.sha256,
        x_RFH=scaled.x_RFH,
        stats_FJ=scaled.stats_FJ,
        usable_F=scaled.usable_F,
        y_R=encoded.y_R,
        is_indicator_F=encoded.is_indicator_F,
        source_column_F=encoded.source_column_F,
        values_RF=encoded.values_RF,
        source=encoded.source,
        class_names=encoded.class_names,
        dropped=encoded.dropped,
        raw_rows=encoded.raw_rows,
        raw_columns=encoded.raw_columns,
        hashes=encoded.hashes,
    )


def _check_classes(name: str, y_R: np.ndarray) -> None:
    counts = np.bincount(y_R)
    if len(counts) == 1:
        raise UserError(
            f"a table must have at least 2 classes, but the target of {name!r} holds only one: "
            "choose another target"
        )
    large = int(np.sum(counts >= MIN_CLASS_ROWS))
    if large < 2:
        raise UserError(
            f"a table must have 2 classes of at least {MIN_CLASS_ROWS} rows, but {name!r} has "
            f"{len(y_R)} rows in {len(counts)} classes, of which {large} are "
            "that large: add rows or choose another target"
        )


def _single_precision(values_RF: FloatArray, is_indicator_F: BoolArray) -> FloatArray:
    """Returns the cells as float32; columns that it cannot tell apart or hold are standardised.

    Scaling undoes any shift and factor, so that nothing is lost by it.
    """
    stored_RF = values_RF
    numeric = np.flatnonzero(~is_indicator_F)
    with np.errstate(all="ignore"):
        for column in numeric:
            cells = values_RF[:, column]
            shown = cells[~np.isnan(cells)]
            if len(shown) == 0:
                continue
            largest, middle = np.abs(shown).max(), np.median(shown)
            spread = (shown - middle).std()
            if spread > 0 and (
                largest > _FLOAT32_SHIFT * spread
                or not 1 / _FLOAT32_RANGE < largest < _FLOAT32_RANGE
            ):
                if stored_RF is values_RF:
                    stored_RF = values_RF.copy()
                stored_RF[:, column] = (cells - middle) / spread
    return stored_RF.astype(np.float32)
