"""Baseline scores: kept, found again, recomputed when damaged, equal in parallel."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.errors import UserError
from autometa.evaluation import EvaluationTask, ScoreSheet, score_baselines
from autometa.evaluation import _baseline_cache as cache
from autometa.tables import ScaledTable

CHEAP = ("logistic_regression", "knn", "label_spreading")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of episodes that are really computed, one entry per task."""
    counts: list[int] = []
    score = cache._score

    def counting(episodes: list[Any], names: tuple[str, ...]) -> Any:
        counts.append(len(episodes))
        return score(episodes, names)

    monkeypatch.setattr(cache, "_score", counting)
    return counts


def assert_equal(first: ScoreSheet, second: ScoreSheet) -> None:
    """Fails unless both sheets hold the same rows in the same order, to the last bit."""
    pd.testing.assert_frame_equal(first.frame, second.frame, check_exact=True)


def test_rows_follow_tasks_episodes_and_names(tasks: list[EvaluationTask]) -> None:
    """There is a row per task, episode and method; inductive tasks have no semi-supervised one."""
    frame = score_baselines(tasks, names=CHEAP).frame

    inductive = frame[frame["setting"] == "inductive"]
    others = frame[frame["setting"] != "inductive"]
    assert list(inductive["method"]) == ["logistic_regression", "knn"] * 3
    assert list(others["method"]) == list(CHEAP) * 9
    assert list(others["episode"][:6]) == [0, 0, 0, 1, 1, 1]
    assert set(frame["role"]) == {"validation", "test"}
    assert (frame["accuracy"] > 0.3).mean() > 0.9
    assert not frame["diverged"].any()


def test_a_second_call_computes_nothing(
    tasks: list[EvaluationTask], tmp_path: Path, computed: list[int]
) -> None:
    """Scores from the cache are those that were computed, whatever the order of the tasks."""
    first = score_baselines(tasks, tmp_path, names=CHEAP)
    assert computed == [3, 3, 3, 3]

    again = score_baselines(tasks, tmp_path, names=CHEAP)
    backwards = score_baselines(tasks[::-1], tmp_path, names=CHEAP)

    assert len(computed) == 4
    assert_equal(first, again)
    assert set(map(tuple, backwards.frame.to_numpy())) == set(map(tuple, first.frame.to_numpy()))


def test_scores_do_not_depend_on_the_cache(tasks: list[EvaluationTask], tmp_path: Path) -> None:
    """Without a folder the same is computed, and nothing is written."""
    assert_equal(
        score_baselines(tasks, None, names=CHEAP), score_baselines(tasks, tmp_path, names=CHEAP)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"shot": 3},
        {"setting": "transductive"},
        {"queries": 5},
        {"count": 2},
        {"counts": "unequal"},
        {"counts": "natural"},
    ],
)
def test_what_changes_scores_changes_the_key(
    change: dict[str, Any],
    make_table: Callable[..., ScaledTable],
    make_task: Callable[..., EvaluationTask],
) -> None:
    """Seed, shot, setting and protocol are part of the key; role and table name are not."""
    table = make_table()
    task = make_task(table)
    renamed = dataclasses.replace(
        task, role="test", table=dataclasses.replace(table, name="other", family="other")
    )

    assert cache._key(make_task(table, **change), CHEAP) != cache._key(task, CHEAP)
    assert cache._key(renamed, CHEAP) == cache._key(task, CHEAP)


def test_versions_names_and_cells_are_part_of_the_key(
    make_table: Callable[..., ScaledTable],
    make_task: Callable[..., EvaluationTask],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other baselines, other code or another encoding of the same table is computed again."""
    table = make_table()
    task = make_task(table)
    shifted = dataclasses.replace(
        task, table=dataclasses.replace(table, x_RFH=table.x_RFH + np.float32(0.5))
    )
    key = cache._key(task, CHEAP)

    others = {cache._key(task, CHEAP[:1]), cache._key(shifted, CHEAP)}
    monkeypatch.setattr(cache, "BASELINE_VERSION", cache.BASELINE_VERSION + 1)
    others.add(cache._key(task, CHEAP))
    monkeypatch.undo()
    monkeypatch.setattr("sklearn.__version__", "99.0")
    others.add(cache._key(task, CHEAP))

    assert key not in others
    assert len(others) == 4


def damage_cut(path: Path) -> None:
    """Cuts the file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_empty(path: Path) -> None:
    """Empties the file."""
    path.write_bytes(b"")


def damage_flip(path: Path) -> None:
    """Changes a byte of a score."""
    data = bytearray(path.read_bytes())
    data[250] ^= 0xFF
    path.write_bytes(bytes(data))


def damage_shape(path: Path) -> None:
    """Drops an episode."""
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"scores_EMK": arrays["scores_EMK"][:-1]})


def damage_nan(path: Path) -> None:
    """Puts a value there that is not finite."""
    with np.load(path) as file:
        arrays = dict(file)
    arrays["scores_EMK"][0, 0, 0] = np.nan
    np.savez(path, **arrays)


def damage_keys(path: Path) -> None:
    """Leaves out an array."""
    np.savez(path, scores_EMK=np.zeros((3, 3, 7)))


def damage_objects(path: Path) -> None:
    """Puts pickled objects there, which are never loaded."""
    np.savez(path, scores_EMK=np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        damage_cut,
        damage_empty,
        damage_flip,
        damage_shape,
        damage_nan,
        damage_keys,
        damage_objects,
    ],
)
def test_a_damaged_file_is_computed_again(
    damage: Callable[[Path], None],
    tasks: list[EvaluationTask],
    tmp_path: Path,
    computed: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever is wrong with a file, the scores are right, it is said, and the file is whole."""
    first = score_baselines(tasks[1:2], tmp_path, names=CHEAP)
    (path,) = (tmp_path / "baselines").iterdir()
    size = path.stat().st_size
    damage(path)

    with caplog.at_level(logging.WARNING, "autometa"):
        again = score_baselines(tasks[1:2], tmp_path, names=CHEAP)

    assert_equal(first, again)
    assert computed == [3, 3]
    assert "computing again" in caplog.text
    assert path.stat().st_size == size


def test_a_folder_that_cannot_be_written_costs_no_scores(
    tasks: list[EvaluationTask],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Scores that cannot be kept are still returned, with a warning."""

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with caplog.at_level(logging.WARNING, "autometa"):
        sheet = score_baselines(tasks[:1], tmp_path, names=CHEAP)

    assert len(sheet) == 6
    assert "cannot be kept" in caplog.text
    assert list((tmp_path / "baselines").iterdir()) == []


def test_parallel_scores_are_serial_scores(tasks: list[EvaluationTask], tmp_path: Path) -> None:
    """Two processes give the same bits as one, and progress counts every task."""
    progress: list[tuple[int, int]] = []
    names = (*CHEAP, "extra_trees")

    parallel = score_baselines(
        tasks,
        tmp_path,
        workers=2,
        names=names,
        on_progress=lambda done, total: progress.append((done, total)),
    )

    assert_equal(parallel, score_baselines(tasks, names=names))
    assert progress == [(done, 4) for done in range(5)]


def test_progress_starts_at_what_the_cache_has(tasks: list[EvaluationTask], tmp_path: Path) -> None:
    """A resumed run does not start at nothing."""
    progress: list[tuple[int, int]] = []
    score_baselines(tasks[:3], tmp_path, names=CHEAP)

    score_baselines(
        tasks, tmp_path, names=CHEAP, on_progress=lambda *counts: progress.append(counts)
    )

    assert progress == [(3, 4), (4, 4)]


def test_unknown_baselines_are_refused(tasks: list[EvaluationTask]) -> None:
    """The message lists the baselines."""
    with pytest.raises(UserError, match="one of logistic_regression, lda"):
        score_baselines(tasks, names=["catboost"])


def test_no_tasks_give_an_empty_sheet() -> None:
    """Nothing to score is no error."""
    assert len(score_baselines([])) == 0
