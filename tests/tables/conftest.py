"""Small tables that several tests use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autometa.tables import Table, make_table

MakeFrame = Callable[..., pd.DataFrame]
MakeNamed = Callable[..., Table]


def _frame(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.normal(size=rows),
            "weight": rng.normal(size=rows),
            "colour": rng.choice(["red", "green", "blue"], size=rows),
            "label": rng.choice(["no", "yes"], size=rows),
        }
    )


@pytest.fixture
def make_frame() -> MakeFrame:
    """Returns a maker of frames with two numbers, a category and a label."""
    return _frame


@pytest.fixture
def make_named() -> MakeNamed:
    """Returns a maker of tables that share no row unless their seeds are equal."""

    def make(name: str, *, seed: int, family: str | None = None, rows: int = 60) -> Table:
        return make_table(name, _frame(rows, seed), target="label", source="files", family=family)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns an empty folder for tables."""
    path = tmp_path / "tables"
    path.mkdir()
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Returns a place for a cache that does not exist yet."""
    return tmp_path / "cache"
