"""What the past and the target's own trials together predict, and how far the past is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution

from autometa.priors import StudyPrior
from autometa.priors._prediction import History, joint_prediction, past_prediction, trust_of
from autometa.priors._proposal import propose
from autometa.priors._purse import Purse
from autometa.priors._share import share_of
from autometa.priors._trust import Trust, trust_in
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

    together = joint_prediction(view, history, trust)(rows)

    assert together == pytest.approx(past_prediction(view, trust)(rows))


def test_where_the_target_was_searched_it_overrules_the_past(view: View) -> None:
    """Bad trials at the past's optimum put it behind a place that was good."""
    known = _history(AGREEING, SCORES)
    bad = _history([*AGREEING, BEST, BEST], [*SCORES, 1.5, 1.5])
    trust = trust_of(view, known)
    rows = np.array([BEST, AGREEING[0]])

    optimum, other = joint_prediction(view, known, trust)(rows)
    failed, still_good = joint_prediction(view, bad, trust)(rows)

    assert optimum < other
    assert failed > still_good


def test_a_proposal_leaves_a_place_that_has_failed(view: View) -> None:
    """The past alone would go there again."""
    bad = _history([*AGREEING, BEST, BEST, BEST], [*SCORES, 1.5, 1.5, 1.5])
    trust = trust_of(view, _history(AGREEING, SCORES))
    width = view.space.index["width"]

    def proposed(history: History, *, alone: bool) -> float:
        predict = past_prediction(view, trust) if alone else joint_prediction(view, history, trust)
        config = propose(view, history, predict, np.random.default_rng(0))
        return float(np.abs(view.space.positions([config])[0] - np.array(BEST))[: width + 1].max())

    assert proposed(bad, alone=False) > proposed(bad, alone=True)


def test_workers_who_ask_at_once_get_different_places(view: View) -> None:
    """A trial that runs counts as a mean one, so that its place becomes less promising."""
    alone = _history(AGREEING, SCORES)
    beside = _history(AGREEING, SCORES, running=(BEST,))
    trust = trust_of(view, alone)
    row = np.array([BEST])

    assert joint_prediction(view, beside, trust)(row) > joint_prediction(view, alone, trust)(row)


def test_a_trial_that_is_just_being_drawn_has_no_say(view: View) -> None:
    """Some of its parameters are not known yet."""
    alone = _history(AGREEING, SCORES)
    half = _history(AGREEING, SCORES, running=((0.5, np.nan, np.nan),))
    trust = trust_of(view, alone)
    rows = np.array([BEST, (0.1, 0.1, 0.0)])

    found = joint_prediction(view, half, trust)(rows)

    assert found == pytest.approx(joint_prediction(view, alone, trust)(rows))


def test_a_pruned_trial_corrects_less(view: View) -> None:
    """Its place is that of an early rung."""
    row = np.array([BEST])
    trust = trust_of(view, _history(AGREEING, SCORES))

    def correction(reliability: float) -> float:
        history = _history([*AGREEING, BEST], [*SCORES, 1.5], reliability=reliability)
        return float(joint_prediction(view, history, trust)(row)[0])

    assert correction(0.4) < correction(1.0)


def test_a_past_that_loses_most_of_its_say_is_believed_less() -> None:
    """One source in four that is right may be right by luck."""
    scores = np.arange(12.0)
    initial = np.full(4, 0.4)
    right, wrong = scores, scores[::-1]

    all_right = trust_in(initial, np.stack([right] * 4), scores)
    one_right = trust_in(initial, np.stack([right, wrong, wrong, wrong]), scores)

    assert all_right.kept == 1.0
    assert one_right.kept == 0.25
    assert one_right.weights.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert one_right.total == pytest.approx(all_right.total / 4)


def test_the_past_leads_less_where_it_loses_and_in_a_long_study() -> None:
    """And never all trials, nor any without trust."""
    sure = Trust(expected=np.array([0.9]), weights=np.array([1.0]))
    doubted = Trust(expected=np.array([0.2]), weights=np.array([0.0]))
    winning = Purse(size=4, stakes=4, won=6, lost=0, open=0)
    losing = Purse(size=4, stakes=2, won=1, lost=3, open=0)

    assert share_of(sure, losing, 10) < 0.2 < share_of(sure, winning, 10) < 0.8
    assert share_of(sure, winning, 1000) < 0.1
    assert share_of(doubted, winning, 0) == 0.0
