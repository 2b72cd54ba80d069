"""A study in its storage: how it is made, resumed, and how long it may go on."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning

from autometa.config import StudySpec, default_params, spec_from_dict, spec_to_dict
from autometa.errors import RunError
from autometa.search._data import StudyData
from autometa.search._warm_start import begin_with, past_studies
from autometa.storages import (
    ORIGIN,
    create_or_load_study,
    open_storage,
    storage_errors,
    study_fingerprint,
    study_lock,
    study_spec,
)

DEADLINE = "autometa:deadline"

_MOST_NAMES = 5
_METRIC = "log-loss gain (nats)"
_EARLIER_KERNELS: Final[Mapping[int, Mapping[str, Any]]] = {
    1: {"adapt": "head+scales", "head": "descent", "gate": False},
    2: {"adapt": "head+scales"},
}
"""What ``column_kernel`` was by default in the generations of its fingerprint before today's."""


def prepare_study(spec: StudySpec, data: StudyData) -> tuple[optuna.Study, bool]:
    """Creates or resumes a study; a new one gets each learner's defaults as its first trials.

    Args:
        spec: the study.
        data: its tables.

    Returns:
        The study, and whether it was made now.

    Raises:
        UserError: the stored study differs in something that changes a trial's value, or a new one
            cannot read a prior file that it names.
        RunError: the storage failed.

    >>> study, created = prepare_study(spec, StudyData.load(spec))
    >>> created, [trial.state.name for trial in study.trials]
    (True, ['WAITING'])
    >>> prepare_study(spec, StudyData.load(spec))[1]
    False
    """
    storage = open_storage(spec.storage)
    # Before the study is there: a wrong file shall leave nothing behind.
    with storage_errors(storage):
        is_new = spec.name not in {known.study_name for known in storage.get_all_studies()}
    prior = past_studies(spec) if is_new else None
    study, created = create_or_load_study(
        storage,
        spec.name,
        spec=spec_without_storage(spec),
        fingerprint=data.fingerprint(),
    )
    # Under the lock, and whatever is there already: a command may have been killed in between,
    # and two may start at once.
    with storage_errors(storage), study_lock(storage):
        if not study.get_trials(deepcopy=False):
            with warnings.catch_warnings():
                # Experimental since Optuna 3.2; it names the axis in the dashboard, nothing else.
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names([_METRIC])
            begin_with(study, spec, data, prior if prior is not None else past_studies(spec))
        for params in default_params(spec):
            study.enqueue_trial(params, user_attrs={ORIGIN: "default"}, skip_if_exists=True)
    return study, created


def spec_without_storage(spec: StudySpec) -> dict[str, Any]:
    """Returns the specification as it is kept and pickled: a storage URL may hold a password.

    >>> list(spec_without_storage(spec))
    ['version', 'name', 'tables', 'episodes', 'learner', 'space', 'training', 'search']
    """
    return {key: value for key, value in spec_to_dict(spec).items() if key != "storage"}


def load_spec(study: optuna.Study) -> StudySpec:
    """Returns the specification that a study was last started with, but for its storage.

    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> load_spec(study).space.branches["maml"]["width"].high
    64
    """
    spec = dict(study_spec(study))
    # Studies that are older than the pool of batches drew one for every step.
    spec["training"] = {"reuse": 1, **spec.get("training", {})}
    learner = spec.get("learner", {})
    if learner.get("name") == "column_kernel":
        earlier = _EARLIER_KERNELS.get(study_fingerprint(study).get("column_kernel", 1), {})
        searched = spec.get("space", {})
        spec["learner"] = learner | {
            field: value
            for field, value in earlier.items()
            if field not in learner and field not in searched
        }
    return spec_from_dict(spec)


def require_same_tables(study: optuna.Study, data: StudyData) -> None:
    """Refuses tables that are not those that the study's values were measured on.

    Raises:
        RunError: a table has other contents than when the study was started.

    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> from autometa.config import TablesSpec
    >>> wine = [{"source": "sklearn", "names": ["wine"]}]
    >>> tables = TablesSpec(train=spec.tables.train, validation=wine)
    >>> other = spec.model_copy(update={"tables": tables})
    >>> require_same_tables(study, StudyData.load(other))
    Traceback (most recent call last):
        ...
    autometa.errors.RunError: the tables of study 'tiny' must be those that it was started with; ...
    """
    stored = study_fingerprint(study).get("table_hashes", {})
    given = data.hashes()
    if stored == given:
        return
    names = sorted(
        f"{role}: {name}"
        for role in {*stored, *given}
        for name in {*stored.get(role, {}), *given.get(role, {})}
        if stored.get(role, {}).get(name) != given.get(role, {}).get(name)
    )
    raise RunError(
        f"the tables of study {study.study_name!r} must be those that it was started with; "
        f"different here: {', '.join(names[:_MOST_NAMES])}: restore them or start a new study"
    )


def set_deadline(study: optuna.Study, *, seconds: float) -> None:
    """Lets the study's workers go on for so many seconds from now.

    >>> study = optuna.create_study()
    >>> set_deadline(study, seconds=600)
    >>> round((deadline_of(study) - time.time()) / 60)
    10
    """
    study.set_user_attr(DEADLINE, time.time() + seconds)


def deadline_of(study: optuna.Study) -> float:
    """Returns when the workers have to stop, in seconds since the epoch."""
    return float(study.user_attrs.get(DEADLINE, float("inf")))
