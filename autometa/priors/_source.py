"""A past study as a prior keeps it: parameters, configurations, and how well each one did."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from autometa.priors._parameter import Finite, Name, Parameter
from autometa.priors._surrogate import INACTIVE, UNKNOWN, Surrogate

MOST_KEPT = 200
"""Configurations of one study that are kept."""

MOST_PARAMETERS = 200

Positive = Annotated[Finite, Field(gt=0, le=1e6)]
Row = tuple[Finite | None, ...]


class Source(BaseModel):
    """A past study.

    Attributes:
        name: the study's name, for people.
        trials: finished trials that it had, those that are not kept included.
        parameters: what it searched, and what it held fixed as a range of one value.
        configurations: raw values in the order of the parameters; the index of a choice; None for
            what was not drawn.
        scores: Gaussian ranks among all ranked trials of the study; lower is better.
        reliability: 1 for complete trials, less for pruned ones.
        lengths: fitted scale of each parameter, in widths of its range.
        noise: fitted variance of the noise, in units of the signal's.
        meta_features: numbers that describe the study's task, to tell similar studies by.

    >>> import optuna
    >>> from autometa.priors import StudyPrior
    >>> past = optuna.create_study(study_name="past", sampler=optuna.samplers.RandomSampler(0))
    >>> past.optimize(lambda trial: trial.suggest_int("depth", 1, 4), n_trials=10)
    >>> source = StudyPrior.learn(past).sources[0]
    >>> source.name, source.trials, [parameter.name for parameter in source.parameters]
    ('past', 10, ['depth'])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    trials: Annotated[int, Field(ge=1)]
    parameters: Annotated[tuple[Parameter, ...], Field(min_length=1, max_length=MOST_PARAMETERS)]
    configurations: Annotated[tuple[Row, ...], Field(min_length=1, max_length=MOST_KEPT)]
    scores: tuple[Annotated[Finite, Field(ge=-10, le=10)], ...]
    reliability: tuple[Annotated[Finite, Field(gt=0.01, le=1)], ...]
    lengths: tuple[Positive, ...]
    noise: Positive
    meta_features: Annotated[dict[Name, Finite], Field(max_length=100)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Source:
        width, count = len(self.parameters), len(self.configurations)
        if len({parameter.name for parameter in self.parameters}) < width:
            raise ValueError("two parameters have one name")
        if any(len(row) != width for row in self.configurations) or len(self.lengths) != width:
            raise ValueError("a configuration must have a value for each parameter")
        if len(self.scores) != count or len(self.reliability) != count:
            raise ValueError("there must be a score for each configuration")
        for row in self.configurations:
            for parameter, stored in zip(self.parameters, row, strict=True):
                choices = parameter.choices
                if choices and stored is not None and stored not in range(len(choices)):
                    raise ValueError(f"{parameter.name} has no choice number {stored:g}")
        return self

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each parameter by name."""
        return {parameter.name: place for place, parameter in enumerate(self.parameters)}

    @cached_property
    def surrogate(self) -> Surrogate:
        """The study's prediction for any configuration."""
        return Surrogate(
            points=np.array(
                [
                    [_position(*pair) for pair in zip(self.parameters, row, strict=True)]
                    for row in self.configurations
                ]
            ),
            is_choice=np.array([not parameter.is_numeric for parameter in self.parameters]),
            scores=np.array(self.scores),
            noises=self.noise / np.array(self.reliability),
            lengths=np.array(self.lengths),
        )

    def configs(self) -> list[dict[str, Any]]:
        """Returns the configurations in raw values, without what was not drawn."""
        return [
            {
                parameter.name: _raw(parameter, stored)
                for parameter, stored in zip(self.parameters, row, strict=True)
                if stored is not None
            }
            for row in self.configurations
        ]


def _position(parameter: Parameter, stored: float | None) -> float:
    if stored is None:
        return INACTIVE
    if not parameter.is_numeric:
        return stored
    position = parameter.position(stored)
    return UNKNOWN if np.isnan(position) else position


def _raw(parameter: Parameter, stored: float) -> Any:
    if parameter.choices is not None:
        return parameter.choices[int(stored)]
    return round(stored) if parameter.kind == "int" else stored
