"""The classifier as a citizen of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from autometa.export import FewShotClassifier

Blobs = Callable[..., tuple[np.ndarray, np.ndarray]]


def test_the_estimator_checks_pass(export: Path) -> None:
    """All of scikit-learn's own checks of classifiers hold."""
    results = check_estimator(FewShotClassifier(export=str(export)), on_fail=None, on_skip=None)

    failed = {
        result["check_name"]: repr(result["exception"])
        for result in results
        if result["status"] == "failed"
    }
    assert len(results) > 40
    assert failed == {}


def test_parameters_can_be_read_set_and_cloned(tmp_path: Path) -> None:
    """``clone`` and ``set_params`` work without reading the export."""
    classifier = FewShotClassifier(export=tmp_path)

    copied = clone(classifier).set_params(export=None)

    assert classifier.get_params() == {"export": tmp_path}
    assert copied.get_params() == {"export": None}
    assert is_classifier(copied)


def test_probabilities_are_features_for_another_model(export: Path, blobs: Blobs) -> None:
    """As a transformer it gives probabilities, which set_output turns into named columns."""
    X, y = blobs([6, 6])
    labels = np.array(["left", "right"])[y]
    classifier = FewShotClassifier(export=export).fit(X, labels)

    named = classifier.set_output(transform="pandas").transform(X)

    assert list(named.columns) == ["fewshotclassifier_left", "fewshotclassifier_right"]
    np.testing.assert_array_equal(named.to_numpy(), classifier.predict_proba(X))
    stacked = make_pipeline(FewShotClassifier(export=export), LogisticRegression())
    assert stacked.fit(X, labels).score(X, labels) > 0.8


def test_pipelines_and_cross_validation(export: Path, blobs: Blobs) -> None:
    """The classifier works inside a pipeline, a cross-validation and a grid search."""
    X, y = blobs([12, 12])
    pipeline = make_pipeline(StandardScaler(), FewShotClassifier(export=export))

    scores = cross_val_score(pipeline, X, y, cv=3)
    search = GridSearchCV(FewShotClassifier(), {"export": [export]}, cv=3).fit(X, y)

    assert scores.min() > 0.8
    assert search.best_score_ > 0.8


def test_unlabelled_rows_reach_the_classifier_through_a_pipeline(
    export: Path, blobs: Blobs
) -> None:
    """``step__X_unlabelled`` is passed on by ``Pipeline.fit``."""
    X, y = blobs([4, 4])
    pipeline = make_pipeline(FewShotClassifier(export=export))
    further: Any = X[::2] * 3

    fitted = pipeline.fit(X, y, fewshotclassifier__X_unlabelled=further)

    direct = FewShotClassifier(export=export).fit(X, y, X_unlabelled=further)
    np.testing.assert_array_equal(fitted.predict_proba(X), direct.predict_proba(X))
