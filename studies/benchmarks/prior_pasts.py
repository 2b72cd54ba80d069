"""What may be wrong with the past studies that the arms of ``priors.py`` are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import create_trial

from autometa.priors._parameter import Parameter

Past = list[optuna.Study]


def told_again(
    study: optuna.Study,
    *,
    values: Callable[[np.ndarray[Any, Any]], Sequence[float]],
    direction: str = "maximize",
) -> optuna.Study:
    """Returns a study of the same trials with other values."""
    changed = optuna.create_study(study_name=study.study_name, direction=direction)
    found = values(np.array([trial.value for trial in study.trials]))
    changed.add_trials(
        [
            create_trial(params=trial.params, distributions=trial.distributions, value=float(value))
            for trial, value in zip(study.trials, found, strict=True)
        ]
    )
    return changed


def inverted(past: Past, _generator: np.random.Generator) -> Past:
    """The best trials of every study are called its worst."""
    return [told_again(study, values=lambda values: -values) for study in past]


def half_inverted(past: Past, generator: np.random.Generator) -> Past:
    """Every other study is inverted."""
    return [*past[::2], *inverted(past[1::2], generator)]


def mirrored(past: Past, generator: np.random.Generator) -> Past:
    """Half of the parameters, the same for all studies, are told as far from their other end.

    The studies agree with each other and are wrong, and the right way up is no better than upside
    down: the worst that was thought of.
    """
    names = sorted(past[0].trials[0].params)
    chosen = {names[place] for place in generator.permutation(len(names))[: len(names) // 2]}

    def turned(name: str, value: Any, distribution: BaseDistribution) -> Any:
        if name not in chosen:
            return value
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[-1 - distribution.choices.index(value)]
        parameter = Parameter.of(name, distribution)
        return parameter.value(1 - parameter.position(value))

    found = []
    for study in past:
        changed = optuna.create_study(study_name=study.study_name, direction="maximize")
        for trial in study.trials:
            params = {
                name: turned(name, value, trial.distributions[name])
                for name, value in trial.params.items()
            }
            changed.add_trial(
                create_trial(params=params, distributions=trial.distributions, value=trial.value)
            )
        found.append(changed)
    return found


def shuffled(past: Past, generator: np.random.Generator) -> Past:
    """No study says anything: its values are shuffled among its trials."""
    return [told_again(study, values=generator.permutation) for study in past]


def one(past: Past, generator: np.random.Generator) -> Past:
    """One study alone, any of them."""
    return [past[int(generator.integers(len(past)))]]


def one_unrelated(past: Past, generator: np.random.Generator) -> Past:
    """One study alone, which says nothing."""
    return shuffled(one(past, generator), generator)


def rescaled(past: Past, _generator: np.random.Generator) -> Past:
    """Losses of another size instead of accuracies."""
    return [
        told_again(study, values=lambda values: 1e4 * np.exp(-3 * values), direction="minimize")
        for study in past
    ]


def fifty(past: Past, generator: np.random.Generator) -> Past:
    """Fifty studies: those there are, and as many as are wanting with half of their trials."""
    extra = []
    while len(past) + len(extra) < 50:
        study = past[int(generator.integers(len(past)))]
        kept = generator.permutation(len(study.trials))[: len(study.trials) // 2]
        part = optuna.create_study(
            study_name=f"{study.study_name} part {len(extra)}", direction="maximize"
        )
        part.add_trials([study.trials[int(place)] for place in kept])
        extra.append(part)
    return [*past, *extra]
