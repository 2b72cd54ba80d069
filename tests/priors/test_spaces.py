"""Changed spaces: what carries over is used, the rest listed; nothing leaves the target space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autometa.errors import UserError
from autometa.priors import PURSE, PriorSampler, StudyPrior
from autometa.storages import ORIGIN

Past = Callable[..., optuna.Study]
Spaces = dict[str, BaseDistribution]


def test_the_first_suggestion_is_near_the_optimum(past: Past, space: Spaces) -> None:
    """Thirty random trials of the same bowl tell where it is."""
    prior = StudyPrior.learn([past("one"), past("two", seed=1)])

    first = prior.suggest(1, space)[0]

    assert abs(math.log10(first["rate"]) + 2) < 1
    assert first["width"] >= 5
    assert first["kind"] == "fancy"


def test_scale_and_direction_do_not_matter(
    past: Past, space: Spaces, bowl: Callable[[Mapping[str, Any]], float]
) -> None:
    """A thousand times the negated loss, maximised, is the same study."""
    plain = StudyPrior.learn(past())
    other = StudyPrior.learn(
        past(value=lambda params: -1000 * bowl(params) + 5, direction="maximize")
    )

    assert plain.suggest(3, space) == other.suggest(3, space)


def test_pruned_trials_rank_by_rung_then_value() -> None:
    """One that came further is better, and any complete one is better still."""
    from optuna.study import StudyDirection

    from autometa.priors._ranks import gaussian_ranks, ranked_trials

    study = optuna.create_study(pruner=optuna.pruners.NopPruner())
    for steps, value, is_pruned in ((1, 0.1, True), (3, 9.0, True), (3, 8.0, True), (4, 99, False)):
        trial = study.ask({"x": FloatDistribution(0, 1)})
        trial.report(value, steps)
        if is_pruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)

    _, keys = ranked_trials(study.trials, StudyDirection.MINIMIZE)

    assert np.argsort(gaussian_ranks(keys)).tolist() == [3, 2, 1, 0]


def test_parameters_are_matched_by_alias(past: Past) -> None:
    """A renamed parameter keeps its past."""
    prior = StudyPrior.learn(past())

    first = prior.suggest(1, {"lr": FloatDistribution(1e-4, 1, log=True)}, aliases={"lr": "rate"})

    assert abs(math.log10(first[0]["lr"]) + 2) < 1


def test_log_and_kind_do_not_matter(past: Past) -> None:
    """Values are matched as they are: a linear range, and choices of numbers."""
    prior = StudyPrior.learn(past())
    target: Spaces = {
        "rate": FloatDistribution(0.0, 1.0),
        "width": CategoricalDistribution([1, 4, 7]),
    }

    first = prior.suggest(1, target)[0]

    assert first["rate"] < 0.2
    assert first["width"] == 7


def test_what_is_dropped_is_listed(past: Past) -> None:
    """Vanished and new parameters, values out of range, and studies of something else."""
    prior = StudyPrior.learn([past("one"), past("tiny", trials=1)])
    target: Spaces = {"rate": FloatDistribution(0.5, 1.0), "depth": IntDistribution(1, 4)}

    text = prior.explain(target)

    assert "width: not in the space, averaged out" in text
    assert "values outside the range, never proposed" in text
    assert "left to the base sampler: depth" in text
    assert "tiny: fewer than 5 usable trials" in text
    assert "shares no searched parameter" in prior.explain({"depth": IntDistribution(1, 4)})


def test_a_vanished_parameter_is_averaged_exactly(past: Past) -> None:
    """The prediction without it is the mean of those over the values that were tried."""
    from autometa.priors._surrogate import UNKNOWN

    surrogate = StudyPrior.learn(past()).sources[0].surrogate
    query = surrogate.points[:1].copy()
    each = np.repeat(query, len(surrogate.points), axis=0)
    each[:, 1] = surrogate.points[:, 1]
    query[:, 1] = UNKNOWN

    assert surrogate.predict(query)[0] == pytest.approx(surrogate.predict(each).mean())


def test_a_new_parameter_is_left_to_the_base_sampler(past: Past, space: Spaces) -> None:
    """The past leads what it knows, and proposes no value of what it does not."""
    prior = StudyPrior.learn(past())
    target = space | {"depth": IntDistribution(1, 4)}
    sampler = PriorSampler(optuna.samplers.RandomSampler(seed=0), prior, space=target)
    study = optuna.create_study(sampler=sampler)

    trial = study.ask(target)

    assert "depth" not in prior.suggest(1, target)[0]
    assert trial.params["rate"] == pytest.approx(prior.suggest(4, target)[0]["rate"])
    assert trial.params["depth"] in range(1, 5)


def _branches(trial: optuna.Trial) -> float:
    if trial.suggest_categorical("model", ["a", "b"]) == "a":
        return trial.suggest_float("a.x", 0, 1)
    return 2 + trial.suggest_float("b.y", 0, 1)


def test_a_conditional_space_keeps_its_branches() -> None:
    """A suggestion has the parameters of one branch only, and the better one comes first."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(_branches, n_trials=40)

    suggested = StudyPrior.learn(study).suggest(6)

    assert suggested[0]["model"] == "a"
    assert suggested[0]["a.x"] < 0.3
    for config in suggested:
        assert set(config) == {"model", {"a": "a.x", "b": "b.y"}[config["model"]]}


@pytest.mark.parametrize("trials", [0, 1])
def test_next_to_no_past_is_harmless(past: Past, space: Spaces, trials: int) -> None:
    """The search is the base sampler's own, value by value."""
    prior = StudyPrior.learn(past(trials=trials))
    drawn = []
    for sampler in (
        optuna.samplers.RandomSampler(seed=3),
        PriorSampler(optuna.samplers.RandomSampler(seed=3), prior, space=space),
    ):
        study = optuna.create_study(sampler=sampler)
        drawn.append([study.ask(space).params for _ in range(5)])

    assert prior.suggest(3, space) == []
    assert drawn[0] == drawn[1]


def test_a_study_of_two_objectives_is_refused() -> None:
    """Its trials have no order."""
    study = optuna.create_study(study_name="two", directions=["minimize", "minimize"])

    with pytest.raises(UserError, match="'two' has 2"):
        StudyPrior.learn(study)


def _numeric() -> st.SearchStrategy[BaseDistribution]:
    bounds = st.tuples(st.floats(-50, 50), st.floats(0.01, 100))
    linear = bounds.map(lambda pair: FloatDistribution(pair[0], pair[0] + pair[1]))
    log = st.tuples(st.floats(1e-6, 10), st.floats(1.1, 1e4)).map(
        lambda pair: FloatDistribution(pair[0], pair[0] * pair[1], log=True)
    )
    stepped = st.tuples(st.integers(-9, 9), st.integers(1, 20), st.sampled_from([0.125, 0.25, 2.0]))
    steps = stepped.map(
        lambda item: FloatDistribution(item[0], item[0] + item[1] * item[2], step=item[2])
    )
    whole = st.tuples(st.integers(-20, 20), st.integers(0, 30), st.integers(1, 3)).map(
        lambda item: IntDistribution(item[0], item[0] + item[1] * item[2], step=item[2])
    )
    whole_log = st.tuples(st.integers(1, 20), st.integers(0, 500)).map(
        lambda item: IntDistribution(item[0], item[0] + item[1], log=True)
    )
    return st.one_of(linear, log, steps, whole, whole_log)


def _distributions() -> st.SearchStrategy[BaseDistribution]:
    choice = st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.text(max_size=3))
    choices = st.lists(choice, min_size=1, max_size=4, unique_by=lambda item: (type(item), item))
    return st.one_of(_numeric(), choices.map(CategoricalDistribution))


_SPACES = st.dictionaries(
    st.sampled_from(["rate", "width", "kind", "depth"]), _distributions(), min_size=1
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(before=_SPACES, after=_SPACES, is_told=st.booleans(), seed=st.integers(0, 99))
def test_proposals_are_inside_the_target_space_and_repeat(
    past: Past, before: Spaces, after: Spaces, is_told: bool, seed: int
) -> None:
    """Whatever the two spaces, every value is possible, and one seed gives one list."""

    def value(params: Mapping[str, Any]) -> float:
        return float(sum(hash((name, str(item))) % 97 for name, item in sorted(params.items())))

    prior = StudyPrior.learn(past(trials=8, space=before, value=value))

    def searched() -> list[dict[str, Any]]:
        sampler = PriorSampler(
            optuna.samplers.RandomSampler(seed=seed),
            prior,
            space=after if is_told else None,
            purse=3,
            seed=seed,
        )
        study = optuna.create_study(sampler=sampler)
        for _ in range(7):
            trial = study.ask(after)
            study.tell(trial, value(trial.params))
        return [trial.params for trial in study.trials]

    found = searched()

    for params in [*prior.suggest(4, after), *found]:
        for name, item in params.items():
            assert after[name]._contains(after[name].to_internal_repr(item)), (name, item)
    assert found == searched()


@pytest.mark.parametrize("is_told", [True, False])
def test_eight_workers_share_one_portfolio(past: Past, space: Spaces, is_told: bool) -> None:
    """Trials asked for at one moment, each by a sampler of its own, have different entries."""
    prior = StudyPrior.learn([past("one"), past("two", seed=1)])
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="shared")
    trials = []
    for worker in range(8):
        sampler = PriorSampler(
            optuna.samplers.RandomSampler(seed=worker),
            prior,
            space=space if is_told else None,
            seed=worker,
        )
        study = optuna.load_study(study_name="shared", storage=storage, sampler=sampler)
        trials.append(study.ask(space))

    origins = [trial.user_attrs[ORIGIN] for trial in trials]
    led = [tuple(trial.params.items()) for trial in trials if trial.user_attrs[ORIGIN] != "base"]

    assert origins[:4] == [f"portfolio {place}" for place in range(1, 5)]
    assert set(origins[4:]) <= {"prior", "base"}
    assert len(led) <= PURSE
    assert len(set(led)) == len(led)


def test_an_entry_that_was_enqueued_is_not_tried_again(past: Past, space: Spaces) -> None:
    """The trial in its place is led by something else, and the other entries keep theirs."""
    prior = StudyPrior.learn([past("one"), past("two", seed=1)])
    first, second = prior.suggest(2, space)
    sampler = PriorSampler(optuna.samplers.RandomSampler(seed=0), prior, space=space, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(first)

    trials = [study.ask(space) for _ in range(3)]

    assert trials[0].params == first
    assert trials[1].user_attrs[ORIGIN] != "portfolio 1"
    assert trials[1].params != first
    assert trials[2].user_attrs[ORIGIN] == "portfolio 2"
    assert trials[2].params == second
