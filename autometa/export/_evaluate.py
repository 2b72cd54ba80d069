"""Scoring an export on tables, next to every baseline and on the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from autometa.errors import UserError
from autometa.export._read import Export, read_export
from autometa.tables import ScaledTable
from autometa.typing import Counts, Setting, Ways

if TYPE_CHECKING:
    from autometa.evaluation import ScoreSheet

METHOD = "autometa"
"""Name of the learner in score sheets."""

SEEN, UNSEEN = "seen", "unseen"


def evaluate_export(
    export: Export | str | Path | None,
    tables: Sequence[ScaledTable],
    *,
    shots: Sequence[int],
    settings: Sequence[Setting],
    episodes: int = 20,
    ways: Ways = 5,
    queries: int = 15,
    seed: int = 0,
    counts: Counts = "equal",
    workers: int = 1,
    cache: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ScoreSheet:
    """Returns the scores of an export, in float64, and of all baselines on the same episodes.

    Rows of tables that the export has seen have the role ``seen``, all others ``unseen``: means
    belong to ``sheet.select(role="unseen")``. A table counts as seen if its family or its
    contents had a say in training or search.

    Args:
        export: the export or its folder; the pretrained one where None.
        tables: tables to score on.
        shots: support rows per class, on average.
        settings: which rows scaling and semi-supervised baselines may see.
        episodes: episodes per table and shot.
        ways: classes per episode at most.
        queries: query rows per class at most.
        seed: seed of the episodes.
        counts: how support rows spread over classes (``episodes.evaluation_episodes``).
        workers: processes for the baselines.
        cache: where the baselines' scores are kept; the user's cache folder where None.
        on_progress: called with (tasks done, tasks) while the baselines are scored.

    Raises:
        UserError: the export cannot be used, or no table has an episode.

    >>> from autometa.config import SklearnSource
    >>> from autometa.tables import load_source
    >>> tables, _ = load_source(SklearnSource(names=["iris"]))
    >>> sheet = evaluate_export(None, tables, shots=[1], settings=["inductive"], episodes=2)
    >>> sheet.cells()
    [('inductive', 1)]
    """
    from autometa.evaluation import ScoreSheet, evaluation_tasks, score_baselines, score_learner
    from autometa.tables import default_cache_dir

    if not isinstance(export, Export):
        export = read_export(export)
    tasks = [
        task
        for table in tables
        for task in evaluation_tasks(
            [table],
            shots=shots,
            episodes=episodes,
            ways=ways,
            queries=queries,
            settings=settings,
            role=SEEN if has_seen(export, table) else UNSEEN,
            seed=seed,
            counts=counts,
        )
    ]
    if not tasks:
        raise UserError(
            "a table must have two classes of at least "
            f"{min(shots, default=1) + 4} rows to be scored; got none among {len(tables)}: add "
            "larger tables or lower the shots"
        )
    learner_sheet = score_learner(export.learner(), tasks, method=METHOD, dtype=torch.float64)
    baselines = score_baselines(
        tasks, cache or default_cache_dir(), workers=workers, on_progress=on_progress
    )
    return ScoreSheet.concat([learner_sheet, baselines])


def has_seen(export: Export, table: ScaledTable) -> bool:
    """Returns whether a table's family or contents had a say in an export."""
    if table.family in export.families_seen():
        return True
    # A table that was read under another name has another family, and the same contents.
    return any(table.sha256.startswith(prefix) for prefix in export.contents_seen())
