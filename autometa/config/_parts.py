"""What every section of a study file is made of: the base model and the kinds of values."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from autometa.config._rules import NOTHING, Rule, unknown_key


class Part(BaseModel):
    """A frozen section that refuses unknown keys and proposes the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _knows_every_key(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for key in data:
                if key not in cls.model_fields:
                    raise Rule(unknown_key(key, cls.model_fields), keys=(str(key),), got=NOTHING)
            return dict(data)
        return data


def _plain_whole(value: Any) -> Any:
    # Pydantic alone would take true for 1 and '5' for 5; a wrong kind is a mistake of the file.
    is_whole = isinstance(value, numbers.Integral) or (
        isinstance(value, float) and value.is_integer()
    )
    if isinstance(value, bool) or not is_whole:
        raise Rule("must be a whole number")
    return int(value)


def _plain_number(value: Any) -> Any:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:  # a whole number of several hundred digits
        number = math.inf
    if not math.isfinite(number):
        raise Rule("must be a finite number")
    return number


Whole: TypeAlias = Annotated[int, BeforeValidator(_plain_whole)]
"""A whole number; ``2e3`` is one, ``true`` and ``'5'`` are not."""

Number: TypeAlias = Annotated[float, BeforeValidator(_plain_number)]
"""A finite number; ``true`` and ``'0.5'`` are none."""

Seed: TypeAlias = Annotated[Whole, Field(ge=0, lt=2**32)]
"""A seed that both NumPy's generators and Optuna's samplers accept."""


def unique(values: Sequence[Any]) -> Sequence[Any]:
    """Returns the values.

    Raises:
        Rule: two of them are equal.
    """
    if len(set(values)) < len(values):
        raise Rule("must name each value once", got=list(values))
    return values


def increasing(values: Sequence[int]) -> Sequence[int]:
    """Returns the values.

    Raises:
        Rule: one of them is not greater than the one before it.
    """
    if any(after <= before for before, after in itertools.pairwise(values)):
        raise Rule("must be strictly increasing", got=list(values))
    return values
