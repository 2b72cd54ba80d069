"""What ``autometa tables check`` shows of each table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autometa.tables._records import ScaledTable


@dataclass(frozen=True)
class TableSummary:
    """One table in a listing.

    Attributes:
        name: what the table is called.
        role: its role.
        family: its family.
        rows: rows of the table as read, with a class.
        columns: columns as read, without the target.
        encoded_columns: columns after encoding.
        classes: number of classes.
        smallest_class: rows of the smallest class (among the rows that are used).
        dropped: columns left out, and why.

    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:wine"))
    >>> [wine] = summarise({"train": tables})
    >>> wine.rows, wine.columns, wine.classes, wine.smallest_class
    (178, 13, 3, 48)
    """

    name: str
    role: str
    family: str
    rows: int
    columns: int
    encoded_columns: int
    classes: int
    smallest_class: int
    dropped: Mapping[str, str]


def summarise(roles: Mapping[str, Sequence[ScaledTable]]) -> tuple[TableSummary, ...]:
    """Returns a summary of each table, by role.

    Args:
        roles: the tables of each role, such as ``dict(load_roles(...).items())``.

    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris,wine"))
    >>> summaries = summarise({"train": tables[:1], "test": tables[1:]})
    >>> [(summary.role, summary.name, summary.rows) for summary in summaries]
    [('train', 'iris', 150), ('test', 'wine', 178)]
    """
    return tuple(_summary(table, role) for role, tables in roles.items() for table in tables)


def _summary(table: ScaledTable, role: str) -> TableSummary:
    counts = np.bincount(table.y_R)
    return TableSummary(
        name=table.name,
        role=role,
        family=table.family,
        rows=table.raw_rows,
        columns=table.raw_columns,
        encoded_columns=len(table.usable_F),
        classes=len(counts),
        smallest_class=int(counts.min()),
        dropped=table.dropped,
    )
