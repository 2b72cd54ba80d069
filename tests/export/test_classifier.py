"""Fitting and predicting with an exported learner."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from autometa.errors import RunError, UserError
from autometa.export import FewShotClassifier, load
from autometa.learners import AbstractLearner

Blobs = Callable[..., tuple[np.ndarray, np.ndarray]]
Mixed = tuple[pd.DataFrame, pd.Series]
WriteExport = Callable[..., Path]
Untrained = Callable[..., AbstractLearner]
LEARNERS: list[tuple[str, dict[str, Any]]] = [
    ("maml", {}),
    ("fomaml", {"inputs": "padded", "columns": 3}),
    ("in_context", {}),
    ("column_kernel", {"adapt": "head"}),
    ("column_kernel", {"adapt": "head+scales"}),
    ("column_kernel", {"smoothing": True}),
]
every_learner = pytest.mark.parametrize(("name", "values"), LEARNERS)


@pytest.fixture
def learned(write: WriteExport, untrained: Untrained) -> Callable[..., FewShotClassifier]:
    """Returns a maker of classifiers, ``learned(name, **config values)``."""

    def make(name: str, **values: Any) -> FewShotClassifier:
        return load(write(learner=untrained(name, **values)))

    return make


@pytest.mark.parametrize(
    ("name", "values"), [learner for learner in LEARNERS if learner[0] != "in_context"]
)
def test_untrained_weights_separate_distant_classes(
    write: WriteExport, untrained: Untrained, blobs: Blobs, name: str, values: dict[str, Any]
) -> None:
    """A sensible start: classes that lie far apart are told apart, but by a transformer."""
    X, y = blobs([6, 6, 6])
    folder = write(learner=untrained(name, **values))

    classifier = load(folder).fit(X[::2], y[::2])

    assert classifier.score(X[1::2], y[1::2]) >= 8 / 9


def test_mixed_columns_with_missing_cells(export: Path, mixed: Mixed) -> None:
    """Numbers, categories, texts, flags, dates and gaps are taken as they are."""
    X, y = mixed

    classifier = load(export).fit(X.iloc[::2], y.iloc[::2], X_unlabelled=X)

    assert classifier.classes_.tolist() == ["raw", "ripe"]
    assert classifier.score(X.iloc[1::2], y.iloc[1::2]) > 0.8
    probability = classifier.predict_proba(X)
    assert probability.shape == (40, 2)
    assert probability.dtype == np.float64
    np.testing.assert_allclose(probability.sum(1), 1)


@pytest.mark.parametrize("counts", [[3, 11], [1, 1], [1, 7, 2], [1] * 19, [4] * 19])
def test_any_number_of_rows_and_classes(export: Path, blobs: Blobs, counts: list[int]) -> None:
    """Counts may differ, be one, and there may be more classes than in meta-training."""
    X, y = blobs(counts)

    classifier = load(export).fit(X, y)

    assert classifier.predict_proba(X).shape == (len(X), len(counts))
    assert classifier.score(X, y) > 0.6


def test_a_single_numeric_column_is_enough(export: Path) -> None:
    """One column gives an answer."""
    classifier = load(export).fit([[0.0], [0.5], [9.0]], ["low", "low", "high"])

    assert classifier.predict([[0.2], [8.0]]).tolist() == ["low", "high"]


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["b", "a", "b", "a"], ["a", "b"]),
        ([7, -2, 7, -2], [-2, 7]),
        ([1.0, 0.0, 1.0, 0.0], [0.0, 1.0]),
        ([True, False, True, False], [False, True]),
        (pd.Categorical(["b", "a", "b", "a"], categories=["b", "a", "c"]), ["a", "b"]),
        (pd.Series(["b", "a", "b", "a"], dtype="string"), ["a", "b"]),
        (pd.Series([2, 1, 2, 1], dtype="Int64"), [1, 2]),
        (np.array(["b", "a", "b", "a"], dtype=object), ["a", "b"]),
        (pd.to_datetime(["2024-01-02", "2024-01-01"] * 2), None),
    ],
)
def test_labels_of_any_kind(export: Path, y: Any, classes: list[Any] | None) -> None:
    """Predictions are labels of the kind that was given; unused categories are no classes."""
    X = [[0.0, 1.0], [9.0, 0.0], [1.0, 1.0], [8.0, 0.0]]

    classifier = load(export).fit(X, y)

    assert classes is None or classifier.classes_.tolist() == classes
    assert (classifier.predict(X) == np.asarray(y)).all()


@every_learner
def test_predictions_do_not_depend_on_chunks(
    learned: Callable[..., FewShotClassifier],
    mixed: Mixed,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    values: dict[str, Any],
) -> None:
    """Rows are predicted alike alone, in small chunks and all at once."""
    X, y = mixed
    classifier = learned(name, **values).fit(X, y)
    at_once = classifier.predict_proba(X)

    monkeypatch.setattr("autometa.export._support._MAX_CHUNK_ROWS", 7)
    in_chunks = classifier.predict_proba(X)
    alone = np.concatenate([classifier.predict_proba(X.iloc[[row]]) for row in range(len(X))])

    np.testing.assert_allclose(in_chunks, at_once, rtol=0, atol=1e-9)
    np.testing.assert_allclose(alone, at_once, rtol=0, atol=1e-9)


@every_learner
def test_repeated_fits_agree(
    write: WriteExport, untrained: Untrained, mixed: Mixed, name: str, values: dict[str, Any]
) -> None:
    """Neither global generators, nor threads, nor precision defaults have a say."""
    X, y = mixed
    folder = write(learner=untrained(name, **values))
    first = load(folder).fit(X, y).predict_proba(X)

    torch.manual_seed(3)
    torch.set_num_threads(2)
    second = load(folder).fit(X, y).predict_proba(X)

    assert torch.get_num_threads() == 2
    np.testing.assert_array_equal(first, second)


@every_learner
def test_the_order_of_the_labelled_rows_does_not_matter(
    write: WriteExport, untrained: Untrained, mixed: Mixed, name: str, values: dict[str, Any]
) -> None:
    """A support set is a set."""
    X, y = mixed
    folder = write(learner=untrained(name, **values))
    order = np.random.default_rng(0).permutation(len(X))

    straight = load(folder).fit(X, y).predict_proba(X)
    shuffled = load(folder).fit(X.iloc[order], y.iloc[order]).predict_proba(X)

    np.testing.assert_allclose(shuffled, straight, rtol=0, atol=1e-5)


def test_adaptation_runs_in_double_precision(export: Path, blobs: Blobs) -> None:
    """Everything that adaptation leaves behind is float64."""
    classifier = load(export).fit(*blobs([3, 3]))

    tensors = [value for value in classifier._adapted.values() if value.is_floating_point()]

    assert tensors
    assert {tensor.dtype for tensor in tensors} == {torch.float64}


def test_predict_never_refits(export: Path, blobs: Blobs) -> None:
    """Far-away rows in the same call change nothing for the others."""
    X, y = blobs([5, 5])
    classifier = load(export).fit(X, y)

    alone = classifier.predict_proba(X)
    among_others = classifier.predict_proba(np.vstack([X, 1e6 * X, 1e300 * X]))

    np.testing.assert_allclose(among_others[: len(X)], alone, rtol=0, atol=1e-9)
    assert np.isfinite(among_others).all()


def test_unlabelled_rows_inform_the_encoding(export: Path, blobs: Blobs) -> None:
    """Further rows change the scaling, and with it the predictions."""
    X, y = blobs([4, 4])
    further = np.random.default_rng(0).normal(size=(50, X.shape[1])) ** 3

    without = load(export).fit(X, y).predict_proba(X)
    informed = load(export).fit(X, y, X_unlabelled=further).predict_proba(X)
    empty = load(export).fit(X, y, X_unlabelled=further[:0]).predict_proba(X)

    assert np.abs(informed - without).max() > 1e-6
    np.testing.assert_array_equal(empty, without)


def test_many_labelled_rows_are_sampled_by_class(export: Path, blobs: Blobs) -> None:
    """Above 1,000 rows the small class stays whole and the user is told."""
    X, y = blobs([1500, 20, 700])

    with pytest.warns(UserWarning, match="1000 rows at most; got 2220"):
        classifier = load(export).fit(X, y)

    assert classifier._adapted["alpha"].shape[2] == 1000
    assert classifier.score(X, y) > 0.9


def test_no_rows_give_no_predictions(export: Path, mixed: Mixed) -> None:
    """Predicting an empty frame is no error."""
    X, y = mixed
    classifier = load(export).fit(X, y)

    assert classifier.predict(X.iloc[:0]).shape == (0,)
    assert classifier.predict_proba(X.iloc[:0]).shape == (0, 2)


def test_unknown_levels_and_empty_columns_are_predicted(export: Path, mixed: Mixed) -> None:
    """New categories and columns without any cell at prediction time are no error."""
    X, y = mixed
    classifier = load(export).fit(X, y)

    rows = X.assign(colour="violet", size=np.nan, word=None)

    assert np.isfinite(classifier.predict_proba(rows)).all()


def test_a_fitted_classifier_can_be_stored_and_copied(export: Path, mixed: Mixed) -> None:
    """Pickling and deep copies keep the predictions; the export is not read again."""
    X, y = mixed
    classifier = load(export).fit(X, y)
    expected = classifier.predict_proba(X)
    restored = pickle.loads(pickle.dumps(classifier))
    copied = copy.deepcopy(classifier)
    (export / "weights.safetensors").unlink()

    np.testing.assert_array_equal(restored.predict_proba(X), expected)
    np.testing.assert_array_equal(copied.predict_proba(X), expected)


def test_predicting_before_fitting_is_an_error(export: Path) -> None:
    """The error is scikit-learn's own."""
    with pytest.raises(NotFittedError, match="not fitted yet"):
        load(export).predict([[0.0]])


def test_a_failed_fit_keeps_the_earlier_one(export: Path, blobs: Blobs) -> None:
    """State changes only when a fit succeeds."""
    X, y = blobs([3, 3])
    classifier = load(export).fit(X, y)

    with pytest.raises(ValueError, match="one class"):
        classifier.fit(X[:3], y[:3])

    assert classifier.predict(X).shape == (6,)


def test_divergence_is_an_error_and_not_a_prediction(
    write: WriteExport, untrained: Untrained, blobs: Blobs
) -> None:
    """Where the inner loop overflows, fit says so."""
    learner = untrained()
    with torch.no_grad():
        learner.log_kernel_weights.fill_(1e3)  # type: ignore[union-attr,operator]

    with pytest.raises(RunError, match="diverged"):
        load(write(learner=learner)).fit(*blobs([3, 3]))


def test_a_pickle_of_another_version_is_refused(
    learned: Callable[..., FewShotClassifier], blobs: Blobs
) -> None:
    """What a fitted classifier keeps may change, and then one sentence says what to do."""
    classifier = learned("column_kernel").fit(*blobs([3, 3]))
    state = classifier.__getstate__()
    del state["_state_version"]  # as those were written that had none

    with pytest.raises(UserError, match="fit it again"):
        FewShotClassifier().__setstate__(state)
    unfitted = FewShotClassifier("somewhere").__getstate__()
    restored = FewShotClassifier()
    restored.__setstate__(unfitted)
    assert restored.export == "somewhere"


def test_the_adaptation_curve_ends_where_the_classifier_is(
    write: WriteExport, untrained: Untrained, blobs: Blobs
) -> None:
    """Its point at the learner's own number of steps is what the classifier says of its rows."""
    X, y = blobs([4, 4])
    learner = untrained("maml", inner_steps=2, inner_lr=0.5)
    classifier = load(write(learner=learner)).fit(X, y)

    curve = classifier.adaptation_curve_

    assert list(curve.index) == [0, 1, 2, 4]
    probability_SW = classifier.predict_proba(X)
    assert curve.loc[2, "accuracy"] == (probability_SW.argmax(1) == y).mean()
    loss = -np.log(probability_SW[np.arange(len(y)), y]).mean()
    assert curve.loc[2, "log_loss"] == pytest.approx(loss)
    assert curve["log_loss"].iloc[-1] < curve["log_loss"].iloc[0]
    restored = pickle.loads(pickle.dumps(classifier))
    pd.testing.assert_frame_equal(restored.adaptation_curve_, curve)


def test_without_an_inner_loop_there_is_no_curve(
    write: WriteExport, untrained: Untrained, blobs: Blobs
) -> None:
    """Nothing is drawn of a head in closed form, and nothing is kept for it."""
    learner = untrained("column_kernel", head="ridge", adapt="head")
    classifier = load(write(learner=learner)).fit(*blobs([4, 4]))

    assert classifier.adaptation_curve_.empty
    assert classifier._support is None
    with pytest.raises(NotFittedError):
        _ = FewShotClassifier().adaptation_curve_
