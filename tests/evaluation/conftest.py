"""Small tables, tasks and sheets for the tests of the evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from autometa.episodes import evaluation_episodes
from autometa.evaluation import METRICS, EvaluationTask, ScoreSheet
from autometa.tables import ScaledTable, scale_rows


def make_table(
    name: str = "blobs", *, classes: int = 3, columns: int = 4, rows: int = 90, seed: int = 0
) -> ScaledTable:
    """Returns a table of Gaussian classes, scaled on itself; the last column is constant."""
    rng = np.random.default_rng(seed)
    y_R = rng.permutation(np.arange(rows) % classes)
    centres = rng.normal(size=(classes, columns)) * 1.5
    values_RF = (centres[y_R] + rng.normal(size=(rows, columns))).astype(np.float32)
    values_RF[:, -1] = 1.0
    is_indicator_F = np.zeros(columns, dtype=bool)
    scaled = scale_rows(values_RF, is_indicator_F, np.arange(rows))
    return ScaledTable(
        name=name,
        family=f"{name}-family",
        sha256=hashlib.sha256(values_RF.tobytes() + y_R.tobytes()).hexdigest(),
        x_RFH=scaled.x_RFH,
        stats_FJ=scaled.stats_FJ,
        usable_F=scaled.usable_F,
        y_R=y_R,
        is_indicator_F=is_indicator_F,
        source_column_F=np.arange(columns, dtype=np.int32),
        values_RF=values_RF,
    )


def make_task(table: ScaledTable, **changes: Any) -> EvaluationTask:
    """Returns three episodes of a table at two rows per class, unless told otherwise."""
    fields = {"shot": 2, "setting": "unlabelled", "role": "validation", "seed": 0} | changes
    count = fields.pop("count", 3)
    counts = fields.pop("counts", "equal")
    episodes = evaluation_episodes(
        table.y_R,
        table.sha256,
        shot=fields["shot"],
        count=count,
        ways=5,
        queries=fields.pop("queries", 6),
        seed=fields["seed"],
        counts=counts,
    )
    return EvaluationTask(table=table, episodes=episodes, **fields)


def make_sheet(
    scores: Mapping[str, Mapping[tuple[str, str, int], list[float]]],
    *,
    metric: str = "accuracy",
    **fields: Any,
) -> ScoreSheet:
    """Returns a sheet from {method: {(family, table, shot): scores of the episodes}}."""
    rows = [
        dict.fromkeys(METRICS, 0.5)
        | {"role": "validation", "setting": "unlabelled", "seed": 0, "diverged": False}
        | {"family": family, "table": table, "shot": shot, "episode": episode, "method": method}
        | {metric: value}
        | fields
        for method, cells in scores.items()
        for (family, table, shot), values in cells.items()
        for episode, value in enumerate(values)
    ]
    return ScoreSheet.from_rows(rows)


@pytest.fixture(name="make_table")
def _make_table() -> Callable[..., ScaledTable]:
    """The function that makes a table."""
    return make_table


@pytest.fixture(name="make_task")
def _make_task() -> Callable[..., EvaluationTask]:
    """The function that makes a task."""
    return make_task


@pytest.fixture(name="make_sheet")
def _make_sheet() -> Callable[..., ScoreSheet]:
    """The function that makes a sheet."""
    return make_sheet


@pytest.fixture
def tasks() -> list[EvaluationTask]:
    """Tasks that differ in table, number of ways and columns, setting and shot."""
    small = make_table("small", classes=2, columns=3, rows=40, seed=1)
    large = make_table("large", classes=4, columns=7, rows=120, seed=2)
    return [
        make_task(small, setting="inductive"),
        make_task(large, setting="transductive"),
        make_task(small, setting="unlabelled", shot=1),
        make_task(large, setting="unlabelled", shot=3, role="test"),
    ]
