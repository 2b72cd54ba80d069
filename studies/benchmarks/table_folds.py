"""The tables of a folder in five folds by family, and the fixed episodes of each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autometa.config import FilesSource
from autometa.evaluation import EvaluationTask, evaluation_tasks
from autometa.tables import ScaledTable, load_source
from autometa.typing import Setting

FOLDS = 5
SHOTS = (1, 3, 5, 10, 20)
EPISODES = 30
QUERIES = 15
WAYS = 5


def all_tables(folder: Path) -> list[ScaledTable]:
    """Returns every usable table of a folder with an ``index.csv``, in the order of names."""
    found, _ = load_source(FilesSource(path=str(folder.resolve())), role="train")
    return sorted(found, key=lambda table: table.name)


def folds_by_family(
    tables: Sequence[ScaledTable], *, folds: int = FOLDS, seed: int = 0
) -> list[list[ScaledTable]]:
    """Returns the tables in folds of like size; no family is in two.

    Families are shuffled and then dealt, the largest first, to the fold with the fewest tables.
    """
    sizes = Counter(table.family for table in tables)
    families = sorted(sizes)
    np.random.default_rng(seed).shuffle(families)
    loads = np.zeros(folds, int)
    fold_of: dict[str, int] = {}
    for family in sorted(families, key=lambda name: -sizes[name]):
        fold_of[family] = int(loads.argmin())
        loads[fold_of[family]] += sizes[family]
    return [[t for t in tables if fold_of[t.family] == fold] for fold in range(folds)]


def tasks_of(
    tables: Sequence[ScaledTable],
    settings: Sequence[Setting],
    *,
    shots: Sequence[int] = SHOTS,
    episodes: int = EPISODES,
    seed: int = 0,
) -> list[EvaluationTask]:
    """Returns the fixed episodes of tables; the first ones are those of a smaller number."""
    return evaluation_tasks(
        tables,
        shots=shots,
        episodes=episodes,
        ways=WAYS,
        queries=QUERIES,
        settings=settings,
        seed=seed,
    )
