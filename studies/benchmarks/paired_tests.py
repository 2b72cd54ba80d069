"""Many paired comparisons at once: bootstrap over families, and Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from autometa.typing import FloatArray

_RESAMPLES = 20_000
_LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """How much better one method is than another, beside other comparisons.

    Attributes:
        mean: mean over families of the paired difference.
        low: lower end of the interval at the level that Holm's procedure gives the comparison.
        high: upper end of it.
        plain_low: lower end of the plain 95 % interval.
        plain_high: upper end of it.
        p: two-sided p-value, corrected.
        families: how many there are.
    """

    mean: float
    low: float
    high: float
    plain_low: float
    plain_high: float
    p: float
    families: int


def family_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns accuracy and log-loss of methods at each shot as means over a family's tables.

    Args:
        frame: rows of score sheets.
    """
    keys = ["method", "shot", "family"]
    by_table = frame.groupby([*keys, "table"])[["accuracy", "log_loss"]].mean()
    return by_table.groupby(keys).mean()


def holm(differences: Sequence[FloatArray]) -> list[Comparison]:
    """Returns the comparisons of some paired differences, corrected for their number.

    Holm (Scandinavian Journal of Statistics 6, 1979): the comparison with the k-th smallest of m
    p-values is made at the level 0.05 / (m - k + 1). The interval that is reported with it is at
    that level too, so that it excludes zero where the comparison is significant.

    Args:
        differences: one value per family for each comparison.
    """
    resampled = [_resampled(values_N) for values_N in differences]
    raw = [_two_sided(values_B) for values_B in resampled]
    order = np.argsort(raw, kind="stable")
    found: dict[int, Comparison] = {}
    corrected = 0.0
    for rank, place in enumerate(order):
        divisor = len(raw) - rank
        corrected = max(corrected, min(1.0, raw[place] * divisor))
        low, high = _interval(resampled[place], _LEVEL / divisor)
        plain_low, plain_high = _interval(resampled[place], _LEVEL)
        found[int(place)] = Comparison(
            mean=float(np.mean(differences[place])),
            low=low,
            high=high,
            plain_low=plain_low,
            plain_high=plain_high,
            p=corrected,
            families=len(differences[place]),
        )
    return [found[place] for place in range(len(raw))]


def _resampled(values_N: FloatArray) -> FloatArray:
    """Returns means of resamples, widened by sqrt(n / (n - 1)) for the small sample."""
    n = len(values_N)
    picks_BN = np.random.default_rng(0).integers(n, size=(_RESAMPLES, n))
    centre = values_N.mean()
    return np.asarray(centre + (values_N[picks_BN].mean(1) - centre) * np.sqrt(n / (n - 1)))


def _two_sided(resampled_B: FloatArray) -> float:
    """Returns the p-value of a mean of zero; never below what the resamples can tell."""
    below, above = (resampled_B <= 0).mean(), (resampled_B >= 0).mean()
    return float(min(1.0, 2 * max(min(below, above), 1 / len(resampled_B))))


def _interval(resampled_B: FloatArray, level: float) -> tuple[float, float]:
    low, high = np.quantile(resampled_B, [level / 2, 1 - level / 2])
    return float(low), float(high)
