"""Drawing of few-shot episodes: which rows of a table are support and which are query.

An episode is an N-way classification task on one table. Evaluation episodes are fixed by a seed, so
that every learner and every baseline is scored on the same rows. Whatever the counts of labelled
rows per class, the classes of the episodes are the same, so that counts can be compared.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from autometa.typing import Counts, IntArray, Ways

MIN_QUERIES = 4
"""Fewest query rows per class; a class with fewer rows left over is dropped from the episode."""

_EVALUATION_PURPOSE = 0xE7A1
_COUNTS_PURPOSE = 0xC0


@dataclass(frozen=True)
class Episode:
    """Row indices and labels of one task.

    Attributes:
        support_rows_S: labelled rows, int64, grouped by class.
        support_labels_S: their classes 0..ways-1, int64.
        query_rows_Q: rows to be predicted, int64; disjoint from the support rows.
        query_labels_Q: their classes, int64.
        ways: number of classes.

    >>> import numpy as np
    >>> y_R = np.repeat([0, 1, 2], 10)
    >>> [episode] = evaluation_episodes(y_R, "ab12", shot=2, count=1, ways=2, queries=4, seed=0)
    >>> episode.ways, episode.support_labels_S.tolist(), len(episode.query_rows_Q)
    (2, [0, 0, 1, 1], 8)
    """

    support_rows_S: IntArray
    support_labels_S: IntArray
    query_rows_Q: IntArray
    query_labels_Q: IntArray
    ways: int


def rows_by_class(y_R: IntArray) -> list[IntArray]:
    """Returns, for each class code in order, the rows that carry it.

    >>> import numpy as np
    >>> [rows.tolist() for rows in rows_by_class(np.array([1, 0, 1, 1]))]
    [[1], [0, 2, 3]]
    """
    order = np.argsort(y_R, kind="stable")
    return list(np.split(order, np.cumsum(np.bincount(y_R))[:-1]))


def draw_episode(
    class_rows: list[IntArray],
    shots_W: IntArray,
    *,
    queries: int,
    rng: np.random.Generator,
) -> Episode:
    """Draws the rows of one episode.

    Args:
        class_rows: rows of each class that may be drawn.
        shots_W: support rows of each way; its length is the number of ways.
        queries: query rows per class at most.
        rng: source of randomness.

    Returns:
        An episode with ``shots_W[w]`` support rows of way ``w`` and min(queries, rows left) query
        rows, at least ``MIN_QUERIES``.

    Raises:
        ValueError: fewer than ``len(shots_W)`` classes have enough rows.

    >>> import numpy as np
    >>> class_rows = rows_by_class(np.repeat([0, 1, 2], 20))
    >>> rng = np.random.default_rng(0)
    >>> episode = draw_episode(class_rows, np.array([1, 3]), queries=5, rng=rng)
    >>> episode.support_labels_S.tolist(), len(episode.query_rows_Q)
    ([0, 1, 1, 1], 10)
    """
    ways = len(shots_W)
    needed = int(shots_W.max()) + MIN_QUERIES
    eligible = [rows for rows in class_rows if len(rows) >= needed]
    if len(eligible) < ways:
        raise ValueError(f"{ways} classes with {needed} rows are needed; got {len(eligible)}")
    chosen = [eligible[way] for way in rng.permutation(len(eligible))[:ways]]
    return _drawn_from(chosen, shots_W, queries=queries, rng=rng)


def _drawn_from(
    chosen: list[IntArray], shots_W: IntArray, *, queries: int, rng: np.random.Generator
) -> Episode:
    support, query = [], []
    for rows, shot in zip(chosen, shots_W, strict=True):
        drawn = rows[rng.permutation(len(rows))[: int(shot) + queries]]
        support.append(drawn[:shot])
        query.append(drawn[shot:])
    return Episode(
        support_rows_S=np.concatenate(support),
        support_labels_S=np.repeat(np.arange(len(chosen)), shots_W),
        query_rows_Q=np.concatenate(query),
        query_labels_Q=np.repeat(np.arange(len(chosen)), [len(rows) for rows in query]),
        ways=len(chosen),
    )


def evaluation_episodes(
    y_R: IntArray,
    sha256: str,
    *,
    shot: int,
    count: int,
    ways: Ways,
    queries: int,
    seed: int,
    counts: Counts = "equal",
) -> list[Episode]:
    """Returns the fixed evaluation episodes of one table at one shot.

    They depend on nothing but the arguments: the table's contents (``sha256``), the shot and the
    seed, so that they are equal in every process and every study of the same seed.

    Args:
        y_R: class codes of the table, int64.
        sha256: hash of the table's contents, hexadecimal.
        shot: support rows per class, on average.
        count: number of episodes.
        ways: classes per episode at most; a table with fewer classes gives fewer ways.
        queries: query rows per class at most; min(queries, rows left), at least
            ``MIN_QUERIES``. Classes of less than ``shot + MIN_QUERIES`` rows are dropped.
        seed: study seed.
        counts: how support rows spread over classes. ``equal``: ``shot`` of each; ``unequal``:
            1 .. 2 * shot - 1 of each at random, but no more than a class affords; ``natural``:
            ways * shot rows of the episode's classes at random, but at least one of each.

    Returns:
        ``count`` episodes, or none where fewer than two classes have enough rows.

    >>> from autometa.tables import load_source, parse_source
    >>> (iris,), _ = load_source(parse_source("sklearn:iris"))
    >>> fixed = {"shot": 5, "count": 20, "ways": "all", "queries": 15, "seed": 0}
    >>> episodes = evaluation_episodes(iris.y_R, iris.sha256, **fixed)
    >>> len(episodes), len(episodes[0].support_rows_S), len(episodes[0].query_rows_Q)
    (20, 15, 45)
    """
    class_rows = [rows for rows in rows_by_class(y_R) if len(rows) >= shot + MIN_QUERIES]
    episode_ways = len(class_rows) if ways == "all" else min(ways, len(class_rows))
    if episode_ways < 2:
        return []
    entropy = [seed, _EVALUATION_PURPOSE, zlib.crc32(sha256.encode()), shot]
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    counts_rng = np.random.default_rng(np.random.SeedSequence([*entropy, _COUNTS_PURPOSE]))
    episodes = []
    for _ in range(count):
        chosen = [class_rows[way] for way in rng.permutation(len(class_rows))[:episode_ways]]
        sizes_W = np.array([len(rows) for rows in chosen])
        shots_W = _support_counts(counts, sizes_W, shot=shot, rng=counts_rng)
        episodes.append(_drawn_from(chosen, shots_W, queries=queries, rng=rng))
    return episodes


def _support_counts(
    counts: Counts, sizes_W: IntArray, *, shot: int, rng: np.random.Generator
) -> IntArray:
    affordable_W = sizes_W - MIN_QUERIES
    match counts:
        case "equal":
            return np.full(len(sizes_W), shot)
        case "unequal":
            return np.minimum(rng.integers(1, 2 * shot, size=len(sizes_W)), affordable_W)
        case "natural":
            total = len(sizes_W) * shot
            shots_W = np.clip(rng.multivariate_hypergeometric(sizes_W, total), 1, affordable_W)
            # The largest count pays for what the limits added; what they cut goes where most is
            # left.
            while shots_W.sum() > total:
                shots_W[shots_W.argmax()] -= 1
            while shots_W.sum() < total:
                shots_W[(affordable_W - shots_W).argmax()] += 1
            return shots_W
