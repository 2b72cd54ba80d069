"""Scoring an export next to the baselines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autometa.episodes import Episode, evaluation_episodes
from autometa.errors import UserError
from autometa.evaluation import ScoreSheet
from autometa.export import evaluate_export, read_export
from autometa.tables import ScaledTable, encode_table, make_table, scale_table

WriteExport = Callable[..., Path]


def make_scaled(name: str, family: str | None, rows: int = 30) -> ScaledTable:
    """Returns a small table of two classes, its cells a function of its name."""
    rng = np.random.default_rng(len(name))
    codes = np.arange(rows) % 2
    frame = pd.DataFrame(rng.normal(size=(rows, 3)) + 2 * codes[:, None], columns=list("abc"))
    frame["y"] = np.where(codes, "up", "down")
    table = make_table(name, frame, target="y", source="files", family=family)
    return scale_table(encode_table(table))


@pytest.fixture
def evaluate(export: Path, tmp_path: Path) -> Callable[..., ScoreSheet]:
    """Returns a quick evaluation of the export, ``evaluate(tables, ...)``."""

    def run(tables: list[ScaledTable], **changed: Any) -> ScoreSheet:
        parts = {"shots": [1], "settings": ["unlabelled"], "episodes": 1}
        return evaluate_export(
            changed.pop("export", export), tables, cache=tmp_path / "cache", **(parts | changed)
        )

    return run


def test_every_method_is_scored_on_the_same_episodes(
    evaluate: Callable[..., ScoreSheet],
) -> None:
    """The learner and each baseline have one row per table, shot, setting and episode."""
    sheet = evaluate(
        [make_scaled("new", "new")], shots=[1, 5], settings=["inductive", "unlabelled"], episodes=2
    )

    rows = sheet.frame
    assert {"autometa", "logistic_regression", "random_forest"} <= set(sheet.methods())
    for method in ("autometa", "logistic_regression"):
        own = rows[rows["method"] == method]
        assert len(own) == 2 * 2 * 2
    assert np.isfinite(sheet.advantage("autometa", "logistic_regression").mean)


def test_seen_families_are_marked(evaluate: Callable[..., ScoreSheet]) -> None:
    """Families that had a say in training or search do not enter the mean over unseen ones."""
    sheet = evaluate([make_scaled("wine", "wine"), make_scaled("other", "new")])

    roles = dict(zip(sheet.frame["family"], sheet.frame["role"], strict=True))
    assert roles == {"wine": "seen", "new": "unseen"}
    assert set(sheet.select(role="unseen").frame["table"]) == {"other"}


def test_a_table_under_another_name_is_recognised(
    write: WriteExport, evaluate: Callable[..., ScoreSheet]
) -> None:
    """Contents that were seen count as seen in whatever family they come; test tables do not."""
    first, second = make_scaled("a", None), make_scaled("test", "tested")
    seen = [
        {"family": "f", "tables": ["b"], "role": "train", "sha256": [first.sha256[:16]]},
        {"family": "tested", "tables": ["c"], "role": "test", "sha256": [second.sha256]},
        {"family": "g", "tables": ["d"], "role": "train", "sha256": [""]},
    ]
    export = read_export(write(provenance={"families_seen": seen}))

    sheet = evaluate([first, second], export=export)

    roles = dict(zip(sheet.frame["table"], sheet.frame["role"], strict=True))
    assert roles == {"a": "seen", "test": "unseen"}


def test_the_learner_is_scored_in_double_precision(
    export: Path, evaluate: Callable[..., ScoreSheet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches and weights are float64, as in prediction."""
    read = read_export(export)
    learner = read.learner()
    dtypes = set()
    forward = learner.forward

    def recorded(batch: Any) -> Any:
        dtypes.add(batch.x_TRFH.dtype)
        return forward(batch)

    monkeypatch.setattr(learner, "forward", recorded)
    monkeypatch.setattr(type(read), "learner", lambda _self: learner)

    evaluate([make_scaled("new", "new")], export=read)

    assert dtypes == {torch.float64}
    assert {parameter.dtype for parameter in learner.parameters()} == {torch.float64}


def test_progress_reaches_the_end(evaluate: Callable[..., ScoreSheet]) -> None:
    """The callback gets (tasks done, tasks)."""
    calls: list[tuple[int, int]] = []

    evaluate([make_scaled("new", "new")], on_progress=lambda *counts: calls.append(counts))

    assert calls[-1] == (1, 1)


def test_counts_and_ways_reach_the_episodes(
    evaluate: Callable[..., ScoreSheet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learner and baselines share the episodes of the counts and ways that were asked for."""
    asked: list[dict[str, Any]] = []

    def recorded(*arguments: Any, **changed: Any) -> list[Episode]:
        asked.append(changed)
        return evaluation_episodes(*arguments, **changed)

    monkeypatch.setattr("autometa.evaluation._tasks.evaluation_episodes", recorded)

    sheet = evaluate([make_scaled("new", "new")], shots=[3], counts="unequal", ways="all")

    assert [(one["counts"], one["ways"]) for one in asked] == [("unequal", "all")]
    assert len(sheet.select(methods=["autometa"])) == 1


def test_tables_that_are_too_small_are_explained(evaluate: Callable[..., ScoreSheet]) -> None:
    """Without a single episode there is nothing to score."""
    with pytest.raises(UserError, match="two classes of at least 54 rows"):
        evaluate([make_scaled("new", "new")], shots=[50])
