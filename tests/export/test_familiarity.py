"""A table far from those of meta-training is answered with a warning that says what is far."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.config import SklearnSource
from autometa.errors import UnfamiliarTableWarning, UserError
from autometa.export import FewShotClassifier, read_export, seen_figures
from autometa.export._familiarity import far_figures
from autometa.tables import load_source

WriteExport = Callable[..., Path]
FIGURES = {
    "columns": [4.0, 64.0],
    "classes": [2.0, 5.0],
    "missing": [0.0, 0.1],
    "kurtosis": [0.2, 0.5],
}


@pytest.fixture
def familiar(write: WriteExport) -> FewShotClassifier:
    """A classifier whose export says what tables its weights have seen."""
    provenance = {"study": "small", "figures_seen": FIGURES}
    return FewShotClassifier(write(provenance=provenance))


def table(columns: int, classes: int = 2) -> tuple[pd.DataFrame, list[str]]:
    """Returns ten rows of numbers and their classes."""
    cells = np.random.default_rng(0).normal(size=(10, columns))
    return pd.DataFrame(cells).add_prefix("c"), [f"k{row % classes}" for row in range(10)]


@pytest.mark.parametrize(("columns", "classes"), [(1, 2), (20, 3), (128, 10)])
def test_tables_like_those_seen_are_no_reason_to_warn(
    columns: int, classes: int, familiar: FewShotClassifier
) -> None:
    """Up to twice as many columns and classes, and fewer, are as good as seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        familiar.fit(*table(columns, classes))


@pytest.mark.parametrize(
    ("X", "y", "told"),
    [
        (*table(129), r"encoded columns: 129, where 4 to 64 were seen"),
        (table(5)[0], [*"abcdefghijk"[:10]], None),
        (table(5)[0].mask(np.arange(50).reshape(10, 5) % 2 == 0), table(5)[1], "share of missing"),
    ],
)
def test_what_is_far_is_told(
    X: pd.DataFrame, y: list[str], told: str | None, familiar: FewShotClassifier
) -> None:
    """The warning names the figure, its value and what was seen, and predictions are given."""
    if told is None:
        familiar.fit(X, y)
    else:
        with pytest.warns(UnfamiliarTableWarning, match=told) as caught:
            familiar.fit(X, y)
        assert "cross-validation" in str(caught[0].message)
    assert familiar.predict(X).shape == (10,)


def test_an_export_without_figures_says_nothing(write: WriteExport) -> None:
    """Earlier exports did not record them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FewShotClassifier(write()).fit(*table(2000))


def test_the_figures_are_ranges_over_tables() -> None:
    """No table of meta-training lies outside of what it recorded."""
    tables, _ = load_source(SklearnSource(names=("iris", "wine", "breast_cancer")))

    seen = seen_figures(tables)

    assert seen["columns"] == [4.0, 30.0]
    assert seen["classes"] == [2.0, 3.0]
    assert seen["indicators"] == [0.0, 0.0]
    for item in tables:
        classes = len(np.unique(item.y_R))
        assert far_figures(seen, item.stats_FJ, item.usable_F, classes=classes) == []
    assert seen_figures([]) == {}


@pytest.mark.parametrize("ends", [[1.0], "many", [1.0, float("nan")], {"low": 1}])
def test_damaged_figures_are_refused(ends: Any, write: WriteExport) -> None:
    """A folder may come from anywhere."""
    path = write(provenance={"study": "small", "figures_seen": {"columns": ends}})

    with pytest.raises(UserError, match="figures_seen of an export must give a smallest"):
        read_export(path)
