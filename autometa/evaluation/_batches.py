"""The episodes of evaluation tasks as a few large batches, packed once for many candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from autometa.episodes import Episode, EpisodeBatch, pack
from autometa.evaluation._tasks import EvaluationTask

CELLS = 1_000_000
"""Cells (tasks x rows x columns, padding included) of one batch; bounds memory."""


@dataclass
class EvaluationBatches:
    """Episodes of like size, batched whatever table they come from, so that little is padded.

    Attributes:
        tasks: the tasks whose episodes are batched.
        components: principal axes that the batches carry; none where None.
        cells: largest number of cells in a batch of more than one episode.
        kept_bytes: memory for batches that are kept for the next candidate; those beyond it are
            packed anew each time.

    >>> from autometa.evaluation import evaluation_tasks
    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris"))
    >>> tasks = evaluation_tasks(tables, shots=[5], episodes=2)
    >>> batches = EvaluationBatches(tasks * 2)
    >>> len(batches), [batch.tasks for _, batch in batches]
    (4, [4])
    """

    tasks: Sequence[EvaluationTask]
    components: int | None = None
    cells: int = CELLS
    kept_bytes: int = 0
    _kept: dict[int, EpisodeBatch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._items = [
            (task, index, episode)
            for task in self.tasks
            for index, episode in enumerate(task.episodes)
        ]
        sizes = [_size(task, episode) for task, _, episode in self._items]
        order = sorted(range(len(sizes)), key=lambda number: sizes[number])
        self._chunks = list(_chunks(order, sizes, self.cells))

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self._items)

    def item(self, number: int) -> tuple[EvaluationTask, int, Episode]:
        """Returns the task of an episode, its place in the task, and the episode."""
        return self._items[number]

    def __iter__(self) -> Iterator[tuple[list[int], EpisodeBatch]]:
        """Yields the numbers of a batch's episodes and the batch."""
        room = self.kept_bytes - sum(batch.nbytes for batch in self._kept.values())
        for first, chunk in enumerate(self._chunks):
            batch = self._kept.get(first)
            if batch is None:
                batch = self._packed(chunk)
                if self.kept_bytes and batch.nbytes <= room:
                    self._kept[first] = batch
                    room -= batch.nbytes
            yield chunk, batch

    def _packed(self, chunk: list[int]) -> EpisodeBatch:
        picked = [self._items[number] for number in chunk]
        return pack(
            [episode for _, _, episode in picked],
            [task.table for task, _, _ in picked],
            [task.setting for task, _, _ in picked],
            components=self.components,
        )


def _size(task: EvaluationTask, episode: Episode) -> tuple[int, int, int]:
    """Returns (ways, columns, rows) of an episode."""
    rows = len(episode.support_rows_S) + len(episode.query_rows_Q)
    return episode.ways, task.table.x_RFH.shape[1], rows


def _chunks(
    order: Sequence[int], sizes: Sequence[tuple[int, int, int]], cells: int
) -> Iterator[list[int]]:
    """Yields runs of the order whose padded batch stays below a number of cells."""
    chunk: list[int] = []
    columns = rows = 0
    for number in order:
        _, more_columns, more_rows = sizes[number]
        wider, longer = max(columns, more_columns), max(rows, more_rows)
        if chunk and (len(chunk) + 1) * wider * longer > cells:
            yield chunk
            chunk, wider, longer = [], more_columns, more_rows
        chunk.append(number)
        columns, rows = wider, longer
    if chunk:
        yield chunk
