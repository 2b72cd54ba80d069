"""Metrics against scikit-learn, closed forms and the edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from autometa.evaluation import METRICS, calibration_error, score_probabilities
from autometa.typing import FloatArray, IntArray


def draw(ways: int, *, queries: int = 60, seed: int = 0) -> tuple[FloatArray, IntArray]:
    """Returns random probabilities, rounded so that there are ties, and labels of every class."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(queries) % ways)
    labels[: queries // 4] = 0
    raw = np.round(rng.dirichlet(np.ones(ways), size=queries), 1) + 0.05
    raw[np.arange(queries), labels] += 0.2
    return raw / raw.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("ways", [2, 3, 5])
def test_metrics_agree_with_scikit_learn(ways: int) -> None:
    """Every metric has scikit-learn's value, with ties and unequal classes."""
    probabilities, labels = draw(ways)
    floor = np.clip(probabilities, 1e-3, 1)
    floor /= floor.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    one_hot = np.eye(ways)[labels]

    scores = score_probabilities(probabilities, labels)

    assert scores["log_loss"] == pytest.approx(metrics.log_loss(labels, floor))
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert scores["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(labels, predicted)
    )
    # Rounded, because what is equal before normalisation differs in the last bit after it.
    ties = probabilities.round(10)
    areas = [metrics.roc_auc_score(one_hot[:, way], ties[:, way]) for way in range(ways)]
    assert scores["auroc"] == pytest.approx(np.mean(areas))
    assert scores["brier"] == pytest.approx(
        metrics.brier_score_loss(labels, probabilities, scale_by_half=False)
        if ways > 2
        else 2 * metrics.brier_score_loss(labels, probabilities[:, 1])
    )
    assert scores["confidence"] == pytest.approx(probabilities.max(axis=1).mean())
    assert not scores["diverged"]
    assert set(scores) == {*METRICS, "diverged"}


def test_a_confident_error_costs_what_the_floor_allows() -> None:
    """A probability of 0 for the true class counts as 1e-3, normalised with the others."""
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0]])

    scores = score_probabilities(probabilities, np.array([0, 1]))

    right, wrong = -math.log(1 / 1.001), -math.log(0.001 / 1.001)
    assert scores["log_loss"] == pytest.approx((right + wrong) / 2)


def test_rows_are_normalised() -> None:
    """Votes that do not sum to 1 score like the probabilities they stand for."""
    probabilities, labels = draw(3)

    assert score_probabilities(probabilities * 7, labels) == pytest.approx(
        score_probabilities(probabilities, labels)
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1])
def test_an_episode_with_a_bad_probability_scores_as_chance(bad: float) -> None:
    """One value that is no probability makes the episode diverged, without a warning."""
    probabilities, labels = draw(4)
    probabilities[3, 1] = bad

    scores = score_probabilities(probabilities, labels)

    assert scores == {
        "log_loss": pytest.approx(math.log(4)),
        "accuracy": 0.25,
        "balanced_accuracy": 0.25,
        "auroc": 0.5,
        "brier": pytest.approx(0.75),
        "confidence": 0.25,
        "diverged": True,
    }


def test_chance_is_what_uniform_probabilities_score() -> None:
    """Where it does not depend on how ties are broken, chance equals a uniform prediction."""
    labels = np.arange(12) % 3

    chance = score_probabilities(np.full((12, 3), np.nan), labels)
    uniform = score_probabilities(np.full((12, 3), 1 / 3), labels)

    assert uniform == pytest.approx(chance | {"diverged": False})


def test_a_row_of_zeros_is_diverged() -> None:
    """Probabilities that cannot be normalised score as chance."""
    probabilities, labels = draw(3)
    probabilities[0] = 0

    assert score_probabilities(probabilities, labels)["diverged"]


def test_auroc_leaves_out_classes_that_are_absent() -> None:
    """A class without query rows has no curve; with one class only, the area is one half."""
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3]])

    two = score_probabilities(probabilities, np.array([0, 1, 1]))
    one = score_probabilities(probabilities, np.array([1, 1, 1]))

    assert two["auroc"] == 1.0
    assert one["auroc"] == 0.5
    assert one["balanced_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1]), "must have shape"),
        (np.array([0, 1, 3]), r"must lie in 0\.\.2"),
        (np.array([0, 1, -1]), r"must lie in 0\.\.2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: IntArray, message: str) -> None:
    """Labels are one per query row and within the ways."""
    with pytest.raises(ValueError, match=message):
        score_probabilities(np.full((3, 3), 1 / 3), labels)


def test_calibration_error_of_known_predictions() -> None:
    """Confidence 0.8 that is right half of the time is off by 0.3; calibrated ones by nothing."""
    confident = np.tile([0.8, 0.2], (10, 1))

    half_right = calibration_error(confident, np.arange(10) % 2)
    calibrated = calibration_error(confident, (np.arange(10) >= 8).astype(int))

    assert half_right == pytest.approx(0.3)
    assert calibrated == pytest.approx(0.0, abs=1e-12)


def test_calibration_error_pools_within_bins_only() -> None:
    """Errors of opposite sign in different bins do not cancel; certainty has a bin."""
    probabilities = np.array([[1.0, 0.0]] * 4 + [[0.6, 0.4]] * 4)
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 0])

    error = calibration_error(probabilities, labels, bins=10)

    assert error == pytest.approx((0.25 + 0.4) / 2)
