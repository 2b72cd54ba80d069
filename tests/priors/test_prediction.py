"""What the past and the target's own trials together predict, and how far the past is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution

from autometa.priors import StudyPrior
from autometa.priors._history import History
from autometa.priors._prediction import (
    optimistic_prediction,
    past_prediction,
    trust_of,
)
from autometa.priors._proposal import propose
from autometa.priors._trust import Trust, inverted_probability, trust_in
from autometa.priors._view import View

Past = Callable[..., optuna.Study]
Spaces = Mapping[str, BaseDistribution]

BEST = (0.5, 0.75, 1.0)
"""Positions of the past's optimum: rate 0.01, width 7, fancy."""


@pytest.fixture
def view(past: Past, space: Spaces) -> View:
    """The past as a target of the same space sees it."""
    return StudyPrior.learn(past()).view(space)


def _history(
    rows: list[tuple[float, ...]],
    scores: list[float],
    *,
    running: tuple[tuple[float, ...], ...] = (),
    reliability: float = 1.0,
) -> History:
    return History(
        rows=np.array(rows).reshape(-1, 3),
        scores=np.array(scores),
        reliability=np.full(len(scores), reliability),
        running=np.array(running).reshape(-1, 3),
    )


AGREEING = [(0.5, 0.6, 1.0), (0.0, 0.1, 0.0), (1.0, 0.2, 0.0), (0.7, 0.6, 1.0)]
"""Places that the past ranks as the scores below do."""
SCORES = [-1.0, 1.0, 0.6, -0.6]


def test_without_trials_the_past_stands(view: View) -> None:
    """Nothing corrects it then."""
    history = _history([], [])
    trust = trust_of(view, history)
    rows = np.array([BEST, (0.1, 0.1, 0.0)])

    together = optimistic_prediction(view, history, trust)(rows)

    assert together == pytest.approx(past_prediction(view, trust)(rows))


def test_where_the_target_was_searched_it_overrules_the_past(view: View) -> None:
    """Bad trials at the past's optimum put it behind a place that was good."""
    known = _history(AGREEING, SCORES)
    bad = _history([*AGREEING, BEST, BEST], [*SCORES, 1.5, 1.5])
    trust = trust_of(view, known)
    rows = np.array([BEST, AGREEING[0]])

    optimum, other = optimistic_prediction(view, known, trust)(rows)
    failed, still_good = optimistic_prediction(view, bad, trust)(rows)

    assert optimum < other
    assert failed > still_good


def test_a_proposal_leaves_a_place_that_has_failed(view: View) -> None:
    """The past alone would go there again."""
    bad = _history([*AGREEING, BEST, BEST, BEST], [*SCORES, 1.5, 1.5, 1.5])
    trust = trust_of(view, _history(AGREEING, SCORES))
    width = view.space.index["width"]

    def proposed(history: History, *, alone: bool) -> float:
        predict = (
            past_prediction(view, trust) if alone else optimistic_prediction(view, history, trust)
        )
        config = propose(view, history, predict, np.random.default_rng(0))
        return float(np.abs(view.space.positions([config])[0] - np.array(BEST))[: width + 1].max())

    assert proposed(bad, alone=False) > proposed(bad, alone=True)


def test_workers_who_ask_at_once_get_different_places(view: View) -> None:
    """A trial that runs counts as a mean one, so that its place becomes less promising."""
    alone = _history(AGREEING, SCORES)
    beside = _history(AGREEING, SCORES, running=(BEST,))
    trust = trust_of(view, alone)
    row = np.array([BEST])

    assert optimistic_prediction(view, beside, trust)(row) > optimistic_prediction(
        view, alone, trust
    )(row)


def test_a_trial_that_is_just_being_drawn_has_no_say(view: View) -> None:
    """Some of its parameters are not known yet."""
    alone = _history(AGREEING, SCORES)
    half = _history(AGREEING, SCORES, running=((0.5, np.nan, np.nan),))
    trust = trust_of(view, alone)
    rows = np.array([BEST, (0.1, 0.1, 0.0)])

    found = optimistic_prediction(view, half, trust)(rows)

    assert found == pytest.approx(optimistic_prediction(view, alone, trust)(rows))


def test_a_pruned_trial_corrects_less(view: View) -> None:
    """Its place is that of an early rung."""
    row = np.array([BEST])
    trust = trust_of(view, _history(AGREEING, SCORES))

    def correction(reliability: float) -> float:
        history = _history([*AGREEING, BEST], [*SCORES, 1.5], reliability=reliability)
        return float(optimistic_prediction(view, history, trust)(row)[0])

    assert correction(0.4) < correction(1.0)


def test_places_that_nobody_knows_are_looked_at_too(view: View) -> None:
    """Where neither past nor trials prefer a place, the one far from all trials is preferred."""
    searched, unknown = (0.1, 0.1, 0.0), (0.9, 0.9, 1.0)
    history = _history([searched] * 4, [1.0, -1.0, 1.0, -1.0])
    nobody = Trust(expected=np.zeros(1), weights=np.zeros(1))

    found = optimistic_prediction(view, history, nobody)(np.array([searched, unknown]))

    assert found[1] < found[0] < 0


def test_a_past_that_loses_most_of_its_say_is_believed_less() -> None:
    """One source in four that is right may be right by luck."""
    scores = np.arange(40.0)
    initial = np.full(4, 0.4)
    right = scores
    unrelated = np.abs(scores - scores.mean())

    all_right = trust_in(initial, np.stack([right] * 4), scores)
    one_right = trust_in(initial, np.stack([right, *[unrelated] * 3]), scores)

    assert all_right.kept == 1.0
    assert one_right.kept == 0.25
    assert one_right.weights.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert one_right.total == pytest.approx(all_right.total / 4, rel=1e-3)


def test_a_source_that_ranks_upside_down_is_turned_over() -> None:
    """What it calls bad is then what the common prediction calls good."""
    scores = np.arange(12.0)

    trust = trust_in(np.array([0.4, 0.4]), np.stack([scores, -scores]), scores)

    assert trust.weights[0] > 0 > trust.weights[1]
    assert np.abs(trust.weights).sum() == pytest.approx(1.0)
    assert trust.kept == 1.0
    assert trust.total > 0


def test_a_past_that_is_inverted_as_a_whole_is_found_out_early() -> None:
    """Ten sources that fail alike say more than one: what is expected of each is turned over."""
    scores = np.arange(8.0)
    noisy = -scores[[1, 0, 3, 2, 5, 4, 7, 6]]
    initial = np.full(10, 0.4)

    alike = trust_in(initial, np.stack([noisy] * 10), scores)
    alone = trust_in(np.array([0.4, *[0.0] * 9]), np.stack([scores, *[noisy] * 9]), scores)

    assert inverted_probability(noisy, scores) > 0.9
    assert (alike.expected < alone.expected[-1]).all()
    assert (alike.weights == -0.1).all()


def test_a_right_past_is_not_taken_for_an_inverted_one() -> None:
    """Nor one that says nothing, or that nothing is known of."""
    scores = np.arange(8.0)

    assert inverted_probability(scores, scores) < 1e-3
    assert inverted_probability(np.zeros(8), scores) == 0.0
    assert inverted_probability(np.zeros(0), np.zeros(0)) == 0.0
    assert inverted_probability(scores[[0, 7, 1, 6, 2, 5, 3, 4]], scores) < 0.06


def test_the_past_leads_less_in_a_long_study() -> None:
    """And never all trials, nor any without trust."""
    sure = Trust(expected=np.array([0.9]), weights=np.array([1.0]))
    turned = Trust(expected=np.array([-0.9]), weights=np.array([-1.0]))
    doubted = Trust(expected=np.array([0.2]), weights=np.array([0.0]))

    assert sure.share(0) == turned.share(0) == 0.9
    assert sure.share(2000) < 0.1
    assert doubted.share(0) == 0.0
