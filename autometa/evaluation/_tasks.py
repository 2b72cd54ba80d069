"""What there is to score: the fixed episodes of one table at one shot in one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autometa.episodes import Episode
from autometa.evaluation._metrics import EpisodeScores
from autometa.tables import ScaledTable
from autometa.typing import Setting


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
    """

    table: ScaledTable
    episodes: Sequence[Episode]
    shot: int
    setting: Setting
    role: str
    seed: int


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
