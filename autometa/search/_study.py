"""A study in its storage: how it is made, resumed, and how long it may go on."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from autometa.config import StudySpec, default_params, spec_from_dict, spec_to_dict
from autometa.errors import RunError
from autometa.search._data import StudyData
from autometa.search._space import candidate_config, config_hash
from autometa.storages import ORIGIN, create_or_load_study, open_storage, study_spec

DEADLINE = "autometa:deadline"
RUNS_FOLDER = Path("results") / "runs"

_METRIC = "nats below logistic regression"


def run_folder_of(name: str) -> Path:
    """Returns where a study's checkpoints, export and logs go, below the current folder."""
    return RUNS_FOLDER / name


def prepare_study(spec: StudySpec, data: StudyData) -> tuple[optuna.Study, bool]:
    """Creates or resumes a study; a new one gets each learner's defaults as its first trials.

    Args:
        spec: the study.
        data: its tables.

    Returns:
        The study, and whether it was made now.

    Raises:
        UserError: the stored study differs in something that changes a trial's value.
        RunError: the storage failed.
    """
    storage = open_storage(spec.storage)
    study, created = create_or_load_study(
        storage,
        spec.name,
        spec=_without_storage(spec),
        fingerprint=data.fingerprint(),
    )
    if not study.get_trials(deepcopy=False):
        with warnings.catch_warnings():
            # Experimental since Optuna 3.2; it names the axis in the dashboard, nothing else.
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([_METRIC])
        for params in default_params(spec):
            study.enqueue_trial(params, user_attrs={ORIGIN: "default"}, skip_if_exists=True)
    return study, created


def _without_storage(spec: StudySpec) -> dict[str, Any]:
    """The specification as it is kept: a storage URL may hold a password."""
    return {key: value for key, value in spec_to_dict(spec).items() if key != "storage"}


def load_spec(study: optuna.Study) -> StudySpec:
    """Returns the specification that a study was last started with, but for its storage."""
    return spec_from_dict(study_spec(study))


def set_deadline(study: optuna.Study, *, seconds: float) -> None:
    """Lets the study's workers go on for so many seconds from now."""
    study.set_user_attr(DEADLINE, time.time() + seconds)


def deadline_of(study: optuna.Study) -> float:
    """Returns when the workers have to stop, in seconds since the epoch."""
    return float(study.user_attrs.get(DEADLINE, float("inf")))


def finalists(study: optuna.Study, *, count: int) -> list[FrozenTrial]:
    """Returns the best completed trials with distinct configurations, best first.

    Raises:
        RunError: no trial is complete; the most frequent reason of failure is named.
    """
    spec = load_spec(study)
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise RunError(f"the study {study.study_name!r} has no finished trial; {_failures(trials)}")
    best: dict[str, FrozenTrial] = {}
    for trial in sorted(complete, key=lambda trial: (-float(trial.value or 0.0), trial.number)):
        best.setdefault(config_hash(candidate_config(spec, trial.params)), trial)
    return list(best.values())[:count]


def _failures(trials: list[FrozenTrial]) -> str:
    reasons: dict[str, int] = {}
    for trial in trials:
        if trial.state == TrialState.FAIL:
            reason = str(trial.user_attrs.get("autometa:reason", "unknown reason"))
            reasons[reason] = reasons.get(reason, 0) + 1
    if not reasons:
        return "give it more time (search.seconds) or fewer outer steps (training.outer_steps)"
    top = max(reasons, key=lambda reason: reasons[reason])
    return f"{sum(reasons.values())} failed, most often: {top}"
