"""What the believed past studies and the target's own trials together predict."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from autometa.priors._history import History
from autometa.priors._ranks import Floats
from autometa.priors._surrogate import Surrogate
from autometa.priors._trust import Trust, trust_in
from autometa.priors._view import View

Predict: TypeAlias = Callable[[Floats], Floats]
"""From positions, shape (m, D), to Gaussian ranks, shape (m,); lower is better."""

_USUAL_SLOPE = 0.5
_USUAL_WEIGHT = 3.0
"""What is taken for the size of the past's differences on the target, as if seen on three trials:
ranks of few trials say little of it."""
_LEAST_SLOPE = 0.2

_LENGTH = 1.0
_NOISE = 1.0
"""Scale, in widths of the range, and variance of the noise, in units of the signal's, of how the
target differs from its past. A third and three times the noise, half and twice the scale made no
difference to be seen."""

_OPTIMISM = 3.0
"""So many standard deviations are taken off for what may be there: of 0 to 5 the best, as good as 2
and 5."""


def trust_of(view: View, history: History) -> Trust:
    """Returns the trust in the view's sources after a history."""
    return trust_in(view.initial_trust, view.predict(history.rows), history.scores)


def past_prediction(view: View, trust: Trust) -> Predict:
    """Returns the believed sources' common prediction."""
    return lambda rows: np.asarray(trust.weights @ view.predict(rows), np.float64)


def optimistic_prediction(view: View, history: History, trust: Trust) -> Predict:
    """Returns the past's prediction, corrected by the target's trials, less what is uncertain.

    The target's ranks are taken for ``b c(x) + g(x)`` and noise: c is the common prediction of the
    believed sources, b its size on the target, and g a Gaussian process on what is left. Where the
    target has been searched, g overrules the past; elsewhere the past stands. For g, trials that
    run have come out as the mean, so that workers who ask at once get different places. Some
    standard deviations of g are taken off, so that places which nobody knows are looked at too.

    Args:
        view: the past studies.
        history: the target's trials.
        trust: how far each source is believed.

    Sources: Golovin et al. (2017), Google Vizier, section 3.3, has such stacks of residuals;
    Srinivas et al. (2010), Gaussian process optimization in the bandit setting, section 3, the
    optimism.
    """
    past = past_prediction(view, trust)
    if not len(history.scores):
        return past
    told = past(history.rows)
    centred = told - told.mean()
    scores = history.scores - history.scores.mean()
    slope = _slope(centred, scores)
    left = scores - slope * centred
    drawn = _drawn(history)
    process = Surrogate(
        points=np.concatenate([history.rows, drawn]),
        is_choice=np.array([not item.is_numeric for item in view.space.parameters]),
        scores=np.concatenate([left, -slope * (past(drawn) - told.mean())]),
        noises=np.concatenate([_NOISE / history.reliability, np.full(len(drawn), _NOISE)]),
        lengths=np.full(history.rows.shape[1], _LENGTH),
    )
    # What is left is signal and noise, the one so many times the other.
    unit = _OPTIMISM * float(np.sqrt(np.mean(left**2) / (1 + _NOISE)))

    def predict(rows: Floats) -> Floats:
        return slope * past(rows) + process.predict(rows) - unit * process.spread(rows)

    return predict


def _slope(told: Floats, scores: Floats) -> float:
    """Returns the size of the past's differences on the target; both of mean 0, shape (n,)."""
    spread = float(told.var())
    if spread == 0:
        return _USUAL_SLOPE
    weight = _USUAL_WEIGHT * spread
    slope = (float(told @ scores) + weight * _USUAL_SLOPE) / (float(told @ told) + weight)
    return max(slope, _LEAST_SLOPE)


def _drawn(history: History) -> Floats:
    """Returns the running trials that lack no parameter which every finished one has."""
    never_missing = ~np.isnan(history.rows).any(axis=0)
    is_drawn = ~np.isnan(history.running[:, never_missing]).any(axis=1)
    return history.running[is_drawn]
