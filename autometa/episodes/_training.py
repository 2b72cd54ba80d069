"""The endless stream of meta-training batches, as a pure function of (seed, step).

A worker that resumes at step t, or a second worker with the same seed, sees exactly the batches
that an undisturbed run would have seen; no generator state is stored anywhere. All candidates of a
study train on the same batches, so that a worker draws them once and keeps them.

Drawing a batch costs a third of training on it. Batches therefore come from a rolling pool
(``_rolling_pool.py``), in which each serves several steps.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autometa.episodes._augment import AugmentedPool
from autometa.episodes._batch import EpisodeBatch
from autometa.episodes._column_statistics import MAX_COLUMNS
from autometa.episodes._episode import MIN_QUERIES, Episode, draw_episode, rows_by_class
from autometa.episodes._inputs import scaled_inputs_of
from autometa.episodes._pack import pack
from autometa.episodes._rolling_pool import POOL, RollingPool
from autometa.episodes._skewed_sight import with_skewed_sight
from autometa.errors import UserError
from autometa.tables import ScaledTable
from autometa.typing import SETTINGS, IntArray, Setting, Ways

_SHOTS = (1, 3, 5, 10, 20)
_WAYS = (2, 2, 3, 4, 5)
_QUERIES = 10
_GROUP = 4
"""Batches drawn at once: their tasks are sorted by width, which more than halves the padding."""

_PASSING = POOL // _GROUP + 1
"""Groups of the pool that are held whatever the memory for kept ones."""

_SETTING_BOUNDS = (0.25, 0.5)
"""Below the first bound a task is inductive, below the second transductive, else unlabelled."""
_UNEQUAL_SHARE = 0.5
_COPIES_PER_TABLE = 4
_DRAWS_PER_TASK = 50
_PURPOSE = 0x7247


class TrainingEpisodes:
    """Draws meta-training batches from real, augmented and synthetic tables.

    Each batch has one number of ways and one mean number of shots. In half of the batches the
    classes of a task have unequal counts. All three settings occur, and where query rows may be
    looked at, some classes have fewer visible ones than others. Columns come in random order, 40 at
    most, and tables are drawn uniformly, whatever their number of rows.

    Args:
        real: tables with true labels.
        synthetic: tables of the random-table prior.
        seed: study seed; everything drawn is a function of it and of the step.
        meta_batch: tasks per batch.
        ways: largest number of ways drawn (5 at most are drawn, for ``all`` too).
        synthetic_share: share of the tasks that come from synthetic tables.
        augmented_share: share of the other tasks whose labels are relabelled columns or clusters.
        components: principal axes to add to the batches; none where None.
        reuse: steps that train on a batch, on average.
        kept_bytes: memory for batches that are kept for the next candidate; those that are asked
            for once it is full are drawn anew each time.

    Raises:
        UserError: no table is given at all.

    >>> from autometa.tables import scale_table, synthetic_table
    >>> tables = [scale_table(synthetic_table(seed=0, index=index)) for index in range(3)]
    >>> given = {"meta_batch": 4, "ways": 5, "synthetic_share": 1.0, "augmented_share": 0.0}
    >>> one, other = [
    ...     TrainingEpisodes([], tables, seed=0, components=None, **given) for _ in range(2)
    ... ]
    >>> one.batch(7).tasks, one.batch(7).x_TRFH.equal(other.batch(7).x_TRFH)
    (4, True)
    """

    def __init__(
        self,
        real: Sequence[ScaledTable],
        synthetic: Sequence[ScaledTable],
        *,
        seed: int,
        meta_batch: int,
        ways: Ways,
        synthetic_share: float,
        augmented_share: float,
        components: int | None,
        reuse: int = 1,
        kept_bytes: int = 0,
    ) -> None:
        if not real and not synthetic:
            raise UserError(
                "tables.train must hold at least one table; got none: add a source, for example "
                "{source: synthetic, count: 2000}"
            )
        self._seed = seed
        self._meta_batch = meta_batch
        self._ways = [way for way in _WAYS if ways == "all" or way <= ways]
        self._components = components
        self._synthetic_share = 1.0 if not real else synthetic_share if synthetic else 0.0
        self._augmented_share = augmented_share if real else 0.0
        self._real = list(real)
        self._synthetic = list(synthetic)
        self._augmented = AugmentedPool(self._real, seed=seed)
        self._drawable: dict[int, _Drawable] = {}
        self._pool = RollingPool(reuse=reuse, seed=seed)
        self._kept: dict[int, list[EpisodeBatch]] = {}
        self._room = kept_bytes
        self._passing: dict[int, list[EpisodeBatch]] = {}

    def batch(self, step: int) -> EpisodeBatch:
        """Returns the batch of one outer step, counted from 0."""
        group, position = divmod(self._pool.number(step), _GROUP)
        batches = self._kept.get(group) or self._passing.get(group)
        if batches is None:
            batches = self._draw_group(group)
            size = sum(batch.nbytes for batch in batches)
            if size <= self._room:
                self._kept[group] = batches
                self._room -= size
            else:
                self._passing[group] = batches
                while len(self._passing) > _PASSING:
                    del self._passing[next(iter(self._passing))]
        return batches[position]

    def _draw_group(self, group: int) -> list[EpisodeBatch]:
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, _PURPOSE, group]))
        shot = int(rng.choice(_SHOTS))
        ways = int(rng.choice(self._ways))
        unequal = rng.random() < _UNEQUAL_SHARE
        drawn = [
            self._draw_task(shot, ways, unequal, rng) for _ in range(self._meta_batch * _GROUP)
        ]
        drawn.sort(key=lambda task: len(task[2]))
        tables, episodes, columns, settings = zip(*drawn, strict=True)
        # Scaling all tasks of the group at once takes a fifth of the time.
        inputs = scaled_inputs_of(episodes, tables, settings, columns=columns)
        batches = []
        for start in rng.permutation(_GROUP) * self._meta_batch:
            own = slice(start, start + self._meta_batch)
            batch = pack(
                episodes[own],
                tables[own],
                settings[own],
                columns=columns[own],
                components=self._components,
                inputs=inputs[own],
            )
            batches.append(with_skewed_sight(batch, rng=rng))
        return batches

    def _draw_task(
        self, shot: int, ways: int, unequal: bool, rng: np.random.Generator
    ) -> tuple[ScaledTable, Episode, IntArray, Setting]:
        for _ in range(_DRAWS_PER_TASK):
            table = self._draw_table(rng)
            drawable = self._drawable_of(table)
            # Unequal counts keep the mean: 1 .. 2 * shot - 1 rows per class.
            shots_W = rng.integers(1, 2 * shot, size=ways) if unequal else np.full(ways, shot)
            fitting = min(ways, len(drawable.sizes))
            if fitting < 2 or not len(drawable.usable):
                continue
            affordable = drawable.sizes[fitting - 1] - MIN_QUERIES
            shots_W = np.minimum(shots_W[:fitting], affordable)
            episode = draw_episode(drawable.class_rows, shots_W, queries=_QUERIES, rng=rng)
            columns = rng.permutation(drawable.usable)[:MAX_COLUMNS]
            setting = SETTINGS[bisect.bisect_right(_SETTING_BOUNDS, rng.random())]
            return table, episode, columns, setting
        raise UserError(
            "tables.train must hold tables with two classes of at least "
            f"{1 + MIN_QUERIES} rows; none was found in {_DRAWS_PER_TASK} draws: add tables"
        )

    def _draw_table(self, rng: np.random.Generator) -> ScaledTable:
        if rng.random() < self._synthetic_share:
            return self._synthetic[int(rng.integers(len(self._synthetic)))]
        index = int(rng.integers(len(self._real)))
        if rng.random() < self._augmented_share:
            copy = self._augmented.copy(index, int(rng.integers(_COPIES_PER_TABLE)))
            if copy is not None:
                return copy
        return self._real[index]

    def _drawable_of(self, table: ScaledTable) -> _Drawable:
        key = id(table)
        if key not in self._drawable:
            class_rows = rows_by_class(np.asarray(table.y_R))
            sizes = sorted((len(rows) for rows in class_rows), reverse=True)
            self._drawable[key] = _Drawable(
                class_rows,
                [size for size in sizes if size > MIN_QUERIES],
                np.flatnonzero(table.usable_F),
            )
        return self._drawable[key]


class _Drawable(NamedTuple):
    """What of a table may be drawn.

    Attributes:
        class_rows: the rows of each class.
        sizes: sizes of the classes that have rows enough for queries, the largest first.
        usable: positions of the columns that are not constant.
    """

    class_rows: list[IntArray]
    sizes: list[int]
    usable: IntArray
