"""From positions in the target space to positions in a source's: by name and by raw values.

What one of the two sides does not know becomes ``UNKNOWN``, over which the source's prediction is
averaged; that the source once knew more or other values is listed for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from autometa.priors._parameter import Parameter
from autometa.priors._ranks import Floats
from autometa.priors._source import Source
from autometa.priors._space import Space
from autometa.priors._surrogate import UNKNOWN


@dataclass(frozen=True)
class Translation:
    """How a source sees the configurations of a space.

    Attributes:
        source: the past study.
        space: the target's.
        aliases: names in the space -> names in the source, where they differ.
        shared: names in the space that the source knows too.
        dropped: one line for each thing that does not carry over.
    """

    source: Source
    space: Space
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pairs(self) -> dict[int, int]:
        """Place in the source -> place in the space, for what both know."""
        found: dict[int, int] = {}
        for place, parameter in enumerate(self.space.parameters):
            known = self.source.index.get(self._name_in_source(parameter.name))
            if known is not None and _comparable(parameter, self.source.parameters[known]):
                found[known] = place
        return found

    @property
    def shared(self) -> list[str]:
        """Names in the space that the source knows too."""
        return [self.space.parameters[place].name for place in sorted(self.pairs.values())]

    def positions(self, rows: Floats) -> Floats:
        """Returns the source's positions, shape (m, d), of the space's, shape (m, D)."""
        translated = np.full((len(rows), len(self.source.parameters)), UNKNOWN)
        for known, place in self.pairs.items():
            translated[:, known] = _translated(
                rows[:, place], self.space.parameters[place], self.source.parameters[known]
            )
        return translated

    def predict(self, rows: Floats) -> Floats:
        """Returns the source's predicted Gaussian ranks, shape (m,); lower is better."""
        return self.source.surrogate.predict(self.positions(rows))

    def dropped(self) -> list[str]:
        """Returns one line for each thing that the source knows and that does not carry over."""
        lines = []
        pairs = self.pairs
        for known, old in enumerate(self.source.parameters):
            if known not in pairs:
                lines.append(f"{old.name}: not in the space, averaged out")
                continue
            new = self.space.parameters[pairs[known]]
            stored = [config[old.name] for config in self.source.configs() if old.name in config]
            outside = sum(not new.contains(value) for value in stored)
            if outside:
                what = "choices" if new.choices is not None else "range"
                lines.append(
                    f"{old.name}: {outside} of {len(stored)} values outside the {what}, "
                    "never proposed"
                )
        return lines

    def _name_in_source(self, name: str) -> str:
        other = self.aliases.get(name)
        return name if other is None or other not in self.source.index else other


def _comparable(new: Parameter, old: Parameter) -> bool:
    """Returns whether a value of one may be one of the other."""
    if new.choices is not None and old.choices is not None:
        return any(old.contains(choice) for choice in new.choices)
    if new.choices is not None:
        return any(not np.isnan(old.position(choice)) for choice in new.choices)
    if old.choices is not None:
        return any(not np.isnan(new.position(choice)) for choice in old.choices)
    return True


def _translated(column: Floats, new: Parameter, old: Parameter) -> Floats:
    result = column.copy()
    drawn = ~np.isnan(column)
    if new.choices is not None:
        at = np.array([old.position(choice) for choice in new.choices])
        at[np.isnan(at)] = UNKNOWN
        result[drawn] = at[column[drawn].astype(int)]
    elif old.choices is not None:
        found = [old.position(new.value(float(position))) for position in column[drawn]]
        result[drawn] = np.where(np.isnan(found), UNKNOWN, found)
    elif (new.low, new.high, new.log) != (old.low, old.high, old.log):
        result[drawn] = old.positions(new.raw(column[drawn]))
    return result
