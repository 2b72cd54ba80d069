"""Scaling: two channels and nine statistics per column, fitted on chosen rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from autometa.tables import N_STATISTICS, Scaling, scale_rows


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_z_scores_are_standard_on_the_fit_rows() -> None:
    """Channel 0 has mean 0 and standard deviation 1 on the rows that were looked at."""
    values = _rng().normal(3.0, 5.0, size=(80, 4))

    x = scale_rows(values, np.zeros(4, bool), np.arange(50)).x_RFH[:50, :, 0]

    assert x.mean(0) == pytest.approx(np.zeros(4), abs=1e-6)
    assert x.std(0) == pytest.approx(np.ones(4), abs=1e-6)


def test_z_scores_are_clipped_at_six() -> None:
    """A far outlier counts as six standard deviations."""
    values = np.append(_rng().normal(size=200), [1e9])[:, None]

    x = scale_rows(values, np.array([False]), np.arange(200)).x_RFH[:, 0, 0]

    assert x[-1] == 6.0


def test_rank_gauss_has_the_mid_ranks_of_the_definition() -> None:
    """Channel 1 is the re-standardised normal score of the mid-rank."""
    values = np.array([1.0, 2.0, 2.0, 5.0, 9.0])[:, None]
    scores = ndtri(np.array([0.5, 2.0, 2.0, 3.5, 4.5]) / 5)

    x = scale_rows(values, np.array([False])).x_RFH[:, 0, 1]

    assert x == pytest.approx((scores - scores.mean()) / scores.std(), abs=1e-6)


def test_rank_gauss_of_new_rows_stays_within_the_fitted_range() -> None:
    """Rows beyond the fit rows get the normal score of the outermost half rank."""
    fit = _rng().normal(size=(30, 1))
    scaling = Scaling.fit(fit, np.array([False]))

    low, high = scaling.transform(np.array([[-1e6], [1e6]]))[:, 0, 1]

    inside = scaling.transform(fit)[:, 0, 1]
    assert low == inside.min()
    assert high == inside.max()


@pytest.mark.parametrize("seed", range(5))
def test_rank_gauss_is_monotone(seed: int) -> None:
    """A larger cell never has a smaller rank-gauss score, whatever rows were fitted."""
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(size=(200, 1)) * 3).round(2)

    x = scale_rows(values, np.array([False]), rng.permutation(200)[:40]).x_RFH[:, 0, 1]

    assert np.all(np.diff(x[np.argsort(values[:, 0])]) >= 0)


@pytest.mark.parametrize("seed", range(5))
def test_rank_gauss_ignores_monotone_warps(seed: int) -> None:
    """Channel 1 depends on the order of the cells only."""
    values = np.random.default_rng(seed).normal(size=(70, 3))
    flags = np.zeros(3, bool)

    plain = scale_rows(values, flags).x_RFH[..., 1]
    warped = scale_rows(np.exp(values), flags).x_RFH[..., 1]

    assert np.array_equal(plain, warped)


def test_scaling_ignores_shift_and_factor() -> None:
    """Cells in other units give the same channels and statistics."""
    values = _rng().normal(size=(60, 3))
    flags = np.zeros(3, bool)

    plain = scale_rows(values, flags)
    moved = scale_rows(1e6 + 1e-2 * values, flags)

    assert moved.x_RFH == pytest.approx(plain.x_RFH, abs=1e-4)
    assert moved.stats_FJ == pytest.approx(plain.stats_FJ, abs=1e-4)


def test_both_channels_of_an_indicator_are_equal() -> None:
    """Indicators have no ranks: channel 1 repeats channel 0."""
    values = (_rng().random((50, 3)) < 0.3).astype(float)

    x = scale_rows(values, np.ones(3, bool)).x_RFH

    assert np.array_equal(x[..., 0], x[..., 1])


def test_missing_cells_take_the_median_of_the_fit_rows() -> None:
    """A missing cell is scaled as the median of the rows that were looked at."""
    values = np.array([[1.0], [2.0], [9.0], [np.nan], [2.0], [50.0]])

    x = scale_rows(values, np.array([False]), np.arange(4)).x_RFH

    assert np.array_equal(x[3], x[4])


def test_an_even_number_of_present_cells_has_the_middle_as_median() -> None:
    """The median of two present cells is their mean."""
    values = np.array([[1.0], [3.0], [np.nan], [2.0]])

    x = scale_rows(values, np.array([False]), np.arange(3)).x_RFH

    assert np.array_equal(x[2], x[3])


@pytest.mark.parametrize(
    "column", [[4.0] * 6, [np.nan] * 6, [4.0, np.nan] * 3], ids=["constant", "missing", "both"]
)
def test_a_column_without_differences_is_unusable_and_zero(column: list[float]) -> None:
    """Constant and missing columns hold zeros and are marked."""
    values = np.stack([column, np.arange(6.0)], axis=1)

    scaled = scale_rows(values, np.zeros(2, bool))

    assert scaled.usable_F.tolist() == [False, True]
    assert not scaled.x_RFH[:, 0].any()
    assert np.isfinite(scaled.stats_FJ).all()


def test_a_column_that_varies_only_elsewhere_is_unusable() -> None:
    """Rows outside the fit rows do not make a column usable."""
    values = np.array([[1.0], [1.0], [1.0], [7.0]])

    scaled = scale_rows(values, np.array([False]), np.arange(3))

    assert not scaled.usable_F[0]
    assert not scaled.x_RFH.any()


def test_one_fit_row_makes_every_column_unusable() -> None:
    """A single row shows no spread, and nothing breaks."""
    scaled = scale_rows(_rng().normal(size=(5, 2)), np.zeros(2, bool), np.array([3]))

    assert not scaled.usable_F.any()
    assert np.isfinite(scaled.x_RFH).all()


def test_the_scaling_looks_at_the_fit_rows_only() -> None:
    """Changing the other rows changes neither statistics nor the scaled fit rows."""
    values = _rng().normal(size=(60, 3))
    other = values.copy()
    other[40:] = 1e3
    rows = np.arange(40)

    first = scale_rows(values, np.zeros(3, bool), rows)
    second = scale_rows(other, np.zeros(3, bool), rows)

    assert np.array_equal(first.stats_FJ, second.stats_FJ)
    assert np.array_equal(first.x_RFH[:40], second.x_RFH[:40])


def test_a_fitted_scaling_scales_later_rows_alike() -> None:
    """Fit and transform in two steps equal scale_rows in one."""
    values = _rng().normal(size=(60, 3))
    flags = np.array([False, True, False])
    values[:, 1] = values[:, 1] > 0

    scaling = Scaling.fit(values, flags, np.arange(20))
    scaled = scale_rows(values, flags, np.arange(20))

    assert np.array_equal(scaling.transform(values[25:]), scaled.x_RFH[25:])
    assert np.array_equal(scaling.stats_FJ, scaled.stats_FJ)


def test_statistics_follow_their_definitions() -> None:
    """Each of the nine statistics agrees with a direct computation."""
    rng = _rng()
    number = rng.gamma(2.0, size=300)
    twin = number + 0.1 * rng.normal(size=300)
    flag = (rng.random(300) < 0.25).astype(float)
    values = np.stack([number, twin, flag], axis=1)
    values[:30, 1] = np.nan
    flags = np.array([False, False, True])

    scaled = scale_rows(values, flags)

    z = scaled.x_RFH[..., 0].astype(float)
    z = (z - z.mean(0)) / z.std(0)
    correlation = np.abs(np.corrcoef(z.T))
    np.fill_diagonal(correlation, 0)
    expected = np.stack(
        [
            flags,
            [0, 0, flag.mean()],
            [1, 1, 2 / 50],
            [0, 0.1, 0],
            (z**3).mean(0) / 3,
            np.log1p((z**4).mean(0)) / 3,
            correlation.sum(1) / 2,
            correlation.max(1),
            np.abs((z**3).mean(0)) / 3,
        ],
        axis=1,
    )
    assert scaled.stats_FJ.shape == (3, N_STATISTICS)
    assert scaled.stats_FJ == pytest.approx(expected, abs=1e-5)


def test_channels_and_statistics_are_single_precision() -> None:
    """What learners read is float32."""
    scaled = scale_rows(_rng().normal(size=(20, 2)), np.zeros(2, bool))

    assert scaled.x_RFH.dtype == scaled.stats_FJ.dtype == np.float32


def test_the_input_is_left_as_it_is() -> None:
    """Scaling changes no array that it is given."""
    values = _rng().normal(size=(20, 2))
    values[3, 0] = np.nan
    before = values.copy()

    scale_rows(values, np.zeros(2, bool))

    assert np.array_equal(values, before, equal_nan=True)


def test_no_column_at_all_is_allowed() -> None:
    """A table without columns scales to one without columns."""
    scaled = scale_rows(np.empty((5, 0)), np.zeros(0, bool))

    assert scaled.x_RFH.shape == (5, 0, 2)
    assert scaled.stats_FJ.shape == (0, N_STATISTICS)
