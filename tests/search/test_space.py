from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest

from autometa.config import StudySpec
from autometa.errors import UserError
from autometa.search._samplers import build_pruner, build_sampler
from autometa.search._space import candidate_config, config_hash, suggest

_RATE = {"low": 0.01, "high": 1.0, "log": True}
_CONDITIONAL = {
    "learner": {
        "choices": {
            "fomaml": {"inner_lr": _RATE, "width": {"choices": [8, 16]}},
            "column_kernel": {"depth": {"low": 1, "high": 3}},
        }
    }
}


def proposals(spec: StudySpec, *, worker: int = 0, count: int = 6) -> list[dict[str, object]]:
    """Returns what samplers made as a worker makes them propose."""
    found = []
    study = optuna.create_study()
    for number in range(count):
        study.sampler = build_sampler(spec, worker=worker, proposals=number)
        trial = study.ask()
        found.append(suggest(trial, spec))
        study.tell(trial, float(number))
    return found


def test_suggest_draws_a_flat_space_in_the_order_of_the_file(
    little_study: Callable[..., StudySpec],
) -> None:
    """A flat space gives one parameter per field, in the file's order and within its bounds."""
    spec = little_study(space={"width": {"low": 8, "high": 24, "step": 8}, "inner_lr": _RATE})

    params = suggest(optuna.create_study().ask(), spec)

    assert list(params) == ["width", "inner_lr"]
    assert params["width"] in (8, 16, 24)
    assert 0.01 <= params["inner_lr"] <= 1


def test_suggest_draws_only_the_branch_of_the_chosen_learner(
    little_study: Callable[..., StudySpec],
) -> None:
    """A conditional space draws the learner first, then its own parameters alone."""
    spec = little_study(learner={}, space=_CONDITIONAL)

    drawn = {params["learner"]: list(params) for params in proposals(spec, count=12)}

    assert drawn == {
        "fomaml": ["learner", "fomaml.inner_lr", "fomaml.width"],
        "column_kernel": ["learner", "column_kernel.depth"],
    }


def test_configurations_join_fixed_searched_and_default_values(
    little_study: Callable[..., StudySpec],
) -> None:
    """A candidate has the trial's parameters, the file's fixed values, and defaults."""
    spec = little_study(learner={}, space=_CONDITIONAL)

    config = candidate_config(spec, {"learner": "column_kernel", "column_kernel.depth": 2})

    assert (config.name, config.depth, config.width) == ("column_kernel", 2, 48)


def test_the_hash_depends_on_the_values_and_the_identity_alone(
    little_study: Callable[..., StudySpec],
) -> None:
    """Equal configurations have equal hashes, whatever the order; another study's differ."""
    spec = little_study()
    one = config_hash(candidate_config(spec, {"width": 8, "inner_lr": 0.5}))
    same = config_hash(candidate_config(spec, {"inner_lr": 0.5, "width": 8}))
    other = config_hash(candidate_config(spec, {"width": 16, "inner_lr": 0.5}))
    elsewhere = config_hash(candidate_config(spec, {"width": 8, "inner_lr": 0.5}), identity="x")

    assert one == same
    assert len({one, other, elsewhere}) == 3


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_samplers_depend_on_seed_worker_and_number_of_proposals(
    sampler: str, little_study: Callable[..., StudySpec]
) -> None:
    """Equal seeds propose alike; workers and later trials get proposals of their own."""
    spec = little_study(search={"sampler": sampler})

    first = proposals(spec)

    assert first == proposals(spec)
    rates = [params["inner_lr"] for params in [*first, *proposals(spec, worker=1)]]
    assert len(set(rates)) == len(rates)
    other = proposals(little_study(search={"sampler": sampler, "seed": 1}))
    assert other[0] != first[0]


def test_the_pruner_follows_the_rungs(little_study: Callable[..., StudySpec]) -> None:
    """Halving is used where there is more than one rung and it is not switched off."""
    assert type(build_pruner(little_study())).__name__ == "_HalvingPruner"
    for spec in (
        little_study(search={"pruner": "none"}),
        little_study(training={"outer_steps": 4, "rungs": [4]}),
    ):
        assert isinstance(build_pruner(spec), optuna.pruners.NopPruner)


def test_lost_trials_do_not_compete_at_a_rung(little_study: Callable[..., StudySpec]) -> None:
    """A trial that is interrupted and run again is judged as if it had run once."""
    spec = little_study()

    def judged(losses: int) -> list[bool]:
        study = optuna.create_study(direction="maximize", pruner=build_pruner(spec))
        verdicts = []
        for value in [*[0.5] * losses, 0.5, 0.1, 0.2, 0.4]:
            trial = study.ask()
            trial.report(value, step=2)
            verdicts.append(trial.should_prune())
            if trial.number < losses:
                trial.set_user_attr("autometa:reason", "interrupted")
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)
        return verdicts[losses:]

    assert judged(losses=0) == judged(losses=3) == [False, True, True, False]


def test_what_has_no_effect_beside_the_others_is_not_drawn(
    little_study: Callable[..., StudySpec],
) -> None:
    """An inner rate is drawn where something descends with it; what decides that comes first."""
    spec = little_study(
        learner={"name": "column_kernel"},
        space={
            "inner_lr": _RATE,
            "width": {"choices": [8, 16]},
            "head": {"choices": ["ridge", "descent"]},
            "adapt": {"choices": ["head", "head+scales"]},
        },
    )

    drawn = proposals(spec, count=30)

    assert {list(params).index("inner_lr") for params in drawn if "inner_lr" in params} == {2}
    idle = [params for params in drawn if "inner_lr" not in params]
    assert {(params["head"], params["adapt"]) for params in idle} == {("ridge", "head")}
    assert 0 < len(idle) < len(drawn)
    assert not any(
        (params["head"], params["adapt"]) == ("ridge", "head")
        for params in drawn
        if "inner_lr" in params
    )
    assert candidate_config(spec, idle[0]).inner_lr == 0.3


def test_values_without_an_effect_make_no_other_candidate(
    little_study: Callable[..., StudySpec],
) -> None:
    """A parameter that does nothing may be given, and the configuration is the same."""
    spec = little_study(
        learner={"name": "column_kernel"},
        space={"inner_lr": _RATE, "head": {"choices": ["ridge", "descent"]}},
    )

    idle = [candidate_config(spec, {"head": "ridge", "inner_lr": rate}) for rate in (0.1, 0.9)]
    used = [candidate_config(spec, {"head": "descent", "inner_lr": rate}) for rate in (0.1, 0.9)]

    assert idle[0] == idle[1] == candidate_config(spec, {"head": "ridge"})
    assert used[0] != used[1]
    with pytest.raises(UserError, match="the parameters of column_kernel must be inner_lr, head"):
        candidate_config(spec, {"head": "descent"})
