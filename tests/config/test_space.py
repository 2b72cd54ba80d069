from __future__ import annotations

import copy
from typing import Any

import pytest

from autometa.config import (
    LEARNERS,
    Choices,
    ColumnKernelConfig,
    FloatRange,
    IntRange,
    MamlConfig,
    default_params,
    field_choices,
    is_idle,
    learner_config,
    learner_config_class,
    learner_fields,
    spec_from_dict,
)
from autometa.errors import UserError


def test_the_kind_follows_the_field(study: dict[str, Any]) -> None:
    """A rate is searched in floats, steps in whole numbers, and lists in choices."""
    study["space"]["inner_lr"] = {"low": 1, "high": 10}
    study["space"]["adapt"] = {"choices": ["head"]}

    branch = spec_from_dict(study).space.branches["column_kernel"]

    assert branch == {
        "inner_lr": FloatRange(low=1.0, high=10.0, log=False),
        "inner_steps": IntRange(low=1, high=30, log=False, step=1),
        "width": Choices(choices=(16, 32, 64, 128)),
        "depth": IntRange(low=1, high=4, log=False, step=1),
        "adapt": Choices(choices=("head",)),
    }
    assert isinstance(branch["inner_lr"], FloatRange)
    assert type(branch["inner_lr"].low) is float


def test_choices_take_the_kind_of_the_field(study: dict[str, Any]) -> None:
    """Whole floats listed for a whole number are that number, so that Optuna keeps one kind."""
    study["space"] = {"width": {"choices": [16.0, 32]}, "inner_lr": {"choices": [1, 0.5]}}

    branch = spec_from_dict(study).space.branches["column_kernel"]

    assert repr(branch["width"]) == "Choices(choices=(16, 32))"
    assert repr(branch["inner_lr"]) == "Choices(choices=(1.0, 0.5))"


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({}, "space must name a meta-parameter, because a study must search at least one"),
        (None, "space must be a section of meta-parameters, .*; got null"),
        ([], "space must be a section of meta-parameters"),
        (
            {"inner_rl": {"low": 1, "high": 2}},
            r"space.inner_rl is not a meta-parameter of column_kernel; accepted: inner_lr, inner_s"
            r".*, head_steps \(did you mean inner_lr\?\)$",
        ),
        ({"name": {"choices": ["maml"]}}, "space.name is not a meta-parameter of column_kernel"),
        ({"depth": 3}, "space.depth must be a dimension, .*; a fixed value stands under learner"),
        ({"depth": [1, 2]}, "space.depth must be a dimension"),
        ({"adapt": "head"}, r"space.adapt must be a dimension, {choices: \[...\]}; a fixed"),
        ({"depth": {}}, "^space.depth.low is required"),
        ({"depth": {"low": 1}}, "^space.depth.high is required"),
        ({"depth": {"low": 1, "high": 4, "hihg": 3}}, "space.depth.hihg is not a key .*high"),
        ({"depth": {"low": 1, "choices": [1]}}, "space.depth.low is not a key .*: choices$"),
        ({"depth": {"low": 1.5, "high": 4}}, "space.depth.low must be a whole number; got 1.5"),
        ({"depth": {"low": "1", "high": 4}}, "space.depth.low must be a whole number; got '1'"),
        ({"depth": {"low": 4, "high": 4}}, r"space.depth.low must be less than high \(4\); got 4"),
        ({"depth": {"low": 5, "high": 4}}, r"space.depth.low must be less than high \(4\); got 5"),
        ({"depth": {"low": 0, "high": 4}}, "depth.low must be at least 1 for column_kernel; got 0"),
        ({"depth": {"low": 1, "high": 9}}, "depth.high must be at most 8 for column_kernel; got 9"),
        (
            {"depth": {"low": 1, "high": 4, "log": 1}},
            "depth.log must be true or false; got 1",
        ),
        (
            {"inner_steps": {"low": 0, "high": 4, "log": True}},
            "inner_steps.low must be greater than 0 where log is true; got 0",
        ),
        (
            {"inner_lr": {"low": 0, "high": 4, "log": True}},
            "inner_lr.low must be greater than 0 where log is true; got 0.0",
        ),
        (
            {"inner_lr": {"low": 0, "high": 4}},
            "space.inner_lr.low must be greater than 0 for column_kernel; got 0.0",
        ),
        ({"inner_lr": {"low": 1, "high": float("inf")}}, "inner_lr.high must be a finite number"),
        ({"inner_lr": {"low": 1, "high": 2, "step": 0.1}}, "inner_lr.step is not a key"),
        (
            {"width": {"low": 16, "high": 100, "step": 16}},
            "width.high must be low plus a whole number of steps of 16, such as 96; got 100",
        ),
        ({"width": {"low": 1, "high": 4, "step": 8}}, "width.high must be .*, such as 9; got 4"),
        ({"width": {"low": 1, "high": 9, "step": 0}}, "space.width.step must be at least 1; got 0"),
        (
            {"width": {"low": 1, "high": 9, "step": 2, "log": True}},
            "space.width.step must be left out where log is true; got 2",
        ),
        ({"width": {"choices": []}}, "space.width.choices must list at least 1 value"),
        ({"width": {"choices": 16}}, "space.width.choices must be a list; got 16"),
        ({"width": {"choices": [16, 32, 16]}}, "width.choices must name each value once"),
        ({"width": {"choices": [16, 16.0]}}, "width.choices must name each value once"),
        ({"width": {"choices": [16, 5000]}}, "width.choices.1 must be at most 1024 .*; got 5000"),
        ({"width": {"choices": [True]}}, "width.choices.0 must be a whole number .*; got true"),
        ({"width": {"choices": [[1]]}}, r"width.choices.0 must be a whole number .*; got \[1\]"),
        ({"adapt": {"choices": ["heads"]}}, "adapt.choices.0 must be head or head.scales for col"),
        (
            {"adapt": {"low": 1, "high": 2}},
            r"space.adapt must list its values as {choices: \[...\]}, of head, head\+scales",
        ),
    ],
)
def test_a_wrong_space_is_refused(study: dict[str, Any], space: Any, sentence: str) -> None:
    """A dimension that its learner does not accept is refused with the key's path."""
    study["space"] = space

    with pytest.raises(UserError, match=sentence):
        spec_from_dict(study)


@pytest.mark.parametrize(
    ("learner", "sentence"),
    [
        ({}, "learner.name is required: one of maml, .* or list several under space.learner.ch"),
        ("maml", "learner must be a section such as {name: column_kernel}; got 'maml'"),
        ({"name": "mamal"}, "learner.name must be one of maml, fomaml, .*; got 'mamal'"),
        ({"name": None}, "learner.name must be one of maml, .*; got null"),
        ({"name": ["maml"]}, "learner.name must be one of maml"),
        (
            {"name": "column_kernel", "widht": 3},
            r"learner.widht is not a meta-parameter of column_kernel; .*did you mean width",
        ),
        ({"name": "column_kernel", "inputs": "padded"}, "learner.inputs is not a meta-parameter"),
        (
            {"name": "column_kernel", "head_lr": 0},
            "learner.head_lr must be greater than 0 for column_kernel; got 0",
        ),
        (
            {"name": "column_kernel", "width": 32},
            "space.width is fixed by learner.width as well: remove one of the two",
        ),
    ],
)
def test_wrong_fixed_values_are_refused(study: dict[str, Any], learner: Any, sentence: str) -> None:
    """A fixed value must be one that the learner accepts and the space does not search."""
    study["learner"] = learner

    with pytest.raises(UserError, match=sentence):
        spec_from_dict(study)


def test_fixed_values_take_the_kind_of_the_field(study: dict[str, Any]) -> None:
    """A fixed whole float of a whole field is that number."""
    study["learner"] |= {"head_steps": 4.0, "head_lr": 1}

    learner = spec_from_dict(study).learner

    assert (
        repr(learner)
        == "{'name': 'column_kernel', 'head': 'descent', 'head_steps': 4, 'head_lr': 1.0}"
    )


def test_a_conditional_space_has_a_branch_per_learner(conditional_study: dict[str, Any]) -> None:
    """Each learner has its own meta-parameters, named after it."""
    space = spec_from_dict(conditional_study).space

    assert space.is_conditional
    assert list(space.branches) == ["maml", "column_kernel"]
    assert list(space.branches["column_kernel"]) == ["adapt", "depth"]
    assert space.parameter_name("maml", "inner_lr") == "maml.inner_lr"


def test_a_learner_without_searched_values_may_be_a_choice(
    conditional_study: dict[str, Any],
) -> None:
    """A branch may be empty where there is another: the learner itself is then searched."""
    conditional_study["space"]["learner"]["choices"]["maml"] = {}

    space = spec_from_dict(conditional_study).space

    assert space.branches["maml"] == {}


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"learner": None}, "space.learner must be {choices: .*; got null"),
        ({"learner": {"choices": {"maml": {}}, "x": 1}}, "space.learner must be {choices"),
        ({"learner": {"low": 1, "high": 2}}, "space.learner must be {choices"),
        ({"learner": {"choices": ["maml"]}}, "learner.choices must map each learner to its meta"),
        ({"learner": {"choices": {}}}, "learner.choices must map each learner .*; got an empty"),
        ({"learner": {"choices": {"maml": {}}}}, "space.learner.choices must name a meta-par"),
        (
            {"learner": {"choices": {"maml": None}}},
            "choices.maml must be a section of meta",
        ),
        ({"learner": {"choices": {"mmal": {}}}}, "space.learner.choices.mmal must be one of maml"),
        (
            {"learner": {"choices": {"maml": {"head_lr": {"low": 0.1, "high": 1.0}}}}},
            "space.learner.choices.maml.head_lr is not a meta-parameter of maml; accepted: inner",
        ),
        (
            {"learner": {"choices": {"maml": {"depth": {"low": 1, "high": 99}}}}},
            "space.learner.choices.maml.depth.high must be at most 8 for maml; got 99",
        ),
        (
            {"learner": {"choices": {"maml": {"inner_steps": {"low": 1, "high": 9}}}}},
            "space.learner.choices.maml.inner_steps is fixed by learner.inner_steps as well",
        ),
        (
            {"learner": {"choices": {"maml": {}}}, "depth": {"low": 1, "high": 2}},
            "space.depth must stand below its learner, as space.learner.choices.<learner>.depth",
        ),
    ],
)
def test_a_wrong_conditional_space_is_refused(
    conditional_study: dict[str, Any], space: Any, sentence: str
) -> None:
    """Errors below a learner carry the whole path."""
    conditional_study["space"] = space

    with pytest.raises(UserError, match=sentence):
        spec_from_dict(conditional_study)


@pytest.mark.parametrize(
    ("learner", "sentence"),
    [
        ({"name": "maml"}, "learner.name cannot stand beside space.learner, .*; got 'maml'"),
        ({"inputs": "padded"}, "^learner.inputs is not a meta-parameter of column_kernel"),
        ({"width": 0}, "^learner.width must be at least 1 for maml; got 0"),
    ],
)
def test_fixed_values_must_suit_every_listed_learner(
    conditional_study: dict[str, Any], learner: dict[str, Any], sentence: str
) -> None:
    """In a conditional space only what all learners accept can be fixed."""
    conditional_study["learner"] = learner

    with pytest.raises(UserError, match=sentence):
        spec_from_dict(conditional_study)


def test_parameters_complete_the_fixed_values(study: dict[str, Any]) -> None:
    """A trial's parameters, the fixed values and the defaults make one configuration."""
    study["learner"]["head_lr"] = 2.0

    config = learner_config(
        spec_from_dict(study), {"inner_lr": 0.5, "inner_steps": 2, "width": 16, "depth": 1}
    )

    assert config == ColumnKernelConfig(
        inner_lr=0.5, inner_steps=2, width=16, depth=1, head="descent", head_lr=2.0
    )


def test_parameters_of_a_conditional_space_choose_the_learner(
    conditional_study: dict[str, Any],
) -> None:
    """The parameter learner picks the branch."""
    spec = spec_from_dict(conditional_study)

    config = learner_config(spec, {"learner": "maml", "maml.inner_lr": 0.01})

    assert config == MamlConfig(inner_lr=0.01, inner_steps=4)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "the parameter learner must be one of maml, column_kernel; got null"),
        ({"learner": "anil"}, "must be one of maml, column_kernel; got 'anil'"),
        ({"learner": ["maml"]}, "must be one of maml"),
        ({"learner": "maml"}, "parameters of maml must be learner, maml.inner_lr; got learner$"),
        (
            {"learner": "maml", "maml.inner_lr": 0.1, "column_kernel.depth": 2},
            "the parameters of maml must be learner, maml.inner_lr; got .*column_kernel.depth",
        ),
        ({"learner": "maml", "maml.inner_lr": -1.0}, "inner_lr must be greater than 0; got -1.0"),
    ],
)
def test_wrong_parameters_are_refused(
    conditional_study: dict[str, Any], params: dict[str, Any], sentence: str
) -> None:
    """Parameters of another space, or none, are refused."""
    with pytest.raises(UserError, match=sentence):
        learner_config(spec_from_dict(conditional_study), params)


def test_defaults_are_moved_into_the_space(study: dict[str, Any]) -> None:
    """Defaults outside a range go to its end, between steps and choices to the nearest one."""
    study["space"] = {
        "inner_lr": {"low": 1, "high": 10},
        "inner_steps": {"low": 5, "high": 25, "step": 10},
        "width": {"low": 10, "high": 110, "step": 20},
        "depth": {"choices": [1, 8]},
        "head_steps": {"low": 1, "high": 4},
        "adapt": {"choices": ["head+scales"]},
    }

    (params,) = default_params(spec_from_dict(study))

    assert params == {
        "inner_lr": 1.0,
        "inner_steps": 5,
        "width": 50,
        "depth": 1,
        "head_steps": 4,
        "adapt": "head+scales",
    }


def test_each_learner_proposes_its_defaults(conditional_study: dict[str, Any]) -> None:
    """A conditional space gives one proposal per learner, each a valid configuration."""
    spec = spec_from_dict(conditional_study)

    proposals = default_params(spec)

    assert proposals == [
        {"learner": "maml", "maml.inner_lr": 0.05},
        {
            "learner": "column_kernel",
            "column_kernel.adapt": "head",
            "column_kernel.depth": 3,
        },
    ]
    assert [learner_config(spec, params).name for params in proposals] == ["maml", "column_kernel"]


@pytest.mark.parametrize("name", LEARNERS)
def test_every_meta_parameter_can_be_searched(study: dict[str, Any], name: str) -> None:
    """Each field of each learner has a dimension that contains its default, or is idle by it."""
    defaults = learner_config_class(name)()
    values = {field: getattr(defaults, field) for field in learner_fields(name)}
    study["learner"] = {"name": name}
    study["space"] = {
        field: {"choices": list(field_choices(name, field)) or [value]}
        for field, value in values.items()
    }

    assert default_params(spec_from_dict(study)) == [
        {field: value for field, value in values.items() if not is_idle(name, field, values)}
    ]


def test_an_unknown_learner_is_refused() -> None:
    """A learner's class is found by one of the listed names only."""
    with pytest.raises(UserError, match=r"learner must be one of maml, .*; got 'forest'"):
        learner_config_class("forest")


def test_the_study_of_a_space_is_untouched(study: dict[str, Any]) -> None:
    """Validation changes nothing in what it is given."""
    before = copy.deepcopy(study)

    spec_from_dict(study)

    assert study == before


@pytest.mark.parametrize(
    ("fixed", "space", "field"),
    [
        ({}, {"inner_lr": {"low": 0.1, "high": 1.0}}, "inner_lr"),
        ({"adapt": "head"}, {"inner_steps": {"low": 1, "high": 5}}, "inner_steps"),
        ({"head": "descent"}, {"head_lr": {"low": 0.1, "high": 1.0}}, "head_lr"),
        ({"adapt": "head+scales"}, {"head_steps": {"low": 1, "high": 5}}, "head_steps"),
        ({}, {"inner_lr": {"low": 0.1, "high": 1.0}, "head": {"choices": ["ridge"]}}, "inner_lr"),
    ],
)
def test_searching_what_has_no_effect_is_refused(
    study: dict[str, Any], fixed: dict[str, Any], space: dict[str, Any], field: str
) -> None:
    """A kernel with a head in closed form has no inner loop whose rate could be searched."""
    study |= {"learner": {"name": "column_kernel", **fixed}, "space": space}

    with pytest.raises(UserError, match=rf"^space.{field} has no effect, .*adapt: head\+scales"):
        spec_from_dict(study)


@pytest.mark.parametrize(
    "space",
    [
        {"adapt": {"choices": ["head", "head+scales"]}},
        {"head": {"choices": ["ridge", "descent"]}},
    ],
)
def test_what_has_an_effect_beside_a_searched_value_is_searched(
    study: dict[str, Any], space: dict[str, Any]
) -> None:
    """One choice that uses a meta-parameter is enough."""
    study |= {
        "learner": {"name": "column_kernel"},
        "space": {"inner_lr": {"low": 0.1, "high": 1.0}, **space},
    }

    assert list(spec_from_dict(study).space.branches["column_kernel"]) == ["inner_lr", *space]


def test_defaults_propose_nothing_without_an_effect(study: dict[str, Any]) -> None:
    """A head in closed form has no inner rate to start from."""
    study |= {
        "learner": {"name": "column_kernel"},
        "space": {
            "inner_lr": {"low": 0.1, "high": 1.0},
            "head": {"choices": ["ridge", "descent"]},
        },
    }

    assert default_params(spec_from_dict(study)) == [{"head": "ridge"}]
