"""Confidence intervals: what is resampled, closed forms, coverage."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from autometa.evaluation import ScoreSheet
from autometa.evaluation._bootstrap import interval_over_episodes, interval_over_families

MakeSheet = Callable[..., ScoreSheet]


def two_methods(make_sheet: MakeSheet, families: int, *, episodes: int = 6) -> ScoreSheet:
    """Returns a sheet in which x beats y by 0.1 on average, one table per family."""
    rng = np.random.default_rng(1)
    y = {(f"f{n}", f"t{n}", 5): rng.uniform(0.3, 0.6, episodes).tolist() for n in range(families)}
    x = {cell: (np.array(values) + rng.normal(0.1, 0.05)).tolist() for cell, values in y.items()}
    return make_sheet({"x": x, "y": y})


@pytest.mark.parametrize(
    ("families", "unit", "n"), [(8, "families", 8), (7, "episodes", 42), (1, "episodes", 6)]
)
def test_families_are_resampled_from_eight_on(
    make_sheet: MakeSheet, families: int, unit: str, n: int
) -> None:
    """Below eight families, paired episodes are resampled, and the result says so."""
    sheet = two_methods(make_sheet, families)

    advantage = sheet.advantage("x", "y", setting="unlabelled", shot=5)

    assert (advantage.unit, advantage.n) == (unit, n)
    assert advantage.low <= advantage.mean <= advantage.high
    assert advantage.mean == pytest.approx(
        sheet.mean("accuracy", "x") - sheet.mean("accuracy", "y")
    )


def test_the_seed_decides_the_interval(make_sheet: MakeSheet) -> None:
    """Equal seeds give equal intervals, other seeds nearby ones."""
    sheet = two_methods(make_sheet, 9)

    first, again, other = (sheet.advantage("x", "y", seed=seed) for seed in (3, 3, 4))
    generator = sheet.advantage("x", "y", seed=np.random.default_rng(3))

    assert first == again == generator
    assert first.low != other.low
    assert first.low == pytest.approx(other.low, abs=0.01)


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_less_loss_is_an_advantage(make_sheet: MakeSheet, metric: str) -> None:
    """Where lower is better, the sign is turned, ends of the interval included."""
    x = {(f"f{n}", "t", 1): [0.2 + 0.01 * n] for n in range(9)}
    y = {(f"f{n}", "t", 1): [0.5] for n in range(9)}
    sheet = make_sheet({"x": x, "y": y}, metric=metric)

    advantage = sheet.advantage("x", "y", metric=metric)

    assert 0 < advantage.low < advantage.mean < advantage.high
    assert advantage.mean == pytest.approx(0.26)


def test_pairing_removes_what_both_methods_share(make_sheet: MakeSheet) -> None:
    """A constant difference has an interval of no width, however hard episodes differ."""
    y = {("f", "t", 1): [0.0, 0.4, 0.8, 0.1]}
    x = {("f", "t", 1): [0.1, 0.5, 0.9, 0.2]}

    advantage = make_sheet({"x": x, "y": y}).advantage("x", "y")

    assert advantage.low == pytest.approx(0.1)
    assert advantage.high == pytest.approx(0.1)


def test_single_episodes_have_no_interval(make_sheet: MakeSheet) -> None:
    """With nothing to resample, the ends are NaN rather than a false certainty."""
    sheet = make_sheet({"x": {("f", "t", 1): [0.5]}, "y": {("f", "t", 1): [0.2]}})

    advantage = sheet.advantage("x", "y")

    assert advantage.mean == pytest.approx(0.3)
    assert math.isnan(advantage.low)
    assert math.isnan(advantage.high)


def test_scores_of_one_episode_in_two_settings_are_not_two_episodes(
    make_sheet: MakeSheet,
) -> None:
    """Copying a setting neither narrows the interval nor adds episodes."""
    one = two_methods(make_sheet, 3)
    both = one.append(ScoreSheet(one.frame.assign(setting="transductive")))

    alone, together = one.advantage("x", "y"), both.advantage("x", "y")

    assert together.n == alone.n
    assert (together.mean, together.low, together.high) == pytest.approx(
        (alone.mean, alone.low, alone.high)
    )


def test_episodes_scored_in_one_setting_only_still_count(make_sheet: MakeSheet) -> None:
    """Where settings have different episodes, each setting is resampled by itself."""
    one = two_methods(make_sheet, 3)
    fewer = one.frame.assign(setting="transductive")
    fewer["accuracy"] += np.random.default_rng(0).normal(0, 0.1, len(fewer))
    both = one.append(ScoreSheet(fewer[fewer["episode"] < 4]))

    advantage = both.advantage("x", "y")

    assert advantage.n == 3 * (6 + 4)
    assert advantage.low < advantage.mean < advantage.high


def coverage(interval: Callable[[np.random.Generator], tuple[float, float]]) -> float:
    """Returns how often 300 intervals hold the truth 0."""
    rng = np.random.default_rng(0)
    intervals = [interval(rng) for _ in range(300)]
    return float(np.mean([low <= 0 <= high for low, high in intervals]))


@pytest.mark.parametrize("families", [8, 20])
def test_intervals_over_families_cover_the_truth(families: int) -> None:
    """About 95 % of the intervals hold the true difference, also with few families."""
    share = coverage(lambda rng: interval_over_families(rng.normal(size=(families, 1)), rng))

    assert 0.91 <= share <= 0.985


def test_intervals_over_episodes_cover_the_truth() -> None:
    """About 95 % of the intervals hold the mean of the tables that were drawn from."""
    share = coverage(
        lambda rng: interval_over_episodes(
            [rng.normal(size=5), rng.normal(size=5), 3 * rng.normal(size=5)], [0.4, 0.4, 0.2], rng
        )
    )

    assert 0.91 <= share <= 0.985


def test_a_family_may_lack_a_cell() -> None:
    """Missing cells are left out of the means and of the resamples, not counted as zero."""
    differences = np.full((10, 2), 0.5)
    differences[1:, 1] = np.nan

    low, high = interval_over_families(differences, np.random.default_rng(0))

    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)
