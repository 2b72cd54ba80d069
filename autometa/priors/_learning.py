"""From a past Optuna study to a source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from autometa.errors import UserError
from autometa.priors._parameter import Parameter, joined
from autometa.priors._ranks import gaussian_ranks, ranked_trials
from autometa.priors._source import MOST_KEPT, Source
from autometa.priors._surrogate import fit_scales

FEWEST_TRIALS = 5
"""Ranked trials below which a study says nothing."""

_PRUNED_RELIABILITY = 0.4
"""A pruned trial's place is that of an early rung, and noisier than a complete one's."""


def learn_source(
    study: optuna.Study,
    *,
    aliases: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    meta_features: Mapping[str, float] | None = None,
) -> Source | None:
    """Returns what a study says, or None where it has too few trials to say anything.

    Args:
        study: of a single objective, in whatever storage.
        aliases: names of the study's parameters -> names to keep them under.
        fixed: what all of its trials had in common without drawing it, by the name to keep.
        meta_features: numbers that describe its task.

    Raises:
        UserError: it has several objectives.
    """
    if len(study.directions) != 1:
        raise UserError(
            f"a prior is learned from studies of one objective; {study.study_name!r} has "
            f"{len(study.directions)}: leave it out"
        )
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    ranked, keys = ranked_trials(trials, study.direction)
    drawn = [place for place, trial in enumerate(ranked) if trial.params]
    if len(drawn) < FEWEST_TRIALS:
        return None
    scores = gaussian_ranks([keys[place] for place in drawn])
    kept = kept_places(scores)
    chosen = [ranked[drawn[place]] for place in kept]
    names = dict(aliases or {})
    described = _described([{n: t.distributions[n] for n in t.params} for t in chosen], names)
    constants = {
        name: _constant(name, value)
        for name, value in (fixed or {}).items()
        if name not in described and _is_plain(value)
    }
    parameters = (*described.values(), *constants.values())
    values = dict(fixed or {})
    rows = [
        _row({**values, **{names.get(n, n): v for n, v in trial.params.items()}}, parameters)
        for trial in chosen
    ]
    reliabilities = [reliability(trial) for trial in chosen]
    draft = Source(
        name=study.study_name,
        trials=len(ranked),
        parameters=parameters,
        configurations=tuple(rows),
        scores=tuple(round(float(scores[place]), 6) for place in kept),
        reliability=tuple(reliabilities),
        lengths=(1.0,) * len(parameters),
        noise=1.0,
        meta_features=dict(meta_features or {}),
    )
    rough = draft.surrogate
    lengths, noise = fit_scales(
        rough.points, rough.is_choice, rough.scores, np.array(reliabilities)
    )
    # Checked again as a whole: model_copy would not.
    fitted = {"lengths": tuple(lengths.tolist()), "noise": noise}
    return Source.model_validate(draft.model_dump() | fitted)


def kept_places(scores: Sequence[float] | np.ndarray[Any, Any]) -> list[int]:
    """Returns which trials of a long study to keep: the better half of the room for the best.

    The other half is spread evenly over the rest, because what is bad has to be known too.

    Args:
        scores: lower is better.

    Returns:
        Places in ascending order, at most ``MOST_KEPT``.
    """
    order = np.argsort(np.asarray(scores), kind="stable")
    if len(order) > MOST_KEPT:
        best, rest = order[: MOST_KEPT // 2], order[MOST_KEPT // 2 :]
        spread = np.linspace(0, len(rest) - 1, MOST_KEPT - len(best)).round().astype(int)
        order = np.concatenate([best, rest[spread]])
    return [int(place) for place in sorted(order)]


def _described(
    distributions: Sequence[Mapping[str, BaseDistribution]], names: Mapping[str, str]
) -> dict[str, Parameter]:
    found: dict[str, list[Parameter]] = {}
    for drawn in distributions:
        for name, distribution in drawn.items():
            kept = names.get(name, name)
            found.setdefault(kept, []).append(Parameter.of(kept, distribution))
    return {name: joined(parameters) for name, parameters in found.items()}


def _is_plain(value: Any) -> bool:
    return value is None or (
        isinstance(value, bool | int | float | str)
        and not (isinstance(value, float) and not math.isfinite(value))
    )


def _constant(name: str, value: Any) -> Parameter:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Parameter(name=name, kind="categorical", choices=(value,))
    kind = "int" if isinstance(value, int) else "float"
    return Parameter(name=name, kind=kind, low=float(value), high=float(value))


def _row(values: Mapping[str, Any], parameters: Sequence[Parameter]) -> tuple[float | None, ...]:
    return tuple(
        None
        if parameter.name not in values
        else parameter.position(values[parameter.name])
        if not parameter.is_numeric
        else float(values[parameter.name])
        for parameter in parameters
    )


def reliability(trial: FrozenTrial) -> float:
    """Returns how much a trial's place says, 1 for that of a complete one."""
    return 1.0 if trial.state == TrialState.COMPLETE else _PRUNED_RELIABILITY
