"""Which tables are for meta-training, searching, confirming and testing.

Roles are listed in the study file, or found by dividing the tables of ``train`` by family, and no
family is on two sides.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from autometa.errors import UserError
from autometa.tables._families import check_leakage, family_labels
from autometa.tables._records import SYNTHETIC, ScaledTable, Skipped
from autometa.tables._sources import load_source

if TYPE_CHECKING:
    from autometa.config import SplitSpec, TablesSpec

ROLES = ("train", "validation", "confirm", "test")
_DIVIDED = ROLES[1:]


@dataclass(frozen=True)
class Roles:
    """The tables of a study.

    Attributes:
        train: for meta-training.
        validation: for the value of a trial.
        confirm: for choosing among the best trials.
        test: read once, at the end.
        skipped: for each role, tables of folders that could not be used.

    >>> from autometa.tables import scale_table, synthetic_table
    >>> first, second, third = [scale_table(synthetic_table(0, index)) for index in range(3)]
    >>> roles = Roles(train=(first, second), validation=(third,))
    >>> {role: len(tables) for role, tables in roles.items()}
    {'train': 2, 'validation': 1, 'confirm': 0, 'test': 0}
    """

    train: tuple[ScaledTable, ...] = ()
    validation: tuple[ScaledTable, ...] = ()
    confirm: tuple[ScaledTable, ...] = ()
    test: tuple[ScaledTable, ...] = ()
    skipped: Mapping[str, tuple[Skipped, ...]] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[str, tuple[ScaledTable, ...]]]:
        """Yields each role with its tables, in the order of ``ROLES``."""
        for role in ROLES:
            yield role, getattr(self, role)


def load_roles(spec: TablesSpec, cache_dir: str | os.PathLike[str] | None = None) -> Roles:
    """Returns the tables of a study by role, with the families that were found.

    A table that a role lists twice counts once. Tables of one name but other contents get numbers.

    Args:
        spec: ``tables`` of the study file: sources per role, and how to divide those of ``train``.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.

    Raises:
        UserError: a source is wrong, a role is left without any table, there are too few families
            to divide, or one family is on two sides.
        RunError: the cache folder cannot be written.

    >>> from autometa.config import TablesSpec
    >>> train = [{"source": "sklearn", "names": ["iris", "wine", "breast_cancer"]}]
    >>> roles = load_roles(TablesSpec(train=train, split={"validation": 0.3, "test": 0.3}))
    >>> {role: len(tables) for role, tables in roles.items()}
    {'train': 1, 'validation': 1, 'confirm': 0, 'test': 1}
    """
    tables: dict[str, list[ScaledTable]] = {}
    skipped: dict[str, tuple[Skipped, ...]] = {}
    for role in ROLES:
        tables[role], skipped[role] = _load_role(role, getattr(spec, role), cache_dir)
    if spec.split is not None:
        # Families of all roles count: a divided table may belong to a listed one's family.
        _label_families(tables)
        _divide(tables, spec.split)
    check_leakage(tables)
    _label_families(tables)
    _number_names(tables)
    return Roles(
        train=tuple(tables["train"]),
        validation=tuple(tables["validation"]),
        confirm=tuple(tables["confirm"]),
        test=tuple(tables["test"]),
        skipped=skipped,
    )


def _load_role(
    role: str, sources: Sequence[object], cache_dir: str | os.PathLike[str] | None
) -> tuple[list[ScaledTable], tuple[Skipped, ...]]:
    tables: dict[str, ScaledTable] = {}
    skipped: list[Skipped] = []
    for source in sources:
        loaded, left_out = load_source(source, cache_dir, role=role)  # type: ignore[arg-type]
        skipped += left_out
        for table in loaded:
            first = tables.setdefault(table.sha256, table)
            if first is not table:
                reason = f"it has the same contents as {first.name!r}, which {role} lists already"
                skipped.append(Skipped(table.name, reason))
    if sources and not tables:
        why = (
            f"the first of {len(skipped)} skipped ones: {skipped[0].reason}" if skipped else "none"
        )
        raise UserError(
            f"tables.{role} must give at least one usable table, but its sources gave none ({why})"
            ": correct its sources or remove the role"
        )
    return list(tables.values()), tuple(skipped)


def _label_families(tables: dict[str, list[ScaledTable]]) -> None:
    labels = iter(family_labels([table for role in ROLES for table in tables[role]]))
    for role in ROLES:
        tables[role] = [replace(table, family=next(labels)) for table in tables[role]]


def _divide(tables: dict[str, list[ScaledTable]], split: SplitSpec) -> None:
    """Moves families of ``train`` to the roles that have a share."""
    families = sorted({table.family for table in tables["train"] if table.source != SYNTHETIC})
    shares = {role: float(getattr(split, role)) for role in _DIVIDED}
    wanted = {
        role: max(1, round(share * len(families))) for role, share in shares.items() if share > 0
    }
    has_synthetic = any(table.source == SYNTHETIC for table in tables["train"])
    needed = sum(wanted.values()) + (not has_synthetic)
    if needed > len(families):
        raise UserError(
            f"tables.split must leave every role at least one family, but {len(families)} families "
            f"of tables.train cannot give {needed}: add tables or set fewer or smaller shares"
        )
    rng = np.random.default_rng(np.random.SeedSequence([split.seed]))
    shuffled = [families[i] for i in rng.permutation(len(families))]
    role_of: dict[str, str] = {}
    for role, count in wanted.items():
        role_of |= dict.fromkeys(shuffled[len(role_of) : len(role_of) + count], role)
    divided = tables["train"]
    tables["train"] = []
    for table in divided:
        tables[role_of.get(table.family, "train")].append(table)


def _number_names(tables: dict[str, list[ScaledTable]]) -> None:
    """Gives a number to the later ones of tables with one name, since results go by name."""
    seen: dict[str, str] = {}
    for role in ROLES:
        for i, table in enumerate(tables[role]):
            name, number = table.name, 1
            while seen.setdefault(name, table.sha256) != table.sha256:
                number += 1
                name = f"{table.name} ({number})"
            if name != table.name:
                tables[role][i] = replace(table, name=name)
