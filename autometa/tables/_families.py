"""Families of tables: declared ones, and ones found by the rows that tables share.

The sketches of ``_row_hashes`` hold every row hash up to their largest. Below the smaller of two
sketches' largest hashes both are complete, and the share of common hashes there estimates that of
the tables' rows (Broder 1997, "On the resemblance and containment of documents"; Cohen and Kaplan
2007, "Summarizing data using bottom-k sketches").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from autometa.errors import UserError
from autometa.tables._records import (
    SKETCH_SIZE,
    SYNTHETIC,
    EncodedTable,
    RowHashes,
    ScaledTable,
    Sketch,
    Table,
)
from autometa.typing import IntArray

SHARED_SHARE = 0.2
_MIN_SHARED = 5
_EVERYTHING = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class SharedRows:
    """Two tables that hold the same rows.

    Attributes:
        first: position of one table.
        second: position of the other, larger than ``first``.
        share: estimated share of the smaller table's rows that the other holds too.

    >>> from sklearn.datasets import load_iris
    >>> from autometa.tables import make_table
    >>> frames = [load_iris(as_frame=True).frame[start:] for start in (0, 60)]
    >>> tables = [make_table("iris", frame, target="target", source="memory") for frame in frames]
    >>> [pair] = shared_rows(tables)
    >>> pair.first, pair.second, pair.share
    (0, 1, 1.0)
    """

    first: int
    second: int
    share: float


def shared_rows(tables: Sequence[Table | EncodedTable | ScaledTable]) -> list[SharedRows]:
    """Returns the pairs of tables of which the smaller shares at least 20 % of its rows.

    What chance would make them share is added to these 20 % (see ``_row_hashes``).

    >>> from sklearn.datasets import load_iris
    >>> from autometa.tables import make_table
    >>> frame = load_iris(as_frame=True).frame
    >>> parts = (frame[:80], frame[40:120], frame[120:])
    >>> tables = [make_table("part", part, target="target", source="memory") for part in parts]
    >>> [(pair.first, pair.second) for pair in shared_rows(tables)]
    [(0, 1)]
    """
    found: dict[tuple[int, int], float] = {}
    hashes = [_hashes_of(table) for table in tables]
    for sketches in ([h.features for h in hashes], [h.cells for h in hashes]):
        for first, second in _pairs_with_a_common_hash(sketches):
            share = _containment(sketches[first].smallest_K, sketches[second].smallest_K)
            by_chance = max(sketches[first].repeated, sketches[second].repeated)
            if share >= SHARED_SHARE + by_chance:
                pair = (first, second)
                found[pair] = max(share, found.get(pair, 0.0))
    return [SharedRows(*pair, share) for pair, share in sorted(found.items())]


def family_labels(tables: Sequence[Table | EncodedTable | ScaledTable]) -> list[str]:
    """Returns the family of each table: declared families, joined where tables share rows.

    Tables of the same contents or of one declared family are one family, which bears the
    alphabetically first of its declared names. Tables of the random prior are left as they are.
    """
    parent = list(range(len(tables)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first_of: dict[tuple[str, str], int] = {}
    real = [i for i, table in enumerate(tables) if table.source != SYNTHETIC]
    for i in real:
        keys = [("sha256", tables[i].sha256), ("family", tables[i].family)]
        contents = _hashes_of(tables[i]).contents
        for key in [*keys, ("contents", str(contents))] if contents else keys:
            parent[root(i)] = root(first_of.setdefault(key, i))
    for pair in shared_rows([tables[i] for i in real]):
        parent[root(real[pair.first])] = root(real[pair.second])
    members = defaultdict(list)
    for i, table in enumerate(tables):
        members[root(i)].append(table.family)
    # Declared names have no hash sign; the names of undeclared families end in one and their hash.
    return [
        min(members[root(i)], key=lambda family: ("#" in family, family))
        for i in range(len(tables))
    ]


def find_families(tables: Sequence[Table | EncodedTable | ScaledTable]) -> dict[str, str]:
    """Returns the family of each table by its name (see ``family_labels``).

    >>> from sklearn.datasets import load_iris
    >>> from autometa.tables import make_table
    >>> frame = load_iris(as_frame=True).frame
    >>> iris = make_table("iris", frame, target="target", source="memory", family="iris")
    >>> mine = make_table("mine", frame[40:110], target="target", source="memory")
    >>> find_families([iris, mine])
    {'iris': 'iris', 'mine': 'iris'}
    """
    labels = family_labels(tables)
    return {table.name: label for table, label in zip(tables, labels, strict=True)}


def check_leakage(roles: Mapping[str, Sequence[Table | EncodedTable | ScaledTable]]) -> None:
    """Checks that every family is on one side only.

    Args:
        roles: the tables of each role; those of the random prior are exempt.

    Raises:
        UserError: two roles hold tables of one family; the message names both tables.

    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris,wine"))
    >>> check_leakage({"train": tables[:1], "test": tables[1:]})
    >>> check_leakage({"train": tables, "test": tables[1:]})
    Traceback (most recent call last):
        ...
    autometa.errors.UserError: ... 'wine' (train) and 'wine' (test) are both of family 'wine': ...
    """
    sides = [(role, table) for role, tables in roles.items() for table in tables]
    labels = family_labels([table for _, table in sides])
    seen: dict[str, tuple[str, str]] = {}
    for (role, table), family in zip(sides, labels, strict=True):
        if table.source == SYNTHETIC:
            continue
        other_role, other_name = seen.setdefault(family, (role, table.name))
        if other_role != role:
            raise UserError(
                f"a family of tables must have one role only, but {other_name!r} ({other_role}) "
                f"and {table.name!r} ({role}) are both of family {family!r}: remove one of them "
                "or give both the same role"
            )


def _hashes_of(table: Table | EncodedTable | ScaledTable) -> RowHashes:
    if not isinstance(table, Table):
        return table.hashes
    from autometa.tables._row_hashes import row_hashes

    return row_hashes(table)


def _pairs_with_a_common_hash(sketches: Sequence[Sketch]) -> set[tuple[int, int]]:
    hashes = [sketch.smallest_K for sketch in sketches]
    every = np.concatenate([np.empty(0, np.uint64), *hashes])
    owner = np.repeat(np.arange(len(hashes)), [len(own) for own in hashes])
    order = np.argsort(every, kind="stable")
    every, owner = every[order], owner[order]
    starts = np.flatnonzero(np.append(True, every[1:] != every[:-1])) if len(every) else every
    ends = np.append(starts[1:], len(every))
    shared = ends - starts > 1
    groups = {tuple(owner[a:b].tolist()) for a, b in zip(starts[shared], ends[shared], strict=True)}
    return {pair for group in groups for pair in combinations(group, 2)}


def _containment(first_K: IntArray, second_K: IntArray) -> float:
    limit = min(_limit(first_K), _limit(second_K))
    first_K, second_K = first_K[first_K <= limit], second_K[second_K <= limit]
    shared = len(np.intersect1d(first_K, second_K, assume_unique=True))
    return shared / min(len(first_K), len(second_K)) if shared >= _MIN_SHARED else 0.0


def _limit(sketch_K: IntArray) -> int:
    """Returns the hash up to which a sketch holds every row."""
    return int(sketch_K[-1]) if len(sketch_K) == SKETCH_SIZE else int(_EVERYTHING)
