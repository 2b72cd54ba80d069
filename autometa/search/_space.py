"""From the study file's space to an Optuna trial's parameters and back to a configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import optuna

from autometa.config import (
    LEARNER_PARAMETER,
    Choices,
    Dimension,
    FloatRange,
    IntRange,
    LearnerConfig,
    StudySpec,
    deciding_fields,
    is_idle,
    learner_config,
)


def suggest(trial: optuna.Trial, spec: StudySpec) -> dict[str, Any]:
    """Returns the trial's parameters, drawn branch by branch in the order of the study file.

    Those that decide whether others have an effect come first, and what has none is not drawn.

    Args:
        trial: a running trial.
        spec: the study.
    """
    space = spec.space
    learner = next(iter(space.branches))
    if space.is_conditional:
        learner = trial.suggest_categorical(LEARNER_PARAMETER, list(space.branches))
    branch, deciding = space.branches[learner], deciding_fields(learner)
    values = dict(spec.learner)
    for field in sorted(branch, key=lambda name: name not in deciding):
        if not is_idle(learner, field, values):
            name = space.parameter_name(learner, field)
            values[field] = _suggest_one(trial, name, branch[field])
    return dict(trial.params)


def _suggest_one(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
    match dimension:
        case FloatRange():
            return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
        case IntRange():
            return trial.suggest_int(
                name, dimension.low, dimension.high, step=dimension.step, log=dimension.log
            )
        case Choices():
            return trial.suggest_categorical(name, list(dimension.choices))


def candidate_config(spec: StudySpec, params: Mapping[str, Any]) -> LearnerConfig:
    """Returns the learner's complete configuration for a trial's parameters.

    >>> candidate_config(spec, {"width": 16}).width
    16
    """
    return learner_config(spec, params)


def config_hash(config: LearnerConfig, *, identity: str = "") -> str:
    """Returns a short hash of a complete configuration; names checkpoints and confirm runs.

    Args:
        config: the learner's configuration.
        identity: what else determines the weights, see ``StudyData.identity``.
    """
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True) + identity
    return hashlib.sha256(text.encode()).hexdigest()[:16]
