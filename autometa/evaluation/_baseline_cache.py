"""Baseline scores of fixed episodes: computed once, in parallel, and kept on disk.

A cache file belongs to one task and is named by a hash of everything that its scores depend on:
the rows, labels and cells of the episodes, setting, seed, baselines and the versions of the code
behind them. A file that cannot be read, or was cut short, is computed again.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from autometa.atomic import write_atomically
from autometa.episodes import episode_inputs, unlabelled_rows
from autometa.errors import RunError
from autometa.evaluation._metrics import METRICS, score_probabilities
from autometa.evaluation._score_sheet import ScoreSheet
from autometa.evaluation._tasks import EvaluationTask, sheet_row
from autometa.learners import (
    BASELINE_VERSION,
    SEMI_SUPERVISED_BASELINES,
    baseline_probabilities,
    baselines_of,
)
from autometa.logging import get_logger
from autometa.pools import follow_parent
from autometa.typing import FloatArray, IntArray

CACHE_VERSION = 1
"""Counts up when the layout of a cache file or the meaning of a metric changes."""

UNLABELLED_ROWS = 400
"""Rows without labels that a semi-supervised baseline gets, query rows included."""

_PURPOSE = 0xBA5E
_FIELDS = (*METRICS, "diverged")
_logger = get_logger(__name__)


@dataclass(frozen=True)
class _EpisodeData:
    """One episode as a worker process gets it."""

    x_SF: FloatArray
    y_S: IntArray
    x_QF: FloatArray
    y_Q: IntArray
    x_UF: FloatArray | None
    ways: int
    seed: int


def score_baselines(
    tasks: Sequence[EvaluationTask],
    cache_dir: str | Path | None = None,
    *,
    workers: int = 1,
    names: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ScoreSheet:
    """Returns the baselines' scores on tasks, from the cache where it has them.

    The scores depend on the tasks and names alone, not on workers or order.

    Args:
        tasks: what to score.
        cache_dir: files are kept below ``baselines/`` in this folder; None keeps none.
        workers: processes to use for what the cache does not have, each with one thread; 1
            computes in this process.
        names: baselines to run; all that the task's setting allows where None. Semi-supervised
            ones are left out of the inductive setting, which has no rows for them.
        on_progress: called with (tasks done, tasks), once at the start and after every task.

    Raises:
        UserError: a name is not a baseline.
        RunError: a worker process died.

    >>> from autometa.evaluation import evaluation_tasks
    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris"))
    >>> tasks = evaluation_tasks(tables, shots=[5], episodes=2)
    >>> sheet = score_baselines(tasks, "cache", names=["lda", "knn"])
    >>> sheet.best_baseline(), len(list(Path("cache/baselines").iterdir()))
    ('lda', 1)
    """
    folder = None if cache_dir is None else Path(cache_dir) / "baselines"
    names_of = [_names(task, names) for task in tasks]
    paths = [
        None if folder is None else folder / f"{_key(task, chosen)}.npz"
        for task, chosen in zip(tasks, names_of, strict=True)
    ]
    scores: dict[int, FloatArray] = {}
    for index, path in enumerate(paths):
        known = None if path is None else _read(path, tasks[index], names_of[index])
        if known is not None:
            scores[index] = known
    missing = [index for index in range(len(tasks)) if index not in scores]
    if on_progress is not None:
        on_progress(len(scores), len(tasks))
    jobs = ((index, tasks[index], names_of[index]) for index in missing)
    for index, result_EMK in _compute(jobs, min(workers, len(missing))):
        scores[index] = result_EMK
        path = paths[index]
        if path is not None:
            _keep(path, result_EMK, names_of[index])
        if on_progress is not None:
            on_progress(len(scores), len(tasks))
    return ScoreSheet.from_rows(
        sheet_row(task, episode, name, dict(zip(_FIELDS, row, strict=True)))
        for index, (task, chosen) in enumerate(zip(tasks, names_of, strict=True))
        for episode, rows in enumerate(scores[index])
        for name, row in zip(chosen, rows, strict=True)
    )


def _names(task: EvaluationTask, names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return baselines_of(task.setting)
    left_out = SEMI_SUPERVISED_BASELINES if task.setting == "inductive" else ()
    return tuple(name for name in dict.fromkeys(names) if name not in left_out)


def _compute(
    jobs: Iterator[tuple[int, EvaluationTask, tuple[str, ...]]], workers: int
) -> Iterator[tuple[int, FloatArray]]:
    """Yields the scores of each job, in the order in which they end."""
    if workers <= 1:
        for index, task, names in jobs:
            yield index, _score(_episode_data(task, names), names)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=follow_parent)
    running: dict[Future[FloatArray], int] = {}
    try:
        while True:
            # Arrays are made when a worker is about to be free, so that few wait in memory.
            while len(running) < 2 * workers and (job := next(jobs, None)) is not None:
                index, task, names = job
                running[pool.submit(_score, _episode_data(task, names), names)] = index
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "Baselines need their worker processes to stay alive; one of them died (out of "
            'memory, or a script without `if __name__ == "__main__":`): run with fewer workers.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _episode_data(task: EvaluationTask, names: Sequence[str]) -> list[_EpisodeData]:
    needs_unlabelled = any(name in SEMI_SUPERVISED_BASELINES for name in names)
    data = []
    for index, episode in enumerate(task.episodes):
        x_SF, x_QF = episode_inputs(task.table, episode, task.setting)
        entropy = [task.seed, _PURPOSE, zlib.crc32(task.table.sha256.encode()), task.shot, index]
        rng = np.random.default_rng(entropy)
        x_UF = None
        if needs_unlabelled:
            x_UF = unlabelled_rows(
                task.table, episode, task.setting, limit=UNLABELLED_ROWS, rng=rng
            )
        data.append(
            _EpisodeData(
                x_SF,
                episode.support_labels_S,
                x_QF,
                episode.query_labels_Q,
                x_UF,
                episode.ways,
                seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]),
            )
        )
    return data


def _score(episodes: Sequence[_EpisodeData], names: Sequence[str]) -> FloatArray:
    """Returns scores of shape (episodes, methods, fields), float64."""
    from threadpoolctl import threadpool_limits

    scores_EMK = np.zeros((len(episodes), len(names), len(_FIELDS)))
    # One thread: matrices are tiny, workers share the cores, and sums keep their order.
    with threadpool_limits(limits=1):
        for index, data in enumerate(episodes):
            probabilities = baseline_probabilities(
                data.x_SF,
                data.y_S,
                data.x_QF,
                ways=data.ways,
                seed=data.seed,
                x_unlabelled_UF=data.x_UF,
                names=names,
            )
            for method, name in enumerate(names):
                found: Any = score_probabilities(probabilities[name], data.y_Q)
                scores_EMK[index, method] = [found[field] for field in _FIELDS]
    return scores_EMK


def _key(task: EvaluationTask, names: Sequence[str]) -> str:
    import sklearn

    table = task.table
    settings = {
        "cache": CACHE_VERSION,
        "baselines": BASELINE_VERSION,
        "sklearn": sklearn.__version__,
        "table": table.sha256,
        "shot": task.shot,
        "setting": task.setting,
        "seed": task.seed,
        "names": list(names),
        "unlabelled": UNLABELLED_ROWS,
        "ways": [episode.ways for episode in task.episodes],
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for episode in task.episodes:
        for array in (
            episode.support_rows_S,
            episode.support_labels_S,
            episode.query_rows_Q,
            episode.query_labels_Q,
        ):
            digest.update(len(array).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(array, np.int64).tobytes())
    # Some cells too: the table's hash says nothing about how it was encoded and scaled.
    if task.episodes:
        cells = np.ascontiguousarray(table.x_RFH[task.episodes[0].query_rows_Q])
        digest.update(repr(cells.shape).encode() + cells.tobytes())
    return digest.hexdigest()[:32]


def _keep(path: Path, scores_EMK: FloatArray, names: Sequence[str]) -> None:
    """Writes a cache file; a folder that cannot be written to costs time, not the scores."""

    def write(file: BinaryIO) -> None:
        np.savez(
            file,
            scores_EMK=scores_EMK,
            methods=np.array(names, dtype=np.str_),
            fields=np.array(_FIELDS, dtype=np.str_),
        )

    try:
        write_atomically(path, write)
    except OSError as error:
        _logger.warning("baseline scores cannot be kept in %s (%s)", path, error)


def _read(path: Path, task: EvaluationTask, names: Sequence[str]) -> FloatArray | None:
    """Returns the scores in a cache file, or None where there is none that can be trusted."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            scores_EMK = file["scores_EMK"]
            labels = [file["methods"].tolist(), file["fields"].tolist()]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        _logger.warning("baseline scores in %s cannot be read (%s); computing again", path, error)
        return None
    expected = (len(task.episodes), len(names), len(_FIELDS))
    if (
        labels != [list(names), list(_FIELDS)]
        or scores_EMK.shape != expected
        or not np.isfinite(scores_EMK).all()
    ):
        _logger.warning("baseline scores in %s do not fit; computing again", path)
        return None
    return np.asarray(scores_EMK)
