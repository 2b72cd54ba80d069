"""The search space: which meta-parameters of which learners a study searches.

Flat, for the one learner named under ``learner``::

    learner: {name: column_kernel}
    space:   {inner_lr: {low: 0.01, high: 10.0, log: true}, adapt: {choices: [head, head+scales]}}

Conditional, where the learner itself is searched and each has a branch of its own::

    space:
      learner:
        choices:
          maml:          {inner_lr: {low: 0.01, high: 1.0, log: true}}
          column_kernel: {depth: {low: 1, high: 4}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autometa.config._dimensions import Dimension, accepted_value, parse_dimension
from autometa.config._effects import check_effects
from autometa.config._learner import LEARNERS, learner_fields
from autometa.config._parts import Part
from autometa.config._rules import NOTHING, Rule, unknown_key

_NOTHING_SEARCHED = (
    "must name a meta-parameter, because a study must search at least one meta-parameter"
)


class SpaceSpec(Part):
    """A checked search space.

    Attributes:
        branches: learner -> meta-parameter -> dimension, in the order of the study file; a flat
            space has one branch.
        is_conditional: whether the learner is searched too.

    >>> space = parse_space({"depth": {"low": 1, "high": 4}}, {"name": "maml"})
    >>> space.branches["maml"]["depth"].high
    4
    >>> space.to_dict()
    {'depth': {'low': 1, 'high': 4, 'log': False, 'step': 1}}
    """

    branches: dict[str, dict[str, Dimension]]
    is_conditional: bool

    def parameter_name(self, learner: str, field: str) -> str:
        """Returns the name of a meta-parameter in the study: with its learner if conditional."""
        return f"{learner}.{field}" if self.is_conditional else field

    def to_dict(self) -> dict[str, Any]:
        """Returns the space as a study file has it, in plain values."""
        branches = {
            learner: {field: item.model_dump(mode="json") for field, item in fields.items()}
            for learner, fields in self.branches.items()
        }
        if self.is_conditional:
            return {"learner": {"choices": branches}}
        return next(iter(branches.values()), {})


def parse_fixed(raw: Any) -> dict[str, Any]:
    """Returns the fixed values of ``learner``, in plain kinds where the learner is named.

    Args:
        raw: what the study file says under ``learner``.

    Raises:
        Rule: the learner is unknown, or does not accept a value.
    """
    if not isinstance(raw, Mapping):
        raise Rule("must be a section such as {name: column_kernel}")
    if "name" not in raw:
        return dict(raw)
    name = _known_learner(raw["name"], keys=("name",))
    return {"name": name} | {
        field: _fixed_value(name, field, value) for field, value in raw.items() if field != "name"
    }


def parse_space(raw: Any, fixed: Mapping[str, Any]) -> SpaceSpec:
    """Returns the checked search space of a study.

    Args:
        raw: what the study file says under ``space``, or a space.
        fixed: the fixed values under ``learner``, already checked if they name a learner.

    Raises:
        Rule: a meta-parameter is unknown, fixed as well, or searched where its learner does not
            go; or nothing is searched.
    """
    if isinstance(raw, SpaceSpec):
        raw = raw.to_dict()
    if not isinstance(raw, Mapping):
        raise Rule("must be a section of meta-parameters, such as {depth: {low: 1, high: 4}}")
    if not raw:
        raise Rule(_NOTHING_SEARCHED)
    if "learner" in raw:
        return _conditional_space(raw, fixed)
    if "name" not in fixed:
        raise Rule(
            f"is required: one of {', '.join(LEARNERS)}, or list several under "
            "space.learner.choices",
            keys=("learner", "name"),
            got=NOTHING,
            is_rooted=True,
        )
    name = fixed["name"]
    return SpaceSpec(branches={name: _branch(name, raw, fixed)}, is_conditional=False)


def _conditional_space(raw: Mapping[str, Any], fixed: Mapping[str, Any]) -> SpaceSpec:
    if "name" in fixed:
        raise Rule(
            "cannot stand beside space.learner, which searches the learner: remove one of the two",
            keys=("learner", "name"),
            got=fixed["name"],
            is_rooted=True,
        )
    for key in raw:
        if key != "learner":
            place = f"space.learner.choices.<learner>.{key}"
            raise Rule(f"must stand below its learner, as {place}", keys=(key,), got=NOTHING)
    choices = raw["learner"]
    if not isinstance(choices, Mapping) or list(choices) != ["choices"]:
        advice = "must be {choices: {maml: {...}, column_kernel: {...}}}"
        raise Rule(advice, keys=("learner",), got=choices)
    branches = choices["choices"]
    path = ("learner", "choices")
    if not isinstance(branches, Mapping) or not branches:
        advice = "must map each learner to its meta-parameters, as in {maml: {...}}"
        raise Rule(advice, keys=path, got=branches)
    parsed = {}
    for name, fields in branches.items():
        learner = _known_learner(name, keys=(*path, str(name)))
        for field, value in fixed.items():
            try:
                _fixed_value(learner, field, value)
            except Rule as rule:
                keys = ("learner", *rule.keys)
                raise Rule(rule.rule, keys=keys, got=rule.got, is_rooted=True) from None
        if not isinstance(fields, Mapping):
            advice = "must be a section of meta-parameters, which may be empty: {}"
            raise Rule(advice, keys=(*path, learner), got=fields)
        try:
            parsed[learner] = _branch(learner, fields, fixed)
        except Rule as rule:
            raise rule.below(*path, learner) from None
    if len(parsed) == 1 and not any(parsed.values()):
        raise Rule(_NOTHING_SEARCHED, keys=path, got=dict(branches))
    return SpaceSpec(branches=parsed, is_conditional=True)


def _branch(learner: str, raw: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Dimension]:
    branch = {}
    for field, dimension in raw.items():
        if field in fixed and field != "name":
            advice = f"is fixed by learner.{field} as well: remove one of the two"
            raise Rule(advice, keys=(field,), got=dimension)
        try:
            branch[field] = parse_dimension(learner, field, dimension)
        except Rule as rule:
            raise rule.below(field) from None
    check_effects(learner, branch, fixed)
    return branch


def _fixed_value(learner: str, field: str, value: Any) -> Any:
    if field not in learner_fields(learner):
        known = unknown_key(field, learner_fields(learner), f"meta-parameter of {learner}")
        raise Rule(known, keys=(str(field),), got=NOTHING)
    try:
        return accepted_value(learner, field, value)
    except Rule as rule:
        raise rule.below(field) from None


def _known_learner(name: Any, *, keys: tuple[str, ...]) -> str:
    if not isinstance(name, str) or name not in LEARNERS:
        raise Rule(f"must be one of {', '.join(LEARNERS)}", keys=keys, got=name)
    return name
