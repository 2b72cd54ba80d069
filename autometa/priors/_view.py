"""All past studies of a prior, seen from one target space. S of them say something about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from autometa.priors._candidates import is_conditional
from autometa.priors._ranks import Floats, correlation
from autometa.priors._source import Source
from autometa.priors._space import Space
from autometa.priors._translation import Translation

_SEEDS = 5
"""Best configurations of each source that proposals start from."""

_USUAL_AGREEMENT = 0.3
_USUAL_WEIGHT = 3.0
"""What is taken for the agreement of a source and the target, as if seen on three others."""

_COMPARED = 64
"""Trials of a source that another one's predictions are compared with."""

_MOST_PAIRS = 600
"""Pairs of sources that are compared: beyond 24 sources each is compared with some of them."""


class View:
    """Past studies as they bear on a target.

    Args:
        sources: the past studies.
        space: the target's.
        aliases: names in the space -> names in the sources, where they differ.
        meta_features: numbers that describe the target's task.

    Attributes:
        translations: one for each of the S sources that share a searched parameter.
        left_out: one line for each of the others.
        portfolios: by size, what ``portfolio`` has found.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        space: Space,
        *,
        aliases: Mapping[str, str] | None = None,
        meta_features: Mapping[str, float] | None = None,
    ) -> None:
        self.space = space
        self.portfolios: dict[int, list[dict[str, Any]]] = {}
        self._meta_features = dict(meta_features or {})
        seen = [Translation(source, space, dict(aliases or {})) for source in sources]
        self.translations = [item for item in seen if _says_something(item)]
        self.left_out = [
            f"{item.source.name}: shares no searched parameter"
            for item in seen
            if not _says_something(item)
        ]

    @property
    def names(self) -> list[str]:
        """Names of the S sources."""
        return [item.source.name for item in self.translations]

    def predict(self, rows: Floats) -> Floats:
        """Returns predicted Gaussian ranks, shape (S, m), of positions, shape (m, D)."""
        if not self.translations:
            return np.zeros((0, len(rows)))
        return np.stack([item.predict(rows) for item in self.translations])

    @cached_property
    def seeds(self) -> Floats:
        """The best configurations of each source, shape (k, D); what is out of range is redrawn."""
        generator = np.random.default_rng(0)
        found = [np.zeros((0, len(self.space.parameters)))]
        for item in self.translations:
            surrogate = item.source.surrogate
            # By prediction, because the luckiest of noisy scores is seldom the best.
            best = np.argsort(surrogate.predict(surrogate.points), kind="stable")[:_SEEDS]
            configs = item.source.configs()
            rows = np.full((len(best), len(self.space.parameters)), np.nan)
            for known, place in item.pairs.items():
                old, new = item.source.parameters[known], self.space.parameters[place]
                for row, chosen in zip(rows, best, strict=True):
                    if old.name in configs[chosen]:
                        value = configs[chosen][old.name]
                        row[place] = (
                            new.position(value)
                            if new.contains(value)
                            else new.drawn(generator, 1)[0]
                        )
            found.append(rows)
        return np.concatenate(found)

    @cached_property
    def is_conditional(self) -> bool:
        """Whether a source has trials of different parameters."""
        return any(is_conditional(item.source.surrogate.points) for item in self.translations)

    @cached_property
    def initial_trust(self) -> Floats:
        """Rank correlation with the target that is expected of each source, shape (S,).

        It is how well the source ranks the trials of the other sources, those of tasks like the
        target's counting more, drawn towards what is usual. A source that foretells nothing of
        studies like the target's starts without trust.
        """
        similarity, agreement = self._similarity, self._agreement
        known = ~np.isnan(agreement)
        shares = known * similarity[None, :]
        told = (np.nan_to_num(agreement) * shares).sum(axis=1)
        usual = _USUAL_AGREEMENT * similarity
        return np.asarray(
            (_USUAL_WEIGHT * usual + told) / (_USUAL_WEIGHT + shares.sum(axis=1)), np.float64
        )

    @cached_property
    def _agreement(self) -> Floats:
        """How well source s ranks the trials of source t, shape (S, S); NaN where not looked at."""
        count = len(self.translations)
        found = np.full((count, count), np.nan)
        stride = -(-count * count // _MOST_PAIRS)
        for first in range(count):
            for second in range(count):
                if first == second or (first + second) % stride:
                    continue
                one = self.translations[first].source
                two = self.translations[second].source
                every = -(-len(two.configurations) // _COMPARED)
                # The other source takes the target's place.
                as_target = Translation(one, Space(two.parameters))
                if not as_target.pairs:
                    continue
                predicted = as_target.predict(two.surrogate.points[::every])
                found[first, second] = correlation(predicted, np.array(two.scores)[::every])
        return found

    @cached_property
    def _similarity(self) -> Floats:
        """Similarity of each source's task to the target's, shape (S,): 1 alike or unknown."""
        sources = [item.source for item in self.translations]
        result = np.ones(len(sources))
        distance, counts = np.zeros(len(sources)), np.zeros(len(sources))
        for name, wanted in self._meta_features.items():
            values = np.array([source.meta_features.get(name, np.nan) for source in sources])
            known = ~np.isnan(values)
            if not known.any():
                continue
            spread = float(np.std([*values[known], wanted])) or 1.0
            distance[known] += ((values[known] - wanted) / spread) ** 2
            counts[known] += 1
        told = counts > 0
        result[told] = np.exp(-0.5 * distance[told] / counts[told])
        return result


def _says_something(item: Translation) -> bool:
    return any(_is_searched(item.source, known) for known in item.pairs)


def _is_searched(source: Source, place: int) -> bool:
    parameter = source.parameters[place]
    if parameter.choices is not None:
        return len(parameter.choices) > 1
    return parameter.low != parameter.high
