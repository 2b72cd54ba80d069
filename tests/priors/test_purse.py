"""The warranty: prior-led trials that earn nothing are bounded, whatever happens."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import optuna
from hypothesis import given
from hypothesis import strategies as st
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from autometa.priors import purse_of
from autometa.storages import ORIGIN

START = datetime(2030, 1, 1)


def _trial(number: int, origin: str | None, value: float | None, ended: int | None) -> FrozenTrial:
    """A trial of a story; without an end it runs, and without a value it has failed."""
    state = TrialState.COMPLETE
    if ended is None:
        state = TrialState.RUNNING
    elif value is None:
        state = TrialState.FAIL
    trial = create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        user_attrs={} if origin is None else {ORIGIN: origin},
    )
    trial.number = number
    trial.datetime_start = START
    trial.datetime_complete = None if ended is None else START + timedelta(seconds=ended)
    return trial


def test_a_losing_wager_costs_one_and_a_winning_one_earns_one() -> None:
    """Four stakes, one won and one lost against a base trial of value 1."""
    base = _trial(0, "base", 1.0, 1)

    lost = purse_of([base, _trial(1, "prior", 2.0, 2)], StudyDirection.MINIMIZE, size=4)
    won = purse_of(
        [base, _trial(1, "prior", 2.0, 2), _trial(2, "prior", 0.5, 3)],
        StudyDirection.MINIMIZE,
        size=4,
    )

    assert (lost.stakes, lost.lost) == (3, 1)
    assert (won.stakes, won.won, won.lost) == (4, 1, 1)


def test_what_was_won_is_kept() -> None:
    """Three wagers won on top of four stakes may be lost again, and no more."""
    base = _trial(0, "base", 1.0, 1)
    won = [_trial(number, "prior", 0.5, 1 + number) for number in range(1, 4)]
    lost = [_trial(number, "prior", 2.0, 1 + number) for number in range(4, 11)]

    assert purse_of([base, *won], StudyDirection.MINIMIZE, size=4).stakes == 7
    assert purse_of([base, *won, *lost], StudyDirection.MINIMIZE, size=4).stakes == 0


def test_a_tie_with_the_base_is_lost() -> None:
    """What is only as good as the base trials has not earned its place."""
    trials = [_trial(0, "base", 1.0, 1), _trial(1, "prior", 1.0, 2)]

    assert purse_of(trials, StudyDirection.MAXIMIZE, size=4).lost == 1


def test_wagers_wait_for_a_base_trial() -> None:
    """Without anything to compare with, stakes stay out."""
    trials = [_trial(0, "portfolio 1", 0.0, 1), _trial(1, "portfolio 2", 0.0, 2)]

    purse = purse_of(trials, StudyDirection.MINIMIZE, size=2)

    assert (purse.stakes, purse.open) == (0, 2)


def test_a_lucky_base_trial_does_not_decide_alone() -> None:
    """A lost wager is won as soon as it beats the median of the base trials there are by then."""
    trials = [_trial(0, "base", 1.0, 1), _trial(1, "prior", 3.0, 2), _trial(2, "base", 5.0, 3)]

    # Of two the better one is taken for the median.
    assert purse_of(trials, StudyDirection.MINIMIZE, size=4).lost == 1
    trials.append(_trial(3, "base", 4.0, 4))
    assert purse_of(trials, StudyDirection.MINIMIZE, size=4).won == 1
    # Once won it stays so.
    trials += [_trial(number, "base", 0.0, 1 + number) for number in range(4, 9)]
    assert purse_of(trials, StudyDirection.MINIMIZE, size=4).won == 1


def test_a_later_base_trial_does_not_reopen_a_wager() -> None:
    """What was won against the base trials of then is not lost against better ones."""
    trials = [_trial(0, "base", 5.0, 1), _trial(1, "prior", 3.0, 2), _trial(2, "base", 1.0, 3)]

    assert purse_of(trials, StudyDirection.MINIMIZE, size=1).won == 1


def test_a_failed_wager_is_lost() -> None:
    """A proposal that cannot be trained has earned nothing."""
    trials = [_trial(0, "base", 5.0, 1), _trial(1, "prior", None, 2)]

    assert purse_of(trials, StudyDirection.MINIMIZE, size=4).lost == 1


def test_a_running_trial_of_unknown_origin_counts_as_a_wager() -> None:
    """Another worker may be about to choose it."""
    trials = [_trial(0, None, None, None)]

    assert purse_of(trials, StudyDirection.MINIMIZE, size=1).stakes == 0


@st.composite
def _stories(draw: st.DrawFn) -> list[tuple[bool, float | None, int]]:
    """What becomes of each trial: whether it would wager, its value or failure, its duration."""
    value = st.one_of(st.none(), st.floats(-5, 5))
    step = st.tuples(st.booleans(), value, st.integers(1, 20))
    return draw(st.lists(step, max_size=40))


@given(story=_stories(), size=st.integers(0, 5))
def test_the_bound_holds_at_every_moment(
    story: list[tuple[bool, float | None, int]], size: int
) -> None:
    """Whatever the values, failures and overlaps: lost and open wagers are at most P + won."""
    plan: list[tuple[str, float | None, int]] = []
    for now, (would_wager, value, lasts) in enumerate(story):
        seen = [
            _trial(number, origin, v, end if end <= now else None)
            for number, (origin, v, end) in enumerate(plan)
        ]
        purse = purse_of(seen, StudyDirection.MAXIMIZE, size=size)
        assert purse.lost + purse.open <= size + purse.won
        assert purse.stakes >= 0
        wagers = would_wager and purse.stakes > 0
        plan.append(("prior" if wagers else "base", value, now + lasts))
    ended = [_trial(number, *item) for number, item in enumerate(plan)]

    final = purse_of(ended, StudyDirection.MAXIMIZE, size=size)

    assert final.lost + final.open <= size + final.won


def _searched(sign: int, *, trials: int) -> list[FrozenTrial]:
    """Returns the trials of a study of x, or of -x, whose past liked the smallest x."""
    from autometa.priors import PriorSampler, StudyPrior

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    past = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    past.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=30)
    sampler = PriorSampler(
        optuna.samplers.RandomSampler(seed=1), StudyPrior.learn(past), anchor={"x": 0.5}, seed=0
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: sign * trial.suggest_float("x", 0, 1), n_trials=trials)
    return study.trials


def _origins(trials: list[FrozenTrial]) -> list[str]:
    return [trial.user_attrs[ORIGIN] for trial in trials]


def test_a_prior_that_is_upside_down_loses_two_trials_and_is_turned_over() -> None:
    """Its portfolio ends early; what it leads later is the opposite of what it liked."""
    trials = _searched(-1, trials=40)
    later = [trial.params["x"] for trial in trials[3:] if trial.user_attrs[ORIGIN] == "prior"]

    assert _origins(trials)[:3] == ["anchor", "portfolio 1", "portfolio 2"]
    assert len(later) > 10
    assert np.median(later) > 0.9


def test_a_portfolio_goes_on_where_one_of_its_entries_has_won() -> None:
    """A source that agrees with the target tries all four entries."""
    trials = _searched(1, trials=5)

    assert _origins(trials) == ["anchor", *(f"portfolio {place}" for place in range(1, 5))]
