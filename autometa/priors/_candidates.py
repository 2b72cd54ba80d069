"""Configurations among which a proposal is chosen."""

from __future__ import annotations

import numpy as np

from autometa.priors._ranks import Floats
from autometa.priors._space import Space

_JITTER = 0.08
"""Standard deviation of a step beside a known configuration, in widths of the range."""
_SWITCHED = 0.15
"""Probability with which a step beside a known configuration takes another choice."""


def drawn(
    space: Space,
    templates: Floats,
    generator: np.random.Generator,
    *,
    count: int,
    keep_choices: bool,
) -> Floats:
    """Returns random configurations, shape (count, D), each of the parameters of a known one.

    Args:
        space: what they are for.
        templates: known configurations, shape (k, D), k may be 0.
        generator: source of randomness.
        count: how many.
        keep_choices: whether the choices are the known one's too, as in a conditional space, where
            they may decide what is drawn.
    """
    rows = np.stack([item.drawn(generator, count) for item in space.parameters], axis=1)
    if not len(templates):
        return rows
    chosen = templates[generator.integers(len(templates), size=count)]
    if keep_choices:
        for place, parameter in enumerate(space.parameters):
            if not parameter.is_numeric:
                rows[:, place] = chosen[:, place]
    return np.where(np.isnan(chosen), np.nan, rows)


def beside(
    space: Space,
    known: Floats,
    generator: np.random.Generator,
    *,
    each: int,
    keep_choices: bool,
) -> Floats:
    """Returns configurations a step beside known ones, shape (each * k, D).

    Args:
        space: what they are for.
        known: configurations, shape (k, D).
        generator: source of randomness.
        each: how many beside each.
        keep_choices: as in ``drawn``.
    """
    rows = np.repeat(known, each, axis=0)
    for place, parameter in enumerate(space.parameters):
        if parameter.is_numeric:
            # One in three parameters stays, so that single parameters are varied too.
            steps = generator.normal(0.0, _JITTER, len(rows)) * (
                generator.random(len(rows)) < 2 / 3
            )
            rows[:, place] = np.clip(rows[:, place] + steps, 0.0, 1.0)
        elif not keep_choices:
            switched = generator.random(len(rows)) < _SWITCHED
            others = parameter.drawn(generator, len(rows))
            # What is not drawn stays not drawn.
            rows[:, place] = np.where(switched & ~np.isnan(rows[:, place]), others, rows[:, place])
    return rows


def is_conditional(rows: Floats) -> bool:
    """Returns whether configurations lack different parameters."""
    missing = np.isnan(rows)
    return bool(len(rows) and (missing != missing[0]).any())
