"""Drawing of episodes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from autometa.episodes import (
    MIN_QUERIES,
    Episode,
    draw_episode,
    evaluation_episodes,
    rows_by_class,
)
from autometa.typing import COUNTS, Counts, IntArray

FIXED = {"shot": 5, "count": 4, "ways": 5, "queries": 15, "seed": 0}


@pytest.fixture
def y_R() -> IntArray:
    """Labels of four classes of 60, 40, 12 and 6 rows in random order."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(4), [60, 40, 12, 6]))


def equal(left: Episode, right: Episode) -> bool:
    """Whether two episodes hold the same rows and labels."""
    return all(
        np.array_equal(value, getattr(right, field))
        for field, value in dataclasses.asdict(left).items()
    )


def test_rows_by_class_lists_every_row_once_under_its_class(y_R: IntArray) -> None:
    """Each class lists its own rows in order, and a class without rows lists none."""
    gap_R = np.where(y_R == 2, 3, y_R)

    listed = rows_by_class(gap_R)

    assert [len(rows) for rows in listed] == [60, 40, 0, 18]
    assert all((gap_R[rows] == code).all() for code, rows in enumerate(listed))
    assert sorted(np.concatenate(listed)) == list(range(len(y_R)))


def test_an_episode_has_the_asked_counts(y_R: IntArray) -> None:
    """Support counts are the shots, query counts the queries or what a class has left."""
    rng = np.random.default_rng(1)
    shots_W = np.array([2, 8, 1])

    for _ in range(20):
        episode = draw_episode(rows_by_class(y_R), shots_W, queries=15, rng=rng)

        classes = [y_R[episode.support_rows_S[episode.support_labels_S == w]][0] for w in range(3)]
        left = [
            min(15, (y_R == code).sum() - shot) for code, shot in zip(classes, shots_W, strict=True)
        ]
        assert np.bincount(episode.support_labels_S).tolist() == [2, 8, 1]
        assert np.bincount(episode.query_labels_Q).tolist() == left
        assert min(left) >= MIN_QUERIES


def test_support_and_query_are_disjoint_rows_of_their_classes(y_R: IntArray) -> None:
    """No row occurs twice, and each label stands for one class of the table."""
    rng = np.random.default_rng(1)

    for _ in range(20):
        episode = draw_episode(rows_by_class(y_R), np.full(3, 5), queries=15, rng=rng)

        rows = np.concatenate([episode.support_rows_S, episode.query_rows_Q])
        labels = np.concatenate([episode.support_labels_S, episode.query_labels_Q])
        assert len(set(rows)) == len(rows)
        classes = [set(y_R[rows[labels == way]]) for way in range(episode.ways)]
        assert [len(found) for found in classes] == [1, 1, 1]
        assert len(set.union(*classes)) == 3


def test_too_few_large_classes_are_an_error(y_R: IntArray) -> None:
    """Asking for more ways than classes with enough rows is refused."""
    with pytest.raises(ValueError, match="3 classes with 24 rows are needed; got 2"):
        draw_episode(rows_by_class(y_R), np.full(3, 20), queries=15, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("shot", "classes"), [(1, {0, 1, 2, 3}), (3, {0, 1, 2}), (8, {0, 1, 2}), (9, {0, 1})]
)
def test_classes_without_enough_rows_are_dropped(
    y_R: IntArray, shot: int, classes: set[int]
) -> None:
    """A class takes part where it has shot + 4 rows; ways follow the classes that are left."""
    episodes = evaluation_episodes(y_R, "ab", **FIXED | {"shot": shot, "count": 10})

    assert {episode.ways for episode in episodes} == {len(classes)}
    assert set(y_R[np.concatenate([e.support_rows_S for e in episodes])]) == classes


def test_a_table_without_two_large_classes_has_no_episode(y_R: IntArray) -> None:
    """The caller gets an empty list to report, not an exception."""
    assert evaluation_episodes(y_R, "ab", **FIXED | {"shot": 50}) == []


def test_all_classes_take_part_where_ways_are_all(y_R: IntArray) -> None:
    """No number limits the ways; classes without enough rows are dropped all the same."""
    wide_R = np.repeat(np.arange(60), 9)

    (episode,) = evaluation_episodes(wide_R, "ab", **FIXED | {"ways": "all", "count": 1})
    (dropped,) = evaluation_episodes(y_R, "ab", **FIXED | {"ways": "all", "count": 1})

    assert episode.ways == len(set(wide_R[episode.support_rows_S])) == 60
    assert dropped.ways == 3


def test_ways_are_limited(y_R: IntArray) -> None:
    """A table of many classes gives random subsets of them."""
    episodes = evaluation_episodes(y_R, "ab", **FIXED | {"shot": 1, "ways": 2, "count": 30})

    pairs = {tuple(sorted(set(y_R[episode.support_rows_S]))) for episode in episodes}
    assert {episode.ways for episode in episodes} == {2}
    assert len(pairs) == 6


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"shot": 4}, {"sha256": "cd"}], ids=lambda change: next(iter(change))
)
def test_evaluation_episodes_are_fixed_by_their_arguments(
    y_R: IntArray, change: dict[str, object]
) -> None:
    """The same arguments give the same rows; another seed, shot or table gives others."""
    arguments = {"sha256": "ab"} | FIXED

    first, again = (evaluation_episodes(y_R, **arguments) for _ in range(2))
    changed = evaluation_episodes(y_R, **arguments | change)

    assert all(equal(*pair) for pair in zip(first, again, strict=True))
    assert not any(equal(*pair) for pair in zip(first, changed, strict=True))


@pytest.mark.parametrize("counts", COUNTS)
def test_more_episodes_extend_fewer(y_R: IntArray, counts: Counts) -> None:
    """Asking for more episodes keeps the ones that were there."""
    few = evaluation_episodes(y_R, "ab", counts=counts, **FIXED)

    many = evaluation_episodes(y_R, "ab", counts=counts, **FIXED | {"count": 9})

    assert len(many) == 9
    assert all(equal(*pair) for pair in zip(few, many, strict=False))


def test_evaluation_episodes_are_equal_in_every_process(y_R: IntArray) -> None:
    """Another interpreter with another hash seed draws the same rows."""
    code = (
        "import numpy as np, autometa.episodes as e;"
        "y = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [60, 40, 12, 6]));"
        f"d = e.evaluation_episodes(y, 'ab', **{FIXED!r});"
        "print(*(r for one in d for r in one.query_rows_Q))"
    )

    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout

    expected = [r for one in evaluation_episodes(y_R, "ab", **FIXED) for r in one.query_rows_Q]
    assert [int(row) for row in printed.split()] == expected


def shots_of(episodes: list[Episode]) -> IntArray:
    """Returns the support rows of each way, shape (episodes, ways)."""
    return np.array([np.bincount(episode.support_labels_S) for episode in episodes])


def test_equal_counts_give_the_stored_rows(y_R: IntArray) -> None:
    """Scores of different releases can be compared: the rows are those of the first one."""
    first, second = evaluation_episodes(
        y_R, "ab", shot=3, count=2, ways=2, queries=4, seed=0, counts="equal"
    )

    assert first.support_rows_S.tolist() == [72, 108, 18, 33, 86, 69]
    assert first.query_rows_Q.tolist() == [83, 77, 116, 29, 110, 99, 6, 88]
    assert second.support_rows_S.tolist() == [113, 13, 10, 12, 57, 100]
    assert second.query_rows_Q.tolist() == [63, 111, 25, 97, 70, 105, 98, 84]


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("shot", [1, 2, 5, 8])
def test_counts_leave_classes_and_queries_as_they_are(
    y_R: IntArray, counts: Counts, shot: int
) -> None:
    """Each class has a support row, enough query rows, and takes part as with equal counts."""
    arguments = FIXED | {"shot": shot, "ways": 3, "count": 20}
    equals = evaluation_episodes(y_R, "ab", **arguments)

    for episode, other in zip(
        evaluation_episodes(y_R, "ab", counts=counts, **arguments), equals, strict=True
    ):
        support = [y_R[episode.support_rows_S[episode.support_labels_S == w]] for w in range(3)]
        sizes = [(y_R == codes[0]).sum() for codes in support]
        left = [min(15, size - len(codes)) for size, codes in zip(sizes, support, strict=True)]
        assert np.bincount(episode.query_labels_Q).tolist() == left
        assert min(left) >= MIN_QUERIES
        assert not set(episode.support_rows_S) & set(episode.query_rows_Q)
        assert [set(codes) for codes in support] == [
            set(y_R[other.support_rows_S[other.support_labels_S == w]]) for w in range(3)
        ]


@pytest.mark.parametrize("counts", COUNTS)
def test_at_one_shot_all_counts_are_one(y_R: IntArray, counts: Counts) -> None:
    """One row per class on average and at least leaves nothing to draw."""
    arguments = FIXED | {"shot": 1}

    drawn = evaluation_episodes(y_R, "ab", counts=counts, **arguments)

    assert all(map(equal, drawn, evaluation_episodes(y_R, "ab", **arguments)))


def test_unequal_counts_keep_the_mean() -> None:
    """Where classes are large, counts take every value from 1 to 2 * shot - 1 alike."""
    y_R = np.repeat(np.arange(3), 50)

    shots_EW = shots_of(
        evaluation_episodes(y_R, "ab", counts="unequal", **FIXED | {"shot": 3, "count": 400})
    )

    shares = np.bincount(shots_EW.ravel(), minlength=7)[1:] / shots_EW.size
    assert shares == pytest.approx([0.2] * 5 + [0], abs=0.04)


def test_unequal_counts_stop_at_what_a_class_affords() -> None:
    """A class with just enough rows for the shots never gives more than these."""
    y_R = np.repeat(np.arange(2), 5 + MIN_QUERIES)

    shots_EW = shots_of(evaluation_episodes(y_R, "ab", counts="unequal", **FIXED | {"count": 50}))

    assert (shots_EW.min(), shots_EW.max()) == (1, 5)


def test_natural_counts_follow_the_frequencies() -> None:
    """The total is fixed, and classes have their share of it on average."""
    y_R = np.repeat(np.arange(3), [600, 300, 100])

    episodes = evaluation_episodes(y_R, "ab", counts="natural", **FIXED | {"count": 400})

    by_class_EC = np.array([np.bincount(y_R[episode.support_rows_S]) for episode in episodes])
    assert set(by_class_EC.sum(axis=1)) == {15}
    assert by_class_EC.mean(axis=0) == pytest.approx([9.0, 4.5, 1.6], abs=0.2)


@pytest.mark.parametrize("sizes", [[900, 9, 9], [9, 9, 9], [40, 30, 9]])
def test_natural_counts_are_one_or_more_and_affordable(sizes: list[int]) -> None:
    """Rare classes get a row, small tables keep their query rows, and the total stays."""
    y_R = np.repeat(np.arange(3), sizes)

    shots_EW = shots_of(evaluation_episodes(y_R, "ab", counts="natural", **FIXED | {"count": 50}))

    assert shots_EW.min() >= 1
    assert set(shots_EW.sum(axis=1)) == {15}
