"""One parameter of a search space, in raw values and as a position between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic import model_validator as _model_validator

from autometa.priors._ranks import Floats

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Choice: TypeAlias = (
    StrictBool
    | StrictInt
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | Annotated[StrictStr, Field(max_length=500)]
    | None
)
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False, strict=True)]

_MOST_CHOICES = 1000
_FAR = 1.0
"""How far outside the range, in widths of the range, positions still differ."""


class Parameter(BaseModel):
    """What a study says about a parameter.

    Attributes:
        name: its name, in the study or after translation by aliases.
        kind: ``float``, ``int`` or ``categorical``.
        low: smallest value; None for categorical ones.
        high: largest value.
        log: whether positions are those of the logarithm.
        step: distance of neighbouring values; None where every value is possible.
        choices: values of a categorical parameter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    kind: Literal["float", "int", "categorical"]
    low: Finite | None = None
    high: Finite | None = None
    log: bool = False
    step: Annotated[Finite, Field(gt=0)] | None = None
    choices: Annotated[tuple[Choice, ...], Field(min_length=1, max_length=_MOST_CHOICES)] | None = (
        None
    )

    @_model_validator(mode="after")
    def _is_whole(self) -> Parameter:
        if self.kind == "categorical":
            if self.choices is None or self.low is not None or self.high is not None:
                raise ValueError("a categorical parameter has choices and no range")
        elif self.low is None or self.high is None or self.choices is not None:
            raise ValueError("a numeric parameter has low and high and no choices")
        elif self.low > self.high or (self.log and self.low <= 0):
            raise ValueError("low must not be above high, and must be positive with log")
        return self

    @classmethod
    def of(cls, name: str, distribution: BaseDistribution) -> Parameter:
        """Returns the description of one of Optuna's distributions.

        Raises:
            TypeError: it is of a kind that Optuna 5 does not have.
        """
        if isinstance(distribution, CategoricalDistribution):
            return cls(name=name, kind="categorical", choices=tuple(distribution.choices))
        if not isinstance(distribution, FloatDistribution | IntDistribution):
            raise TypeError(f"{name} has the unknown distribution {type(distribution).__name__}")
        is_int = isinstance(distribution, IntDistribution)
        return cls(
            name=name,
            kind="int" if is_int else "float",
            low=float(distribution.low),
            high=float(distribution.high),
            log=distribution.log,
            step=None if distribution.log and is_int else distribution.step,
        )

    @property
    def is_numeric(self) -> bool:
        """Whether positions have an order."""
        return self.kind != "categorical"

    def position(self, value: Any) -> float:
        """Returns where a value lies: 0 at low and 1 at high, or the index of a choice.

        Positions outside the range are cut off one width away from it. NaN stands for a value
        that the parameter cannot have: an unknown choice, or no number.
        """
        if not self.is_numeric:
            return _index(self.choices or (), value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return math.nan
        return float(self.positions(np.array([float(value)]))[0])

    def positions(self, numbers: Floats) -> Floats:
        """Returns where numbers lie, shape (m,), for a numeric parameter; see ``position``."""
        assert self.low is not None
        assert self.high is not None
        low, high, at = self.low, self.high, numbers
        if self.log:
            low, high = math.log(low), math.log(high)
            at = np.log(np.maximum(numbers, 1e-300))
        width = high - low
        if width <= 0:
            return np.asarray(np.clip(at - low, -_FAR, _FAR), dtype=np.float64)
        return np.asarray(np.clip((at - low) / width, -_FAR, 1 + _FAR), dtype=np.float64)

    def value(self, position: float) -> Any:
        """Returns the value at a position, moved to the nearest one that the parameter can have."""
        if not self.is_numeric:
            assert self.choices is not None
            return self.choices[int(position)]
        number = float(self._nearest(np.array([position]))[0])
        return round(number) if self.kind == "int" else number

    def _nearest(self, positions: Floats) -> Floats:
        """Returns the possible numbers nearest to positions, shape (m,); NaN stays."""
        assert self.low is not None
        assert self.high is not None
        share = np.clip(positions, 0.0, 1.0)
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            numbers = np.exp(low + share * (high - low))
        else:
            numbers = self.low + share * (self.high - self.low)
        if self.step is not None:
            most = math.floor((self.high - self.low) / self.step + 1e-9)
            steps = np.minimum(np.round((numbers - self.low) / self.step), most)
            numbers = self.low + steps * self.step
        elif self.kind == "int":
            numbers = np.round(numbers)
        return np.asarray(np.clip(numbers, self.low, self.high), dtype=np.float64)

    def raw(self, positions: Floats) -> Floats:
        """Returns the numbers at positions, shape (m,), outside the range too and not rounded."""
        assert self.low is not None
        assert self.high is not None
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** positions, dtype=np.float64)
        return np.asarray(self.low + positions * (self.high - self.low), dtype=np.float64)

    def snapped(self, positions: Floats) -> Floats:
        """Returns the positions of the nearest possible values, shape (m,); NaN stays."""
        if not self.is_numeric or (self.step is None and self.kind == "float"):
            return positions
        return self.positions(self._nearest(positions))

    def contains(self, value: Any) -> bool:
        """Returns whether a value lies within the range or among the choices."""
        if not self.is_numeric:
            return not math.isnan(self.position(value))
        assert self.low is not None
        assert self.high is not None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def drawn(self, generator: np.random.Generator, count: int) -> Floats:
        """Returns random positions, shape (count,), each value as likely as under Optuna."""
        if self.is_numeric:
            return generator.random(count)
        return generator.integers(len(self.choices or ()), size=count).astype(np.float64)


def _index(choices: Sequence[Any], value: Any) -> float:
    for index, choice in enumerate(choices):
        # True equals 1 in Python, and is another choice.
        if isinstance(choice, bool) == isinstance(value, bool) and choice == value:
            return float(index)
    return math.nan


def joined(parameters: Sequence[Parameter]) -> Parameter:
    """Returns one description of a parameter that a study had with different ranges or choices.

    Args:
        parameters: descriptions of one name, the latest last; its kind is kept.
    """
    last = parameters[-1]
    alike = [parameter for parameter in parameters if parameter.is_numeric == last.is_numeric]
    if not last.is_numeric:
        choices = list(
            {
                (type(choice), choice): choice for item in alike for choice in item.choices or ()
            }.values()
        )[:_MOST_CHOICES]
        return last.model_copy(update={"choices": tuple(choices)})
    return Parameter(
        name=last.name,
        kind="float" if any(item.kind == "float" for item in alike) else "int",
        low=min(item.low for item in alike if item.low is not None),
        high=max(item.high for item in alike if item.high is not None),
        log=last.log and all((item.low or 0) > 0 for item in alike),
        step=last.step if len(set(alike)) == 1 else None,
    )
