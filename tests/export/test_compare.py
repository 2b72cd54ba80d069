"""The classifier beside classical models on a user's own labelled rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold

from autometa.errors import UserError
from autometa.export import compare, compare_csv, load, verdict
from autometa.learners import BASELINES


def test_every_method_foretells_every_row_once(
    export: Path, mixed: tuple[pd.DataFrame, pd.Series]
) -> None:
    """Mixed columns are encoded for all methods alike, and the best comes first."""
    compared = compare(*mixed, export=export)

    assert set(compared.index) == {"autometa", *BASELINES}
    assert compared["accuracy"].is_monotonic_decreasing
    assert compared["accuracy"].between(0, 1).all()
    assert (compared["log_loss"] > 0).all()
    pd.testing.assert_frame_equal(compared, compare(*mixed, export=export))


def test_the_own_row_is_cross_validation_by_hand(
    export: Path, blobs: Callable[..., tuple[np.ndarray, np.ndarray]]
) -> None:
    """Accuracy is that of fits without the rows, which serve as unlabelled ones."""
    X, y = blobs([6, 5])
    compared = compare(X, y, export=export)

    right = 0
    for known, out in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        own = load(export).fit(X[known], y[known], X_unlabelled=X[out])
        right += int((own.predict(X[out]) == y[out]).sum())

    assert compared.loc["autometa", "accuracy"] == pytest.approx(right / 11)


def test_a_class_with_one_row_is_named(export: Path) -> None:
    """There is nothing to foretell it from."""
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 9.0]})

    with pytest.raises(UserError, match="'rare' has one: label another row of it"):
        compare(X, ["x", "x", "y", "y", "rare"], export=export)


@pytest.mark.parametrize(
    ("own", "best", "words"),
    [
        (0.6, 0.9, "forest does better on these rows, by 30 points of accuracy: use it"),
        (0.9, 0.6, "autometa does better on these rows"),
        (0.80, 0.82, r"within the uncertainty on these rows \(-2 points, standard error 5\)"),
    ],
)
def test_the_verdict_is_one_sentence(own: float, best: float, words: str) -> None:
    """It says who does better, or that nobody can tell."""
    rows = {
        "autometa": {"accuracy": own, "standard_error": 0.05, "log_loss": 0.5},
        "forest": {"accuracy": best, "standard_error": 0.04, "log_loss": 0.4},
        "knn": {"accuracy": 0.1, "standard_error": 0.04, "log_loss": 0.4},
    }
    compared = pd.DataFrame(rows).T.sort_values("accuracy", ascending=False)

    assert re.search(words, verdict(compared))


def test_files_are_compared_as_they_are_predicted(
    export: Path, mixed: tuple[pd.DataFrame, pd.Series], tmp_path: Path
) -> None:
    """The rows to predict serve as unlabelled ones."""
    frame, labels = mixed
    frame = frame[["size", "word"]]
    frame.assign(state=labels).to_csv(tmp_path / "labelled.csv", index=False)
    frame.to_csv(tmp_path / "rows.csv", index=False)

    compared = compare_csv(
        tmp_path / "labelled.csv", tmp_path / "rows.csv", target="state", export=export
    )

    assert set(compared.index) == {"autometa", *BASELINES}
