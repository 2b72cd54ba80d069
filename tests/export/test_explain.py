"""Which columns an adapted classifier leans on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autometa.errors import UserError
from autometa.export import load


@pytest.fixture
def table() -> tuple[pd.DataFrame, pd.Series]:
    """A column that tells the classes apart, one of noise and a constant one."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 20)
    frame = pd.DataFrame(
        {"noise": rng.normal(size=40), "signal": rng.normal(size=40) + 6 * codes, "same": 1.0}
    )
    return frame, pd.Series(codes)


def test_the_column_that_decides_comes_first(
    export: Path, table: tuple[pd.DataFrame, pd.Series]
) -> None:
    """A constant column has no influence at all, and values are shares."""
    classifier = load(export).fit(*table)

    influence = classifier.explain(table[0])

    assert influence.index[0] == "signal"
    assert influence["same"] == 0.0
    assert influence.between(0, 1).all()
    assert influence.is_monotonic_decreasing


def test_arrays_are_explained_like_frames(
    export: Path, table: tuple[pd.DataFrame, pd.Series]
) -> None:
    """Columns of an array are numbered, and nothing warns of names that nobody gave."""
    classifier = load(export).fit(table[0].to_numpy(), table[1])

    influence = classifier.explain(table[0].to_numpy())

    assert influence.index[0] == "1"


def test_the_same_rows_give_the_same_influence(
    export: Path, table: tuple[pd.DataFrame, pd.Series]
) -> None:
    """The deals are seeded, and the frame that was given is left as it was."""
    frame, labels = table
    before = frame.copy()
    classifier = load(export).fit(frame, labels)

    pd.testing.assert_series_equal(classifier.explain(frame), classifier.explain(frame))
    pd.testing.assert_frame_equal(frame, before)


def test_of_many_rows_a_sample_is_taken(
    export: Path, table: tuple[pd.DataFrame, pd.Series], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every prediction is of at most 500 rows."""
    classifier = load(export).fit(*table)
    sizes: list[int] = []
    predict = type(classifier).predict_proba

    def counted(self: object, X: pd.DataFrame) -> object:
        sizes.append(len(X))
        return predict(self, X)  # type: ignore[arg-type]

    monkeypatch.setattr(type(classifier), "predict_proba", counted)
    classifier.explain(pd.concat([table[0]] * 20), repeats=1)

    assert sizes == [500] * 4


def test_unusable_arguments_are_refused(
    export: Path, table: tuple[pd.DataFrame, pd.Series]
) -> None:
    """One row cannot be dealt, and a missing column is named."""
    classifier = load(export).fit(*table)

    with pytest.raises(UserError, match="at least two rows"):
        classifier.explain(table[0].head(1))
    with pytest.raises(UserError, match="repeats must be at least 1; got 0"):
        classifier.explain(table[0], repeats=0)
    with pytest.raises(UserError, match="missing: 'noise'"):
        classifier.explain(table[0].drop(columns="noise"))
