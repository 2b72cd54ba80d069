"""Stage 2: numbers become two channels and nine statistics per column, fitted on chosen rows.

    V   cells of the rows to scale, missing ones replaced by the median of the fit rows
    n   number of fit rows
    Z   (V - mean) / sd over the fit rows, clipped to [-6, 6]                     channel 0
    r   mid-rank of a cell among the sorted fit rows: (left + right) / 2 of the two insertion points
    G   Phi^-1(clip(r / n, 1/2n, 1 - 1/2n)), less its mean over its sd on the fit rows  channel 1

Indicator columns have G = Z. Columns that are constant on the fit rows are not usable and hold 0.

Statistics (J), from at most 1,000 fit rows for the last five:

    0  1 for an indicator             5  log(1 + kurtosis of Z) / 3
    1  mean of an indicator, else 0   6  mean |correlation| with the other usable columns
    2  min(distinct values, 50) / 50  7  largest of these correlations
    3  share of missing cells         8  |skewness| as in 4
    4  clip(skewness of Z, -3, 3) / 3

The rank-gauss transform is that of van der Waerden scores (Conover 1999, section 5.10), with the
ties given their middle rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from autometa.typing import BoolArray, FloatArray, IntArray

N_CHANNELS = 2
N_STATISTICS = 9
Z_LIMIT = 6.0
MOMENT_ROWS = 1000
MOST_DISTINCT = 50


@dataclass(frozen=True)
class ScaledRows:
    """Rows after ``scale_rows``.

    Attributes:
        x_RFH: float32, channels (z-score, rank-gauss).
        stats_FJ: statistics of the columns on the fit rows, float32.
        usable_F: False where a column is constant on the fit rows.

    >>> import numpy as np
    >>> from autometa.tables import scale_rows
    >>> cells = np.array([[1.0, 7.0], [2.0, 7.0], [9.0, 7.0]])
    >>> scaled = scale_rows(cells, is_indicator_F=np.array([False, False]))
    >>> scaled.x_RFH.shape, scaled.stats_FJ.shape, scaled.usable_F.tolist()
    ((3, 2, 2), (2, 9), [True, False])
    """

    x_RFH: FloatArray
    stats_FJ: FloatArray
    usable_F: BoolArray


@dataclass(frozen=True)
class Scaling:
    """A scaling fitted on some rows, which scales those and any later ones alike.

    Attributes:
        stats_FJ: statistics of the columns on the fit rows, float32.
        usable_F: False where a column is constant on the fit rows.
        is_indicator_F: True for columns that hold 0 or 1.
        median_F: what stands for a missing cell.
        mean_F: mean of the fit rows, less the median.
        sd_F: standard deviation of the fit rows; 1 for unusable columns.
        ranked: positions of the columns that are ranked: usable and no indicators.
        sorted_GN: sorted fit rows of the ranked columns.
        gauss_mean_G: mean of the fit rows' normal scores, ranked columns.
        gauss_sd_G: their standard deviation.

    >>> import numpy as np
    >>> scaling = Scaling.fit(np.array([[1.0], [3.0]]), is_indicator_F=np.array([False]))
    >>> x_RFH = scaling.transform(np.array([[2.0], [3.0], [np.nan], [100.0]]))
    >>> x_RFH[:, 0, 0].tolist()
    [0.0, 1.0, 0.0, 6.0]
    """

    stats_FJ: FloatArray
    usable_F: BoolArray
    is_indicator_F: BoolArray
    median_F: FloatArray
    mean_F: FloatArray
    sd_F: FloatArray
    ranked: IntArray
    sorted_GN: FloatArray
    gauss_mean_G: FloatArray
    gauss_sd_G: FloatArray

    @classmethod
    def fit(
        cls, values_RF: FloatArray, is_indicator_F: BoolArray, fit_rows: IntArray | None = None
    ) -> Scaling:
        """Returns the scaling of some rows.

        Args:
            values_RF: cells, any float dtype, |cell| <= 1e100; NaN is missing.
            is_indicator_F: True for columns that hold 0 or 1.
            fit_rows: the rows that may be looked at; all where None. At least one.
        """
        fit_NF = np.asarray(values_RF if fit_rows is None else values_RF[fit_rows], np.float64)
        n = len(fit_NF)
        is_indicator_F = np.asarray(is_indicator_F, bool)
        missing_NF = np.isnan(fit_NF)
        missing_F = missing_NF.mean(0)
        ascending_NF = np.sort(fit_NF, axis=0)
        median_F = _median(ascending_NF, n - missing_NF.sum(0))
        holes = np.flatnonzero(missing_F)
        if len(holes):
            fit_NF = np.where(missing_NF, median_F, fit_NF)
            ascending_NF[:, holes] = np.sort(fit_NF[:, holes], axis=0)
        # Centring first keeps small differences between large numbers.
        centred_NF = fit_NF - median_F
        mean_F, sd_F = centred_NF.mean(0), centred_NF.std(0)
        usable_F = (ascending_NF[0] < ascending_NF[-1]) & (sd_F > 0)
        sd_F = np.where(usable_F, sd_F, 1.0)
        z_NF = _z_scores(centred_NF, mean_F, sd_F, usable_F)
        ranked = np.flatnonzero(usable_F & ~is_indicator_F)
        sorted_GN = np.ascontiguousarray(ascending_NF[:, ranked].T)
        scores_GN = _sorted_scores(sorted_GN)
        stats_FJ = np.zeros((len(usable_F), N_STATISTICS))
        stats_FJ[:, 0] = is_indicator_F
        stats_FJ[:, 1] = np.where(is_indicator_F, centred_NF.mean(0) + median_F, 0.0)
        distinct_F = 1 + (ascending_NF[1:] > ascending_NF[:-1]).sum(0)
        stats_FJ[:, 2] = np.minimum(distinct_F, MOST_DISTINCT) / MOST_DISTINCT
        stats_FJ[:, 3] = missing_F
        stats_FJ[:, 4:] = _moments(z_NF, usable_F)
        return cls(
            stats_FJ=stats_FJ.astype(np.float32),
            usable_F=usable_F,
            is_indicator_F=is_indicator_F,
            median_F=median_F,
            mean_F=mean_F,
            sd_F=sd_F,
            ranked=ranked,
            sorted_GN=sorted_GN,
            gauss_mean_G=scores_GN.mean(1),
            gauss_sd_G=scores_GN.std(1),
        )

    def transform(self, values_RF: FloatArray) -> FloatArray:
        """Returns x_RFH (float32) of any rows with the columns that were fitted."""
        values_RF = np.asarray(values_RF, np.float64)
        filled_RF = np.where(np.isnan(values_RF), self.median_F, values_RF)
        x_RFH = np.empty((*filled_RF.shape, N_CHANNELS), np.float32)
        x_RFH[..., 0] = _z_scores(filled_RF - self.median_F, self.mean_F, self.sd_F, self.usable_F)
        x_RFH[..., 1] = x_RFH[..., 0]
        scores_GR = _normal_scores(self.sorted_GN, filled_RF[:, self.ranked].T)
        scores_GR -= self.gauss_mean_G[:, None]
        scores_GR /= self.gauss_sd_G[:, None]
        x_RFH[:, self.ranked, 1] = scores_GR.T
        return x_RFH


def scale_rows(
    values_RF: FloatArray, is_indicator_F: BoolArray, fit_rows: IntArray | None = None
) -> ScaledRows:
    """Returns all rows, scaled as some of them tell.

    Args:
        values_RF: cells, any float dtype; NaN is missing.
        is_indicator_F: True for columns that hold 0 or 1.
        fit_rows: the rows that may be looked at; all where None. At least one.

    >>> import numpy as np
    >>> values_RF = np.array([[1.0], [3.0], [np.nan], [5.0]])
    >>> scaled = scale_rows(values_RF, np.array([False]), fit_rows=np.array([0, 1]))
    >>> scaled.x_RFH[:, 0, 0].tolist()
    [-1.0, 1.0, 0.0, 3.0]
    """
    scaling = Scaling.fit(values_RF, is_indicator_F, fit_rows)
    return ScaledRows(scaling.transform(values_RF), scaling.stats_FJ, scaling.usable_F)


def _median(ascending_NF: FloatArray, present_F: IntArray) -> FloatArray:
    """Returns the medians of sorted columns whose missing cells come last; 0 where all are."""
    columns = np.arange(ascending_NF.shape[1])
    last_F = np.maximum(present_F - 1, 0)
    middle_F = ascending_NF[last_F // 2, columns] + ascending_NF[(last_F + 1) // 2, columns]
    return np.where(present_F > 0, middle_F / 2, 0.0)


def _z_scores(
    centred_RF: FloatArray, mean_F: FloatArray, sd_F: FloatArray, usable_F: BoolArray
) -> FloatArray:
    z_RF = (centred_RF - mean_F) / sd_F
    np.clip(z_RF, -Z_LIMIT, Z_LIMIT, out=z_RF)
    z_RF[:, ~usable_F] = 0.0
    return z_RF


def _normal_scores(sorted_GN: FloatArray, values_GR: FloatArray) -> FloatArray:
    """Returns Phi^-1 of the mid-ranks of the values of each column among its sorted fit rows."""
    n = sorted_GN.shape[1]
    values_GR = np.ascontiguousarray(values_GR)
    twice_rank_GR = np.empty(values_GR.shape, np.int64)
    # One binary search per column is as fast as any formulation over all columns at once (a joint
    # sort, complex keys, comparison of all pairs were measured) and needs no extra memory.
    for column, (sorted_N, values_R) in enumerate(zip(sorted_GN, values_GR, strict=True)):
        twice_rank_GR[column] = sorted_N.searchsorted(values_R, "left")
        twice_rank_GR[column] += sorted_N.searchsorted(values_R, "right")
    return np.asarray(normal_scores_of(n)[twice_rank_GR])


def _sorted_scores(sorted_GN: FloatArray) -> FloatArray:
    """Returns ``_normal_scores(sorted_GN, sorted_GN)``: ranks of sorted cells need no search."""
    n = sorted_GN.shape[1]
    is_larger_GM = sorted_GN[:, 1:] > sorted_GN[:, :-1]
    place_M = np.arange(1, n)
    twice_rank_GN = np.empty(sorted_GN.shape, np.int64)
    twice_rank_GN[:, 0] = 0
    twice_rank_GN[:, 1:] = np.maximum.accumulate(np.where(is_larger_GM, place_M, 0), axis=1)
    ends_GM = np.where(is_larger_GM, place_M, n)[:, ::-1]
    twice_rank_GN[:, :-1] += np.minimum.accumulate(ends_GM, axis=1)[:, ::-1]
    twice_rank_GN[:, -1] += n
    return np.asarray(normal_scores_of(n)[twice_rank_GN])


def normal_scores_of(n: int) -> FloatArray:
    """Returns the normal scores of the mid-ranks 0, 1/2, .. n: 2n + 1 serve every cell.

    >>> normal_scores_of(3).round(2).tolist()
    [-0.97, -0.97, -0.43, 0.0, 0.43, 0.97, 0.97]
    """
    return np.asarray(ndtri(np.clip(np.arange(2 * n + 1) / (2 * n), 0.5 / n, 1 - 0.5 / n)))


def _moments(z_NF: FloatArray, usable_F: BoolArray) -> FloatArray:
    """Returns skewness, kurtosis and correlations (statistics 4 to 8), scaled as listed above."""
    n, columns = z_NF.shape
    if n > MOMENT_ROWS:
        z_NF = z_NF[np.random.default_rng(0).permutation(n)[:MOMENT_ROWS]]
    z_NF = z_NF - z_NF.mean(0)
    sd_F = z_NF.std(0)
    z_NF /= np.where(sd_F > 0, sd_F, 1.0)
    squared_NF = z_NF * z_NF
    skew_F = np.clip(np.einsum("nf,nf->f", squared_NF, z_NF) / len(z_NF), -3, 3) / 3
    kurtosis_F = np.log1p(np.einsum("nf,nf->f", squared_NF, squared_NF) / len(z_NF)) / 3
    correlation_FF = np.abs(z_NF.T @ z_NF) / len(z_NF)
    np.fill_diagonal(correlation_FF, 0.0)
    others = max(1, int(usable_F.sum()) - 1)
    largest_F = correlation_FF.max(1) if columns else np.zeros(0)
    return np.stack(
        [skew_F, kurtosis_F, correlation_FF.sum(1) / others, largest_F, np.abs(skew_F)], axis=1
    )
