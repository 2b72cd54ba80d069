"""Confidence intervals of a mean paired difference, by bootstrap. Pure numpy.

    N  families          C  cells (setting and shot)        B  resamples

The statistic is the one of every figure: within a cell the mean over families (of the mean over a
family's tables, of the mean over a table's episodes), then the mean over cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autometa.typing import FloatArray

FEWEST_FAMILIES = 8
"""Below this many, families are too few to resample, and episodes are resampled instead."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Advantage:
    """How much better one method is than another, with a 95 % interval.

    Attributes:
        mean: mean paired difference; above 0, the first method is better whatever the metric.
        low: lower end of the interval; NaN where there is nothing to resample (fewer than two
            episodes in every table).
        high: upper end of the interval.
        unit: what was resampled. ``families`` speaks about new tables; ``episodes`` only about
            new episodes of these tables.
        n: how many of them.

    >>> advantage = Advantage(mean=0.012, low=0.003, high=0.021, unit="families", n=20)
    >>> f"{100 * advantage.mean:+.1f} points"
    '+1.2 points'
    """

    mean: float
    low: float
    high: float
    unit: Literal["families", "episodes"]
    n: int


def mean_of_cells(differences_NC: FloatArray) -> float:
    """Returns the mean over cells of the mean over the families that have the cell (not NaN)."""
    return float(_statistic(differences_NC[None])[0])


def _statistic(differences_BNC: FloatArray) -> FloatArray:
    has_BNC = ~np.isnan(differences_BNC)
    count_BC = has_BNC.sum(axis=1)
    mean_BC = np.where(has_BNC, differences_BNC, 0.0).sum(axis=1) / np.maximum(count_BC, 1)
    # A resample may hold no family of a cell, say of the largest shot.
    cells_B = np.maximum((count_BC > 0).sum(axis=1), 1)
    return np.asarray(mean_BC.sum(axis=1) / cells_B)


def _interval(resampled_B: FloatArray, degrees_of_freedom: int) -> tuple[float, float]:
    """Returns the 95 % percentile interval at levels widened for a small sample.

    The levels are those at which a normal distribution gives the width of Student's t: the plain
    percentile interval of 8 values covers the truth in some 89 % of cases instead of 95.

    Source: Hesterberg, "What teachers should know about the bootstrap", 2015
    (the expanded percentile interval); its factor sqrt(n / (n - 1)) is applied by the callers.
    """
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(stdtrit(degrees_of_freedom, 0.025)))
    low, high = np.quantile(resampled_B, [tail, 1 - tail])
    return float(low), float(high)


def interval_over_families(
    differences_NC: FloatArray, rng: np.random.Generator
) -> tuple[float, float]:
    """Returns the 95 % interval for new families.

    Args:
        differences_NC: difference of each family in each cell; NaN where it has none. At least
            two families.
        rng: source of the resamples.
    """
    families = len(differences_NC)
    picks_BN = rng.integers(families, size=(RESAMPLES, families))
    resampled_B = _statistic(differences_NC[picks_BN])
    centre = mean_of_cells(differences_NC)
    widened_B = centre + (resampled_B - centre) * np.sqrt(families / (families - 1))
    return _interval(widened_B, families - 1)


def interval_over_episodes(
    groups: Sequence[FloatArray], weights: Sequence[float], rng: np.random.Generator
) -> tuple[float, float]:
    """Returns the 95 % interval for new episodes of the same tables.

    Args:
        groups: paired differences of the episodes of each table and cell; resampled within.
        weights: share of each group's mean in the statistic.
        rng: source of the resamples.
    """
    freedom = sum(len(group) - 1 for group in groups)
    if freedom == 0:
        return float("nan"), float("nan")
    resampled_B = np.zeros(RESAMPLES)
    for group, weight in zip(groups, weights, strict=True):
        n = len(group)
        if n == 1:
            resampled_B += weight * group[0]
            continue
        centre = group.mean()
        widened = (group - centre) * np.sqrt(n / (n - 1))
        resampled_B += weight * (
            centre + widened[rng.integers(n, size=(RESAMPLES, n))].mean(axis=1)
        )
    return _interval(resampled_B, freedom)
