"""The ranges and lists that a meta-parameter is searched in, checked against its learner's field.

The kind follows from the field: a range of floats or of whole numbers for a number, a list of
choices for anything. Both ends and every choice must be values that the learner accepts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Field, ValidationError, model_validator

from autometa.config._learner import (
    field_choices,
    learner_config_class,
    learner_fields,
)
from autometa.config._parts import Number, Part, Whole, unique
from autometa.config._rules import NOTHING, Rule, lifted, unknown_key


class FloatRange(Part):
    """All floats from ``low`` to ``high``, both included.

    >>> FloatRange(low=0.01, high=1.0, log=True).clip(3.0)
    1.0
    """

    low: Number = Field(description="lower end, included")
    high: Number = Field(description="upper end, included")
    log: bool = Field(False, strict=True, description="sample evenly in the logarithm")

    @model_validator(mode="after")
    def _is_a_range(self) -> FloatRange:
        _check_ends(self.low, self.high, log=self.log)
        return self

    def clip(self, value: float) -> float:
        """Returns the value of the range that is nearest to the given one."""
        return min(max(value, self.low), self.high)


class IntRange(Part):
    """The whole numbers ``low``, ``low + step``, ... ``high``.

    >>> IntRange(low=16, high=64, step=16).clip(30)
    32
    """

    low: Whole = Field(description="lower end, included")
    high: Whole = Field(description="upper end, included")
    log: bool = Field(False, strict=True, description="sample evenly in the logarithm")
    step: Whole = Field(1, ge=1, description="distance of neighbouring values")

    @model_validator(mode="after")
    def _is_a_range(self) -> IntRange:
        _check_ends(self.low, self.high, log=self.log)
        if self.log and self.step != 1:
            raise Rule("must be left out where log is true", keys=("step",), got=self.step)
        reachable = self.high - (self.high - self.low) % self.step
        if reachable != self.high:
            raise Rule(
                f"must be low plus a whole number of steps of {self.step}, such as "
                f"{max(reachable, self.low + self.step)}",
                keys=("high",),
                got=self.high,
            )
        return self

    def clip(self, value: int) -> int:
        """Returns the value of the range that is nearest to the given one."""
        steps = math.floor((min(max(value, self.low), self.high) - self.low) / self.step + 0.5)
        return self.low + steps * self.step


class Choices(Part):
    """A list of values, without an order.

    >>> Choices(choices=[16, 32, 64]).clip(50)
    64
    """

    choices: Annotated[tuple[Any, ...], Field(min_length=1, max_length=1000)] = Field(
        description="the values"
    )

    def clip(self, value: Any) -> Any:
        """Returns the value if it is listed, else the nearest number, else the first choice."""
        if value in self.choices:
            return value
        if isinstance(value, int | float):
            return min(self.choices, key=lambda choice: abs(choice - value))
        return self.choices[0]


Dimension: TypeAlias = FloatRange | IntRange | Choices


def parse_dimension(learner: str, field: str, raw: Any) -> Dimension:
    """Returns the checked dimension of one meta-parameter.

    Args:
        learner: name of the learner.
        field: the meta-parameter.
        raw: what the study file says, as a mapping, or a dimension.

    Raises:
        Rule: the learner has no such field, or the dimension is not one of it.
    """
    if field not in learner_fields(learner):
        known = unknown_key(field, learner_fields(learner), f"meta-parameter of {learner}")
        raise Rule(known, got=NOTHING)
    if isinstance(raw, Part):
        raw = raw.model_dump()
    kind = _kind(learner, field)
    if not isinstance(raw, Mapping):
        advice = (
            "{choices: [...]}" if kind is Choices else "{low: ..., high: ...} or {choices: [...]}"
        )
        raise Rule(f"must be a dimension, {advice}; a fixed value stands under learner", got=raw)
    if "choices" not in raw and kind is Choices:
        listed = ", ".join(field_choices(learner, field))
        raise Rule(f"must list its values as {{choices: [...]}}, of {listed}", got=dict(raw))
    try:
        dimension = (Choices if "choices" in raw else kind).model_validate(dict(raw))
    except ValidationError as error:
        raise lifted(error) from None
    return _accepted_by_learner(learner, field, dimension)


def accepted_value(learner: str, field: str, value: Any) -> Any:
    """Returns a value as the learner's configuration holds it.

    Raises:
        Rule: the learner does not accept it.
    """
    config_class = learner_config_class(learner)
    try:
        config = config_class.model_validate({"name": learner, field: value})
    except ValidationError as error:
        rule = lifted(error)
        raise Rule(f"{rule.rule} for {learner}", keys=rule.keys[1:], got=rule.got) from None
    return getattr(config, field)


def _kind(learner: str, field: str) -> type[FloatRange] | type[IntRange] | type[Choices]:
    if field_choices(learner, field):
        return Choices
    annotation = learner_config_class(learner).model_fields[field].annotation
    return IntRange if annotation is int else FloatRange


def _accepted_by_learner(learner: str, field: str, dimension: Dimension) -> Dimension:
    if not isinstance(dimension, Choices):
        for end in ("low", "high"):
            try:
                accepted_value(learner, field, getattr(dimension, end))
            except Rule as rule:
                raise rule.below(end) from None
        return dimension
    values = []
    for index, choice in enumerate(dimension.choices):
        try:
            values.append(accepted_value(learner, field, choice))
        except Rule as rule:
            raise rule.below("choices", index) from None
    try:
        # Only now, because 16 and 16.0 are one width.
        return Choices(choices=tuple(unique(values)))
    except Rule as rule:
        raise rule.below("choices") from None


def _check_ends(low: float, high: float, *, log: bool) -> None:
    if low >= high:
        raise Rule(f"must be less than high ({high:g})", keys=("low",), got=low)
    if log and low <= 0:
        raise Rule("must be greater than 0 where log is true", keys=("low",), got=low)
