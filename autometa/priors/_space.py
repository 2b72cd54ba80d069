"""The space that proposals are for, and configurations in it as arrays of positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from autometa.priors._parameter import Parameter, joined
from autometa.priors._ranks import Floats
from autometa.priors._source import Source
from autometa.priors._surrogate import INACTIVE


@dataclass(frozen=True)
class Space:
    """Parameters in a fixed order; D of them.

    Attributes:
        parameters: what may be proposed; one with a single value says what is fixed.
    """

    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, distributions: Mapping[str, BaseDistribution]) -> Space:
        """Returns the space of Optuna's distributions."""
        return cls(tuple(Parameter.of(name, item) for name, item in distributions.items()))

    @classmethod
    def of_sources(cls, sources: Iterable[Source]) -> Space:
        """Returns everything that past studies searched, each parameter over all their ranges."""
        found: dict[str, list[Parameter]] = {}
        for source in sources:
            for parameter in source.parameters:
                found.setdefault(parameter.name, []).append(parameter)
        return cls(tuple(joined(parameters) for parameters in found.values()))

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each parameter by name."""
        return {parameter.name: place for place, parameter in enumerate(self.parameters)}

    def positions(self, configs: Sequence[Mapping[str, Any]]) -> Floats:
        """Returns positions, shape (m, D); NaN for what a configuration lacks or cannot have.

        A parameter with a single value counts as part of every configuration.
        """
        rows = np.full((len(configs), len(self.parameters)), INACTIVE)
        for place, parameter in enumerate(self.parameters):
            single = _single(parameter)
            for row, config in zip(rows, configs, strict=True):
                if parameter.name in config:
                    row[place] = parameter.position(config[parameter.name])
                elif single:
                    row[place] = 0.0
        return rows

    def config(self, row: Floats) -> dict[str, Any]:
        """Returns a configuration in raw values, each inside its range; what is NaN is left out."""
        return {
            parameter.name: parameter.value(float(at))
            for parameter, at in zip(self.parameters, row, strict=True)
            if not np.isnan(at)
        }

    def snapped(self, rows: Floats) -> Floats:
        """Returns the positions of the nearest configurations that are possible, shape (m, D)."""
        columns = [
            parameter.snapped(column)
            for parameter, column in zip(self.parameters, rows.T, strict=True)
        ]
        return np.stack(columns, axis=1)


def _single(parameter: Parameter) -> bool:
    if parameter.choices is not None:
        return len(parameter.choices) == 1
    return parameter.low == parameter.high
