"""What there is to score: the fixed episodes of one table at one shot in one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autometa.episodes import Episode, evaluation_episodes
from autometa.evaluation._metrics import EpisodeScores
from autometa.tables import ScaledTable
from autometa.typing import Counts, Setting, Ways


@dataclass(frozen=True, kw_only=True)
class EvaluationTask:
    """Episodes of one table, in one setting.

    Attributes:
        table: the table that the episodes' rows belong to.
        episodes: fixed episodes, at least one.
        shot: support rows per class, on average.
        setting: which rows scaling and semi-supervised methods may see.
        role: ``train``, ``validation``, ``confirm`` or ``test``.
        seed: seed of the episodes; also seeds the baselines.

    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris"))
    >>> [task] = evaluation_tasks(tables, shots=[5], episodes=2)
    >>> task.table.name, [len(episode.support_rows_S) for episode in task.episodes]
    ('iris', [15, 15])
    """

    table: ScaledTable
    episodes: Sequence[Episode]
    shot: int
    setting: Setting
    role: str
    seed: int


def evaluation_tasks(
    tables: Sequence[ScaledTable],
    *,
    shots: Sequence[int],
    episodes: int,
    ways: Ways = 5,
    queries: int = 15,
    settings: Sequence[Setting] = ("inductive",),
    role: str = "test",
    seed: int = 0,
    counts: Counts = "equal",
) -> list[EvaluationTask]:
    """Returns tasks of the fixed episodes of tables: by table, then shot, then setting.

    All settings of a table and a shot have the same episodes. A table has no task at a shot for
    which fewer than two of its classes have enough rows.

    Args:
        tables: the tables.
        shots: support rows per class, on average.
        episodes: episodes per table and shot.
        ways: classes per episode at most, or ``all``.
        queries: query rows per class at most.
        settings: which rows scaling and semi-supervised methods may see.
        role: what the tables are used for.
        seed: of the episodes.
        counts: how support rows spread over classes, see ``evaluation_episodes``.

    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris,wine"))
    >>> tasks = evaluation_tasks(tables, shots=[1, 5], episodes=20)
    >>> [(task.table.name, task.shot, len(task.episodes)) for task in tasks]
    [('iris', 1, 20), ('iris', 5, 20), ('wine', 1, 20), ('wine', 5, 20)]
    """
    tasks = []
    for table in tables:
        for shot in shots:
            drawn = evaluation_episodes(
                table.y_R,
                table.sha256,
                shot=shot,
                count=episodes,
                ways=ways,
                queries=queries,
                seed=seed,
                counts=counts,
            )
            tasks += [
                EvaluationTask(
                    table=table, episodes=drawn, shot=shot, setting=setting, role=role, seed=seed
                )
                for setting in (settings if drawn else ())
            ]
    return tasks


def sheet_row(
    task: EvaluationTask, episode: int, method: str, scores: EpisodeScores | Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the row of a score sheet for one method on one of a task's episodes."""
    return {
        "table": task.table.name,
        "family": task.table.family,
        "role": task.role,
        "setting": task.setting,
        "shot": task.shot,
        "seed": task.seed,
        "episode": episode,
        "method": method,
        **scores,
    }
