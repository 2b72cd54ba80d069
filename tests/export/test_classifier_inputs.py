"""What a classifier accepts as X and y, and how it refuses the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from autometa.errors import UserError
from autometa.export import FewShotClassifier, load

X = pd.DataFrame({"a": [0.0, 1.0, 9.0, 8.0], "b": ["u", "v", "u", "v"]})
Y = ["low", "low", "high", "high"]


@pytest.fixture
def fitted(export: Path) -> FewShotClassifier:
    """Returns a classifier fitted on a frame."""
    return load(export).fit(X, Y)


def test_frames_are_matched_by_name(fitted: FewShotClassifier) -> None:
    """Another order and further columns change nothing."""
    expected = fitted.predict_proba(X)

    given = fitted.predict_proba(X[["b", "a"]].assign(c=1))

    np.testing.assert_array_equal(given, expected)
    assert fitted.feature_names_in_.tolist() == ["a", "b"]
    assert fitted.n_features_in_ == 2


def test_a_missing_column_is_named(fitted: FewShotClassifier) -> None:
    """The message names the column; that holds for unlabelled rows too."""
    with pytest.raises(UserError, match="missing: 'b'"):
        fitted.predict(X[["a"]])
    with pytest.raises(UserError, match="missing: 'b'"):
        fitted.fit(X, Y, X_unlabelled=X[["a"]])


def test_arrays_are_matched_by_position(export: Path) -> None:
    """Arrays and lists need the same number of columns and get no feature names."""
    classifier = load(export).fit(X.to_numpy(), Y)

    assert not hasattr(classifier, "feature_names_in_")
    assert classifier.predict(X.to_numpy().tolist()).tolist() == Y
    with pytest.raises(UserError, match=r"X has 1 features, but .* is expecting 2 features"):
        classifier.predict([[1.0]])


def test_frames_and_arrays_may_be_mixed_with_a_warning(export: Path) -> None:
    """Columns are then matched by position, as in scikit-learn."""
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert load(export).fit(X, Y).predict(X.to_numpy()).tolist() == Y
    with pytest.warns(UserWarning, match="X has feature names"):
        assert load(export).fit(X.to_numpy(), Y).predict(X).tolist() == Y


def test_the_names_of_an_earlier_fit_are_forgotten(fitted: FewShotClassifier) -> None:
    """Fitting on an array after a frame leaves no feature names behind."""
    fitted.fit(X.to_numpy(), Y)

    assert not hasattr(fitted, "feature_names_in_")


def test_frames_may_have_numbers_as_names(export: Path) -> None:
    """Such columns are matched by name, too."""
    frame = X.set_axis([10, 20], axis=1)

    classifier = load(export).fit(frame, Y)

    assert classifier.predict(frame[[20, 10]]).tolist() == Y
    assert not hasattr(classifier, "feature_names_in_")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ([1.0, 2.0, 3.0, 4.0], "Expected 2D array, got 1D array instead"),
        (X["a"], "Expected 2D array, got 1D"),
        (np.zeros((4, 2, 2)), "Expected 2D array, got 3D"),
        (5, "Expected 2D array, got 0D"),
        (csr_matrix(np.eye(4)), "Sparse data"),
        (np.full((4, 1), 1j), "Complex data"),
        (np.empty((0, 3)), r"0 sample\(s\)"),
        (np.empty((4, 0)), r"0 feature\(s\)"),
        (pd.DataFrame(np.zeros((4, 2)), columns=["a", "a"]), "different names; got 'a'"),
        ([[1, 2], [3]], "Expected 2D array|equal lengths"),
        (np.ones((4, 2)), "tells rows apart; got none"),
        (np.full((4, 1), np.nan), "tells rows apart; got none"),
        (pd.DataFrame({"a": [None] * 4, "b": ["x"] * 4}), "tells rows apart.*a: .*b: constant"),
        (X.iloc[:3], "inconsistent numbers of samples: .3, 4."),
    ],
)
def test_bad_rows_are_refused(export: Path, given: Any, match: str) -> None:
    """Each wrong X has a message of one sentence."""
    with pytest.raises(UserError, match=match):
        load(export).fit(given, Y)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (None, "requires y to be passed"),
        (["low"] * 4, "got one class, 'low'"),
        (["low", None, "high", np.nan], "2 have none .row 1, 3.; drop them or pass"),
        (["low", np.nan, "high", "high"], "1 have none .row 1."),
        ([0.0, np.nan, 1.0, 1.0], "1 have none"),
        ([0.5, 1.5, 2.5, 3.5], "Unknown label type: continuous"),
        ([0.0, np.inf, 1.0, 1.0], "infinity"),
        (["low", 1, "high", 2], "of one kind"),
        (["low", "high"], "inconsistent numbers of samples: .4, 2."),
        (np.zeros((4, 2)), "one label per row"),
    ],
)
def test_bad_labels_are_refused(export: Path, given: Any, match: str) -> None:
    """Each wrong y has a message of one sentence."""
    with pytest.raises(UserError, match=match):
        load(export).fit(X, given)


def test_infinite_cells_count_as_missing(export: Path) -> None:
    """Overflow in a spreadsheet does not stop a prediction."""
    cells = np.array([[0.0, 1.0], [np.inf, 2.0], [9.0, -np.inf], [8.0, 1.5]])

    probability = load(export).fit(cells, Y).predict_proba(cells)

    assert np.isfinite(probability).all()
