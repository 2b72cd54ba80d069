"""Between the parameters of a trial and the learner's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from autometa.config._effects import is_idle
from autometa.config._learner import LearnerConfig, learner_config_class
from autometa.config._rules import shown, user_error
from autometa.config._spec import StudySpec
from autometa.errors import UserError

LEARNER_PARAMETER = "learner"
"""The parameter that chooses the learner in a conditional space."""


def learner_config(spec: StudySpec, params: Mapping[str, Any]) -> LearnerConfig:
    """Returns the learner's complete configuration: fixed values, a trial's, and defaults.

    Args:
        spec: the study.
        params: parameter name -> value as in ``trial.params``; all searched parameters of the
            learner and no others. Those that do nothing beside the others may be missing, and
            their values make no difference.

    Raises:
        UserError: a parameter is missing or unknown, or has a value that the learner refuses.

    >>> tables = {"train": [{"source": "openml", "suite": 99}], "split": {"validation": 0.2}}
    >>> space, fixed = {"depth": {"low": 1, "high": 4}}, {"name": "maml", "width": 32}
    >>> spec = StudySpec(name="mine", tables=tables, learner=fixed, space=space)
    >>> config = learner_config(spec, {"depth": 3})
    >>> config.name, config.depth, config.width, config.inner_steps
    ('maml', 3, 32, 5)
    """
    space = spec.space
    learner = next(iter(space.branches))
    wanted = {}
    if space.is_conditional:
        chosen = params.get(LEARNER_PARAMETER)
        if not isinstance(chosen, str) or chosen not in space.branches:
            raise UserError(
                f"the parameter {LEARNER_PARAMETER} must be one of {', '.join(space.branches)}; "
                f"got {shown(chosen)}"
            )
        learner = chosen
        wanted[LEARNER_PARAMETER] = "name"
    for field in space.branches[learner]:
        wanted[space.parameter_name(learner, field)] = field
    given = {field: params[name] for name, field in wanted.items() if name in params}
    beside = {**spec.learner, **given}
    idle = {name for name, field in wanted.items() if is_idle(learner, field, beside)}
    if not set(wanted) - idle <= set(params) <= set(wanted):
        raise UserError(
            f"the parameters of {learner} must be {', '.join(wanted)}; got "
            f"{', '.join(map(str, params)) or 'none'}"
        )
    values = {field: params[name] for name, field in wanted.items() if name not in idle}
    try:
        return learner_config_class(learner).model_validate(
            {**spec.learner, "name": learner, **values}
        )
    except ValidationError as error:
        raise user_error(error) from None


def default_params(spec: StudySpec) -> list[dict[str, Any]]:
    """Returns the defaults of each learner as trial parameters, moved into the space.

    A study tries them first, so that it never ends below its own starting point.

    Args:
        spec: the study.

    Returns:
        One dictionary per learner of the space, in the order of the study file.

    >>> tables = {"train": [{"source": "openml", "suite": 99}], "split": {"validation": 0.2}}
    >>> space = {"depth": {"low": 1, "high": 4}, "width": {"choices": [16, 32]}}
    >>> spec = StudySpec(name="mine", tables=tables, learner={"name": "maml"}, space=space)
    >>> default_params(spec)
    [{'depth': 2, 'width': 32}]
    """
    space = spec.space
    proposals: list[dict[str, Any]] = []
    for learner, dimensions in space.branches.items():
        defaults = learner_config_class(learner)()
        params: dict[str, Any] = {LEARNER_PARAMETER: learner} if space.is_conditional else {}
        values = {
            field: dimension.clip(getattr(defaults, field))
            for field, dimension in dimensions.items()
        }
        params |= {
            space.parameter_name(learner, field): value
            for field, value in values.items()
            if not is_idle(learner, field, {**spec.learner, **values})
        }
        proposals.append(params)
    return proposals
