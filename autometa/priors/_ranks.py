"""Order of trials, whatever their scale and direction: Gaussian ranks and rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

Floats: TypeAlias = NDArray[np.float64]
Key: TypeAlias = tuple[float, ...]


def ranked_trials(
    trials: Sequence[FrozenTrial], direction: StudyDirection
) -> tuple[list[FrozenTrial], list[Key]]:
    """Returns the trials that say how good their parameters are, and sort keys, best first.

    Complete trials come first, by value. Pruned ones follow, those of later rungs first, and by
    value within a rung: values of different rungs do not compare. Failed and running trials, and
    values that are not numbers, say nothing.

    Args:
        trials: of one study with a single objective.
        direction: of that study.
    """
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    found: list[FrozenTrial] = []
    keys: list[Key] = []
    for trial in trials:
        key = _key(trial, sign)
        if key is not None:
            found.append(trial)
            keys.append(key)
    return found, keys


def _key(trial: FrozenTrial, sign: float) -> Key | None:
    if trial.state == TrialState.COMPLETE and trial.values is not None and len(trial.values) == 1:
        value = sign * trial.values[0]
        return None if math.isnan(value) else (0.0, value)
    if trial.state != TrialState.PRUNED or not trial.intermediate_values:
        return None
    step, reported = max(trial.intermediate_values.items())
    return None if math.isnan(reported) else (1.0, -float(step), sign * reported)


def gaussian_ranks(keys: Sequence[Key] | Sequence[float] | Floats) -> Floats:
    """Returns normal scores of an order: free of scale, deaf to outliers; the best is lowest.

    Args:
        keys: what orders them; equal ones share their mean rank.

    Returns:
        Normal quantiles of (rank - 1/2) / n, shape (n,).

    >>> gaussian_ranks([3.0, 1e9, -2.0]).round(2).tolist()
    [0.0, 0.97, -0.97]

    Source: Salinas, Shen and Perrone (2020), A quantile-based approach for hyperparameter
    transfer learning, section 3.
    """
    count = len(keys)
    order = sorted(range(count), key=lambda index: keys[index])
    scores = np.zeros(count)
    normal = NormalDist()
    start = 0
    while start < count:
        end = start
        while end < count and keys[order[end]] == keys[order[start]]:
            end += 1
        # The mean of the ranks start + 1 ... end, less one half.
        quantile = (start + end) / (2 * count)
        scores[order[start:end]] = normal.inv_cdf(quantile)
        start = end
    return scores


def correlation(first: Floats, second: Floats) -> float:
    """Returns the correlation of the Gaussian ranks of two lists; 0 where one is constant.

    >>> correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 99.0]))
    1.0
    """
    if len(first) < 2:
        return 0.0
    one, two = gaussian_ranks(first), gaussian_ranks(second)
    norm = math.sqrt(float(one @ one) * float(two @ two))
    return round(float(one @ two) / norm, 12) if norm > 0 else 0.0
