"""The tables of a study and the fixed episodes that its candidates are scored on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from autometa.config import LearnerConfig, StudySpec, fingerprint
from autometa.episodes import TrainingEpisodes
from autometa.errors import UserError
from autometa.evaluation import (
    EvaluationBatches,
    EvaluationTask,
    ScoreSheet,
    evaluation_tasks,
    score_baselines,
)
from autometa.learners import build_learner
from autometa.search._device import resolve_device
from autometa.tables import Roles, ScaledTable, default_cache_dir, load_roles

REFERENCE = "logistic_regression"
"""The method that a trial's value is measured against."""

_FRESH_EPISODES = 0x5EED

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_KEPT = 2
"""Streams, and lists of tasks as batches, that a worker keeps: learners need different axes."""
_MOST_KEPT_BYTES = 384 * 2**20
_KEPT_SHARE_OF_CORE = 1 / 16
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def kept_bytes() -> int:
    """Returns a worker's memory for the batches of a stream, and as much for a list of tasks.

    384 MiB hold the batches of 2,000 outer steps. Where workers on all cores would need much of
    the machine's memory it is less, and batches beyond it are drawn anew; no value changes. Two
    streams and two lists are kept at most.
    """
    limits = [_MOST_KEPT_BYTES]
    per_core = _KEPT_SHARE_OF_CORE / (os.cpu_count() or 1)
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not on every platform
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limits.append(int(memory * per_core))
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        limits.append(int(int(_CONTAINER_LIMIT.read_text()) * per_core))
    return min(limits)


@dataclass
class StudyData:
    """Tables by role; evaluation tasks and baseline scores are made when first asked for.

    Attributes:
        spec: the study.
        roles: tables of each role and what was skipped.
        cache: folder of encoded tables and baseline scores.

    >>> {role: len(tables) for role, tables in StudyData.load(spec).tables_by_role().items()}
    {'train': 20, 'validation': 1, 'confirm': 0, 'test': 0}
    """

    spec: StudySpec
    roles: Roles
    cache: Path
    _task_lists: dict[tuple[str, int], list[EvaluationTask]] = field(default_factory=dict)
    _sheets: dict[tuple[str, int], ScoreSheet] = field(default_factory=dict)
    _batches: dict[tuple[str, int, int | None], EvaluationBatches] = field(default_factory=dict)
    _streams: dict[tuple[int, int | None], TrainingEpisodes] = field(default_factory=dict)

    @classmethod
    def load(cls, spec: StudySpec) -> StudyData:
        """Loads the tables of every role.

        Raises:
            UserError: a source cannot be read, a family is on two sides, no table can be scored,
                or this machine does not have the device of the study.
        """
        resolve_device(spec.training.device)
        cache = default_cache_dir()
        roles = load_roles(spec.tables, cache)
        return cls(spec=spec, roles=roles, cache=cache)

    def tables_by_role(self) -> dict[str, tuple[ScaledTable, ...]]:
        """Returns the tables of each role."""
        return dict(self.roles.items())

    def hashes(self) -> dict[str, dict[str, str]]:
        """Returns the content hash of every real table by role and name."""
        return {
            role: {table.name: table.sha256[:16] for table in tables if not _is_synthetic(table)}
            for role, tables in self.tables_by_role().items()
        }

    def fingerprint(self) -> dict[str, Any]:
        """Returns everything that changes a trial's value, table hashes included."""
        return fingerprint(self.spec) | {"table_hashes": self.hashes()}

    def identity(self) -> str:
        """Returns a hash of the fingerprint: equal identities give equal weights and values."""
        text = json.dumps(self.fingerprint(), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def training_episodes(self, config: LearnerConfig, *, seed: int) -> TrainingEpisodes:
        """Returns the stream of meta-training batches that a learner needs."""
        components = build_learner(config, seed=0).components
        training = self.spec.training
        return _latest(
            self._streams,
            (seed, components),
            lambda: TrainingEpisodes(
                [table for table in self.roles.train if not _is_synthetic(table)],
                [table for table in self.roles.train if _is_synthetic(table)],
                seed=seed,
                meta_batch=training.meta_batch,
                ways=self.spec.episodes.ways,
                synthetic_share=training.synthetic_share,
                augmented_share=training.augmented_share,
                components=components,
                reuse=training.reuse,
                kept_bytes=kept_bytes(),
            ),
        )

    def search_tasks(self) -> list[EvaluationTask]:
        """Returns the validation tasks that every trial is scored on."""
        return self._tasks(self.roles.validation, "validation", seed=self.spec.search.seed)

    def confirm_tasks(self) -> list[EvaluationTask]:
        """Returns the confirm tasks: confirm families, else fresh validation episodes."""
        seed = self.spec.search.seed + _FRESH_EPISODES
        if self.roles.confirm:
            return self._tasks(self.roles.confirm, "confirm", seed=seed)
        return self._tasks(self.roles.validation, "validation", seed=seed)

    def test_tasks(self) -> list[EvaluationTask]:
        """Returns the test tasks; none without a test role."""
        return self._tasks(self.roles.test, "test", seed=self.spec.search.seed)

    def evaluation_batches(
        self, tasks: Sequence[EvaluationTask], components: int | None
    ) -> EvaluationBatches:
        """Returns tasks of this study as batches that candidates are scored on, packed once.

        Args:
            tasks: one of the lists that this object makes.
            components: principal axes that the learner asks for.
        """
        return _latest(
            self._batches,
            (tasks[0].role, tasks[0].seed, components),
            lambda: EvaluationBatches(tasks, components=components, kept_bytes=kept_bytes()),
        )

    def baselines(
        self,
        tasks: Sequence[EvaluationTask],
        *,
        workers: int = 1,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> ScoreSheet:
        """Returns the baselines' scores on tasks of this study, computed once.

        Args:
            tasks: one of the lists that this object makes.
            workers: processes to use for what the cache on disk does not have.
            on_progress: called with (units done, units), at least once where there are tasks.
        """
        if not tasks:
            return ScoreSheet.from_rows([])
        key = (tasks[0].role, tasks[0].seed)
        if key in self._sheets:
            if on_progress is not None:
                on_progress(len(tasks), len(tasks))
        else:
            self._sheets[key] = score_baselines(
                tasks, self.cache, workers=workers, on_progress=on_progress
            )
        return self._sheets[key]

    def _tasks(
        self, tables: Sequence[ScaledTable], role: str, *, seed: int
    ) -> list[EvaluationTask]:
        if (role, seed) not in self._task_lists:
            self._task_lists[role, seed] = self._drawn_tasks(tables, role, seed=seed)
        return self._task_lists[role, seed]

    def _drawn_tasks(
        self, tables: Sequence[ScaledTable], role: str, *, seed: int
    ) -> list[EvaluationTask]:
        episodes = self.spec.episodes
        tasks = evaluation_tasks(
            tables,
            shots=episodes.shots,
            episodes=episodes.per_table,
            ways=episodes.ways,
            queries=episodes.queries,
            settings=episodes.settings,
            role=role,
            seed=seed,
            counts=episodes.counts,
        )
        if tables and not tasks:
            raise UserError(
                f"tables.{role} must hold a table with two classes of at least "
                f"{min(episodes.shots) + 4} rows; got none among {len(tables)}: add larger tables "
                "or lower episodes.shots"
            )
        return tasks


def _latest(kept: dict[_Key, _Value], key: _Key, make: Callable[[], _Value]) -> _Value:
    """Returns the value of a key, made where it is not among the latest that were asked for."""
    value = kept.pop(key) if key in kept else make()
    kept[key] = value
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
    return value


def _is_synthetic(table: ScaledTable) -> bool:
    return table.source.startswith("synthetic")
