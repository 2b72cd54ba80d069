"""From a frame and its target to a ``Table``, whose hash tells what the cells are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from autometa.errors import UserError
from autometa.tables._cells import CellKind, Cells, as_levels, parse_number, read_cells
from autometa.tables._records import Table

if TYPE_CHECKING:
    import pandas as pd

    from autometa.typing import IntArray

_SHOWN_COLUMNS = 10


def make_table(
    name: str, frame: pd.DataFrame, *, target: str | None, source: str, family: str | None = None
) -> Table:
    """Returns a table; rows without a class are left out.

    Args:
        name: what to call it.
        frame: features and target.
        target: name of the target column; the last column where None.
        source: where the frame came from.
        family: its family; where None, one that no other contents have.

    Raises:
        UserError: no such target, two columns of one name, or a column of complex numbers.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": [31, 58, 40], "paid": ["yes", None, "no"]})
    >>> table = make_table("loans", frame, target="paid", source="memory")
    >>> table.frame["age"].tolist(), table.target.tolist()
    ([31, 40], ['yes', 'no'])
    """
    names = [str(label) for label in frame.columns]
    repeated = sorted({column for column in names if names.count(column) > 1})
    if repeated:
        raise UserError(
            f"every column of a table must have its own name, but {repeated[0]!r} occurs "
            f"{names.count(repeated[0])} times in {name!r}: rename or remove all but one"
        )
    if not names:
        raise UserError(f"a table must have a target column, but {name!r} has no column at all")
    if target is not None and target not in names:
        shown = ", ".join(names[:_SHOWN_COLUMNS]) + ("…" if len(names) > _SHOWN_COLUMNS else "")
        raise UserError(
            f"the target must be a column of the table, but {name!r} has no column {target!r}: "
            f"choose one of {shown}"
        )
    place = len(names) - 1 if target is None else names.index(target)
    labels = frame.iloc[:, place]
    codes, _ = as_levels(read_cells(labels, names[place]))
    kept = np.flatnonzero(codes >= 0)
    features = frame.drop(columns=frame.columns[place])
    features = features.iloc[kept].reset_index(drop=True)
    labels = labels.iloc[kept].reset_index(drop=True)
    digest = content_sha256(features, labels)
    return Table(
        name=name,
        frame=features,
        target=labels,
        source=source,
        family=f"{name}#{digest[:8]}" if family is None else family,
        sha256=digest,
    )


def content_sha256(frame: pd.DataFrame, target: pd.Series) -> str:
    """Returns a hash of column names, kinds and cells, equal whichever file they came from."""
    digest = hashlib.sha256(f"{len(frame)} rows".encode())
    for position, label in enumerate(frame.columns):
        _update(digest, str(label), read_cells(frame.iloc[:, position], str(label)))
    _update(digest, "target", read_cells(target, "target"))
    return digest.hexdigest()


def _update(digest: hashlib._Hash, name: str, cells: Cells) -> None:
    texts = [name, cells.kind.value, *cells.levels]
    digest.update(b"".join(b"%d:" % len(raw) + raw for raw in (text.encode() for text in texts)))
    if cells.kind in {CellKind.LEVELS, CellKind.TEXTS}:
        digest.update(cells.codes.astype("<i4").tobytes())
    else:
        # One bit pattern for every NaN, and no negative zero.
        numbers = np.where(np.isnan(cells.numbers), np.nan, cells.numbers) + 0.0
        digest.update(numbers.astype("<f8").tobytes())


def class_codes(target: pd.Series) -> tuple[IntArray, tuple[str, ...]]:
    """Returns codes and sorted names of the classes; names that are all numbers sort as such."""
    codes, levels = as_levels(read_cells(target, "target"))
    numbers = np.array([parse_number(level) for level in levels])
    if np.isnan(numbers).any():
        order = sorted(range(len(levels)), key=levels.__getitem__)
    else:
        order = sorted(range(len(levels)), key=lambda code: (numbers[code], levels[code]))
    rank = np.empty(len(levels), np.int64)
    rank[order] = np.arange(len(levels))
    return rank[codes], tuple(levels[code] for code in order)
