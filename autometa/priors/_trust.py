"""How far each past study is believed, by how well it has ranked the trials already run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autometa.priors._ranks import Floats, correlation

LEAST_TRUST = 0.15
"""Size of the expected rank correlation below which a source has no say: of one that nothing was
expected of, ten trials give as much by luck alone."""

_PATIENCE = 12.0
"""Trials after which what was seen counts as much as what was expected."""

_INVERTED_BEFOREHAND = 0.05
_USUAL_CORRELATION = 0.4
"""How probable it is, before any trial, that the whole past is upside down, and how well the
sources' common prediction is expected to rank the trials, or to rank them upside down."""

_SLOPE = 4.0
_MOST = 0.9
"""From a trust of 0.225 on the past leads nine of ten trials at first: never all of them, because
the base sampler is what its wagers are judged by. Noise makes correlations small, and the purse is
what bounds the harm."""

_FADE_TRIALS = 128.0
"""Trials after which it leads half as many."""


@dataclass(frozen=True)
class Trust:
    """Belief in S sources after n trials.

    A source that ranks the trials upside down says as much as one that ranks them right. It is
    believed too, with its sign turned: studies of losses are told as accuracies by mistake, and
    tasks may want the opposite of each other.

    Attributes:
        expected: rank correlation of each source with the target, shape (S,).
        weights: share of each in the common prediction, shape (S,), negative for those that are
            turned over; absolute values add up to 1, or all are 0 where none is believed.
        kept: sources that are believed, per source that was believed before any trial, at most 1.
            Among many sources some agree with ten trials by luck: where most have lost their say,
            those that are left are believed less too.
    """

    expected: Floats
    weights: Floats
    kept: float = 1.0

    @property
    def total(self) -> float:
        """Weighted mean size of the correlations, times ``kept``; 0 where none is believed."""
        return float(self.weights @ self.expected) * self.kept

    def share(self, count: int) -> float:
        """Returns the probability with which the past leads a trial, between 0 and 0.9.

        Args:
            count: trials before it.

        >>> Trust(expected=np.array([0.2]), weights=np.array([1.0])).share(128)
        0.4
        """
        return min(_MOST, _SLOPE * self.total) / (1 + count / _FADE_TRIALS)


def trust_in(initial: Floats, predicted: Floats, scores: Floats) -> Trust:
    """Returns the trust in each source.

    What was expected of the sources is expected of them upside down where the whole past is
    probably upside down: their common prediction shows that after fewer trials than single ones.

    Args:
        initial: correlation expected before any trial, shape (S,).
        predicted: the sources' predictions for the trials, shape (S, n).
        scores: Gaussian ranks of the trials, shape (n,).
    """
    count = len(scores)
    seen = np.array([correlation(row, scores) for row in predicted])
    believed = initial >= LEAST_TRUST
    common = np.where(believed, initial**2, 0.0) @ predicted
    sign = 1 - 2 * inverted_probability(common, scores)
    expected = (_PATIENCE * sign * initial + count * seen) / (_PATIENCE + count)
    says = np.abs(expected) >= LEAST_TRUST
    weights = np.where(says, np.sign(expected) * expected**2, 0.0)
    total = np.abs(weights).sum()
    kept = min(1.0, float(says.sum()) / max(1, int(believed.sum())))
    return Trust(expected, weights / total if total > 0 else weights, kept)


def inverted_probability(common: Floats, scores: Floats) -> float:
    """Returns the probability that a prediction ranks the trials upside down.

    By Bayes' rule, for Gaussian ranks that have the usual correlation with the prediction or its
    negative: the logarithm of the odds changes by ``2 r / (1 - r^2)`` times the sum of products of
    standardised prediction and score.

    Args:
        common: predictions for the trials, shape (n,).
        scores: Gaussian ranks of the trials, shape (n,).

    Returns:
        The probability; 0 where one of them is constant, which says nothing.

    >>> trials = np.arange(12.0)
    >>> round(inverted_probability(trials, trials), 3), round(inverted_probability(trials, -trials))
    (0.0, 1)
    """
    if len(scores) < 2 or np.ptp(common) == 0 or np.ptp(scores) == 0:
        return 0.0
    agreement = len(scores) * correlation(common, scores)
    slope = 2 * _USUAL_CORRELATION / (1 - _USUAL_CORRELATION**2)
    upright = math.log(1 / _INVERTED_BEFOREHAND - 1) + slope * agreement
    return (1 - math.tanh(upright / 2)) / 2
