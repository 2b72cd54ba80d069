"""What one past study says about a configuration: a Gaussian process on its Gaussian ranks.

Notation: n past configurations, m queries, d parameters. The kernel is a product over parameters
of ``exp(-D_d / (2 l_d^2))``, where ``D_d`` is the squared difference of two positions, or 0 and 1
for equal and different choices. Two marks stand in for a position:

- ``NaN``: the parameter was not drawn, as in another branch of a conditional space;
- ``inf``: the value is unknown to the study. The prediction is then its mean over the values that
  the study has tried: the kernel being a product, that mean is exact and costs nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autometa.priors._ranks import Floats

UNKNOWN: Final = np.inf
"""As a position: the study does not know the value, or the parameter."""

INACTIVE: Final = np.nan
"""As a position: the parameter was not drawn."""

_LENGTHS: Final = (0.5, 1.0, 2.0, 6.0)
"""Scales that are tried, in widths of the range; at the last one a parameter has hardly a say."""
_USUAL_LENGTH = 1
_NOISES: Final = (0.1, 0.3, 1.0)
"""Variances of the noise that are tried, in units of the signal's."""
_USUAL_NOISE = 1
_STEP_COST = 2.0
"""What the log likelihood must gain for each step away from the usual scale or noise: free steps
fit the noise of tens of trials, and predict other studies worse than fixed scales do."""
_SWEEPS = 2
_MOST_FITTED = 150
"""Configurations that the scales are fitted on: three times as many cost 27 times as much."""


@dataclass(frozen=True)
class Surrogate:
    """A past study's prediction of Gaussian ranks; lower is better.

    Attributes:
        points: positions of the past configurations, shape (n, d).
        is_choice: which parameters are categorical, shape (d,).
        scores: Gaussian ranks, shape (n,).
        noises: variance of the noise of each score in units of the signal's, shape (n,).
        lengths: scale of each parameter, shape (d,).
    """

    points: Floats
    is_choice: NDArray[np.bool_]
    scores: Floats
    noises: Floats
    lengths: Floats

    def predict(self, queries: Floats) -> Floats:
        """Returns predicted Gaussian ranks, shape (m,), of queries, shape (m, d)."""
        return np.asarray(self._cross(queries) @ self._weights, dtype=np.float64)

    def spread(self, queries: Floats) -> Floats:
        """Returns how far the signal may be from its prediction, shape (m,).

        In units of its standard deviation: 1 far from everything known.

        Args:
            queries: positions without unknown ones, shape (m, d).
        """
        cross = self._cross(queries)
        known = np.einsum("mn,nm->m", cross, np.linalg.solve(self._kernel, cross.T))
        return np.asarray(np.sqrt(np.clip(1.0 - known, 0.0, None)), dtype=np.float64)

    def _cross(self, queries: Floats) -> Floats:
        """Returns the kernel of queries and points, shape (m, n)."""
        exponents = np.zeros((len(queries), len(self.points)))
        factors: Floats | None = None
        for index in range(self.points.shape[1]):
            column = queries[:, index]
            if np.isposinf(column).all():
                factor = np.broadcast_to(self._averages[index], exponents.shape)
            elif np.isfinite(column).all() and not self._has_inactive[index]:
                exponents -= _squared(column, self.points[:, index], self.is_choice[index]) / (
                    2 * self.lengths[index] ** 2
                )
                continue
            else:
                factor = self._factor(column, index)
            factors = factor if factors is None else factors * factor
        kernel = np.exp(exponents)
        if factors is not None:
            kernel *= factors
        return kernel

    def _factor(self, column: Floats, index: int) -> Floats:
        """Returns a parameter's part of the kernel, shape (m, n), where marks stand among them."""
        points = self.points[:, index]
        if not self._has_inactive[index]:
            # The study always drew it, and cannot tell what it means not to.
            column = np.where(np.isnan(column), UNKNOWN, column)
        known = np.where(np.isposinf(column), 0.0, column)
        factor = _kernel_part(known, points, self.is_choice[index], self.lengths[index])
        return np.where(np.isposinf(column)[:, None], self._averages[index], factor)

    @cached_property
    def _has_inactive(self) -> list[bool]:
        return [bool(np.isnan(column).any()) for column in self.points.T]

    @cached_property
    def _averages(self) -> Floats:
        """Mean of each parameter's part of the kernel over the tried values, shape (d, n)."""
        return np.stack(
            [
                _kernel_part(column, column, choice, length).mean(axis=0)
                for column, choice, length in zip(
                    self.points.T, self.is_choice, self.lengths, strict=True
                )
            ]
        )

    @cached_property
    def _weights(self) -> Floats:
        return np.asarray(np.linalg.solve(self._kernel, self.scores), dtype=np.float64)

    @cached_property
    def _kernel(self) -> Floats:
        """The kernel of the points, with their noise, shape (n, n)."""
        kernel = np.ones((len(self.points),) * 2)
        for column, choice, length in zip(self.points.T, self.is_choice, self.lengths, strict=True):
            kernel *= _kernel_part(column, column, choice, length)
        kernel[np.diag_indices_from(kernel)] += self.noises
        return kernel


def fit_scales(
    points: Floats, is_choice: NDArray[np.bool_], scores: Floats, reliability: Floats
) -> tuple[Floats, float]:
    """Returns the scales of the parameters, shape (d,), and the variance of the noise.

    They maximise the marginal likelihood, one after the other over a few values each: with tens of
    noisy trials a finer search would only fit the noise.

    Args:
        points: positions, shape (n, d).
        is_choice: which parameters are categorical, shape (d,).
        scores: Gaussian ranks, shape (n,).
        reliability: 1 for a full measurement, less for a worse one, shape (n,).
    """
    stride = -(-len(points) // _MOST_FITTED)
    points, scores = points[::stride], scores[::stride]
    spread = 1 / reliability[::stride]
    count = points.shape[1]
    parts = [
        [np.log(_kernel_part(column, column, choice, length)) for length in _LENGTHS]
        for column, choice in zip(points.T, is_choice, strict=True)
    ]
    chosen, noise = [_USUAL_LENGTH] * count, _USUAL_NOISE
    exponent = sum((parts[index][chosen[index]] for index in range(count)), np.zeros(()))
    for _, index in itertools.product(range(_SWEEPS), range(count + 1)):
        if index == count:
            found = [
                _likelihood(exponent, scores, value * spread)
                - _STEP_COST * abs(option - _USUAL_NOISE)
                for option, value in enumerate(_NOISES)
            ]
            noise = int(np.argmax(found))
            continue
        rest = exponent - parts[index][chosen[index]]
        found = [
            _likelihood(rest + part, scores, _NOISES[noise] * spread)
            - _STEP_COST * abs(option - _USUAL_LENGTH)
            for option, part in enumerate(parts[index])
        ]
        chosen[index] = int(np.argmax(found))
        exponent = rest + parts[index][chosen[index]]
    return np.array([_LENGTHS[option] for option in chosen]), _NOISES[noise]


def _likelihood(exponent: Floats, scores: Floats, noises: Floats) -> float:
    """Returns the log marginal likelihood, up to a constant, at its best signal variance."""
    kernel = np.exp(exponent) * np.ones((len(scores),) * 2)
    kernel[np.diag_indices_from(kernel)] += noises
    lower = np.linalg.cholesky(kernel)
    half = np.linalg.solve(lower, scores)
    variance = max(float(half @ half) / len(scores), 1e-12)
    return float(-0.5 * len(scores) * np.log(variance) - np.log(np.diag(lower)).sum())


def _squared(first: Floats, second: Floats, is_choice: bool) -> Floats:
    if is_choice:
        return np.asarray(first[:, None] != second[None, :], dtype=np.float64)
    return np.asarray((first[:, None] - second[None, :]) ** 2, dtype=np.float64)


def _kernel_part(first: Floats, second: Floats, is_choice: bool, length: float) -> Floats:
    """Returns one parameter's part of the kernel, shape (m, n).

    Drawn and not drawn are as far apart as two choices; the part of two drawn values is raised to
    no less than that, which keeps the kernel positive definite.
    """
    missing = np.isnan(first)[:, None], np.isnan(second)[None, :]
    part: Floats = np.exp(-_squared(first, second, is_choice) / (2 * length**2))
    if not (missing[0].any() or missing[1].any()):
        return part
    floor = np.exp(-1 / (2 * length**2))
    part = floor + (1 - floor) * np.nan_to_num(part)
    part[missing[0] | missing[1]] = floor
    part[missing[0] & missing[1]] = 1.0
    return part
