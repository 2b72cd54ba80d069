"""How far each past study is believed, by how well it has ranked the trials already run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autometa.priors._ranks import Floats, correlation

LEAST_TRUST = 0.25
"""Rank correlation below which a source has no say: by luck alone ten trials give as much."""

_PATIENCE = 6.0
"""Trials after which what was seen counts as much as what was expected."""


@dataclass(frozen=True)
class Trust:
    """Belief in S sources after n trials.

    Attributes:
        expected: rank correlation of each source with the target, shape (S,).
        weights: share of each in the common prediction, shape (S,); all 0 where none is believed.
        kept: sources that are believed, per source that was believed before any trial, at most 1.
            Among many sources some agree with ten trials by luck: where most have lost their say,
            those that are left are believed less too.
    """

    expected: Floats
    weights: Floats
    kept: float = 1.0

    @property
    def total(self) -> float:
        """Weighted mean of the correlations, times ``kept``; 0 where no source is believed."""
        return float(self.weights @ self.expected) * self.kept


def trust_in(initial: Floats, predicted: Floats, scores: Floats) -> Trust:
    """Returns the trust in each source.

    Args:
        initial: correlation expected before any trial, shape (S,).
        predicted: the sources' predictions for the trials, shape (S, n).
        scores: Gaussian ranks of the trials, shape (n,).
    """
    count = len(scores)
    seen = np.array([correlation(row, scores) for row in predicted])
    expected = (_PATIENCE * initial + count * seen) / (_PATIENCE + count)
    weights = np.where(expected >= LEAST_TRUST, expected**2, 0.0)
    total = weights.sum()
    at_first = max(1, int((initial >= LEAST_TRUST).sum()))
    kept = min(1.0, float((weights > 0).sum()) / at_first)
    return Trust(expected, weights / total if total > 0 else weights, kept)
