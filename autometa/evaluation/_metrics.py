"""Metrics of one episode, and calibration over many, from class probabilities. Pure numpy."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from autometa.typing import BoolArray, FloatArray, IntArray

PROBABILITY_FLOOR = 1e-3
"""Probabilities are clipped here before the logarithm, so that one confident error stays finite."""

METRICS: tuple[str, ...] = (
    "log_loss",
    "accuracy",
    "balanced_accuracy",
    "auroc",
    "brier",
    "confidence",
)
"""Columns of a score sheet, in order."""

LOWER_IS_BETTER: frozenset[str] = frozenset({"log_loss", "brier"})


class EpisodeScores(TypedDict):
    """Scores of one method on one episode.

    ``log_loss`` is in nats, ``accuracy``, ``balanced_accuracy`` and ``auroc`` are shares in 0..1,
    ``brier`` sums over classes (0..2), ``confidence`` is the mean probability of the predicted
    class: above ``accuracy``, a method is overconfident.

    >>> probabilities_QW = np.array([[0.75, 0.25], [0.75, 0.25]])
    >>> scores: EpisodeScores = score_probabilities(probabilities_QW, np.array([0, 1]))
    >>> scores["confidence"], scores["accuracy"]
    (0.75, 0.5)
    """

    log_loss: float
    accuracy: float
    balanced_accuracy: float
    auroc: float
    brier: float
    confidence: float
    diverged: bool


def score_probabilities(probabilities_QW: FloatArray, labels_Q: IntArray) -> EpisodeScores:
    """Returns the metrics of one episode.

    Rows are normalised to sum 1. Where a probability is not finite or negative, or a row sums to
    0, the method diverged: the episode scores as chance (uniform probabilities, a random guess).

    Args:
        probabilities_QW: probabilities of each class for each query row.
        labels_Q: true classes 0..W-1, at least one.

    Raises:
        ValueError: shapes do not agree, there is no query row, or a label is out of range.

    >>> labels_Q = np.array([0, 1])
    >>> scores = score_probabilities(np.array([[0.8, 0.2], [0.4, 0.6]]), labels_Q)
    >>> scores["accuracy"], round(scores["log_loss"], 3)
    (1.0, 0.367)
    >>> scores = score_probabilities(np.full((2, 2), np.nan), labels_Q)
    >>> scores["accuracy"], scores["diverged"]
    (0.5, True)
    """
    queries, ways = probabilities_QW.shape
    if queries == 0 or labels_Q.shape != (queries,):
        raise ValueError(f"labels must have shape ({queries},), above 0; got {labels_Q.shape}")
    if labels_Q.min() < 0 or labels_Q.max() >= ways:
        raise ValueError(f"labels must lie in 0..{ways - 1}; got {np.unique(labels_Q).tolist()}")
    p_QW = probabilities_QW.astype(np.float64)
    if not np.isfinite(p_QW).all() or (p_QW < 0).any() or not (p_QW.sum(axis=1) > 0).all():
        return _chance(ways)

    p_QW /= p_QW.sum(axis=1, keepdims=True)
    is_true_QW = labels_Q[:, None] == np.arange(ways)
    clipped_QW = np.clip(p_QW, PROBABILITY_FLOOR, 1.0)
    clipped_QW /= clipped_QW.sum(axis=1, keepdims=True)
    is_right_Q = p_QW.argmax(axis=1) == labels_Q
    counts_W = is_true_QW.sum(axis=0)
    recall_W = (is_true_QW & is_right_Q[:, None]).sum(axis=0) / np.maximum(counts_W, 1)
    return EpisodeScores(
        log_loss=float(-np.log(clipped_QW[is_true_QW]).mean()),
        accuracy=float(is_right_Q.mean()),
        balanced_accuracy=float(recall_W[counts_W > 0].mean()),
        auroc=area_under_roc(p_QW, is_true_QW),
        brier=float(((p_QW - is_true_QW) ** 2).sum(axis=1).mean()),
        confidence=float(p_QW.max(axis=1).mean()),
        diverged=False,
    )


def _chance(ways: int) -> EpisodeScores:
    return EpisodeScores(
        log_loss=float(np.log(ways)),
        accuracy=1 / ways,
        balanced_accuracy=1 / ways,
        auroc=0.5,
        brier=1 - 1 / ways,
        confidence=1 / ways,
        diverged=True,
    )


def area_under_roc(scores_QW: FloatArray, is_true_QW: BoolArray) -> float:
    """Returns the one-vs-rest area under the ROC curve, averaged over the classes.

    It is the share of (positive, negative) pairs in the right order, a tie counting half, through
    the sum of the positives' mid-ranks. Classes without positives or negatives are left out; 0.5
    where none is left.
    """
    queries, ways = scores_QW.shape
    areas = []
    for way in range(ways):
        positives = int(is_true_QW[:, way].sum())
        negatives = queries - positives
        if positives == 0 or negatives == 0:
            continue
        # To 12 digits: normalising a row may turn equal probabilities into nearly equal ones.
        mantissa, exponent = np.frexp(scores_QW[:, way])
        column = np.ldexp(np.round(mantissa, 12), exponent)
        ordered = np.sort(column)
        left = np.searchsorted(ordered, column, side="left")
        right = np.searchsorted(ordered, column, side="right")
        rank_sum = ((left + right + 1) / 2)[is_true_QW[:, way]].sum()
        areas.append((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))
    return float(np.mean(areas)) if areas else 0.5


def calibration_error(probabilities_NW: FloatArray, labels_N: IntArray, *, bins: int = 15) -> float:
    """Returns the expected calibration error of the predicted class, over pooled predictions.

    Predictions of many episodes belong together here: within one episode the bins are nearly
    empty, and the error is then mostly noise.

    Args:
        probabilities_NW: N predictions.
        labels_N: true classes.
        bins: number of equally wide bins of the confidence.

    Source: Guo et al., "On calibration of modern neural networks", 2017, equation 3.

    >>> probabilities_NW = np.array([[0.8, 0.2]] * 4)
    >>> round(calibration_error(probabilities_NW, np.array([0, 0, 0, 1])), 2)
    0.05
    """
    confidence_N = probabilities_NW.max(axis=1)
    is_right_N = probabilities_NW.argmax(axis=1) == labels_N
    bin_N = np.minimum((confidence_N * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_N, weights=is_right_N - confidence_N, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels_N))
