"""Studies and what is kept with them: the spec, the fingerprint, the schema version.

Everything needed to resume, to add a worker or to judge a study lies in the storage itself.
Optuna 5 keeps attributes in columns without a size limit (SQLite, PostgreSQL) and in plain JSON
(journal), so that nothing has to be split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from autometa.errors import UserError
from autometa.storages._fingerprint import as_json, fingerprint_changes, shortened
from autometa.storages._open import (
    close_storage,
    open_storage,
    storage_errors,
    storage_place,
    study_lock,
)
from autometa.storages._runs import check_study_name
from autometa.storages._trials import counted

SCHEMA_VERSION = 1
"""Version of what autometa writes into a study; raised when its meaning changes."""

SCHEMA = "autometa:schema"
SPEC = "autometa:spec"
FINGERPRINT = "autometa:fingerprint"

_MOST_NAMES = 20


@dataclass(frozen=True)
class StudySummary:
    """One line of the list of studies.

    Attributes:
        name: the study's name.
        is_autometa: whether autometa made it.
        trials: number of trials per state name, such as ``{"COMPLETE": 12}``.
        trials_done: trials that count into the budget.
        last_activity: local time of the last start or end of a trial; None without trials.

    >>> states = {"COMPLETE": 12, "RUNNING": 1}
    >>> summary = StudySummary("mine", True, states, trials_done=12, last_activity=None)
    >>> f"{summary.name}: {summary.trials_done} of {sum(summary.trials.values())} trials count"
    'mine: 12 of 13 trials count'
    """

    name: str
    is_autometa: bool
    trials: dict[str, int]
    trials_done: int
    last_activity: datetime | None


def create_or_load_study(
    storage: BaseStorage,
    name: str,
    *,
    spec: dict[str, Any],
    fingerprint: dict[str, Any],
    direction: str = "maximize",
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
) -> tuple[optuna.Study, bool]:
    """Returns the study of a name, made when it does not exist, and whether it was made.

    Processes that call this at the same moment get one study. An existing study is resumed only
    with an equal fingerprint; the stored spec is then replaced by the given one, because the
    budget, the workers and the storage may change between runs. A refusal changes nothing.

    Args:
        storage: from ``open_storage``.
        name: see :func:`check_study_name`.
        spec: the study file as JSON values.
        fingerprint: everything that changes a trial's value, as JSON values of any depth.
        direction: ``maximize`` or ``minimize``.
        sampler: handed to Optuna.
        pruner: handed to Optuna.

    Raises:
        UserError: bad name, not made by autometa, or another fingerprint (with one line for each
            key that differs).
        RunError: the storage failed.

    >>> storage = open_storage("journal:studies.journal")
    >>> for trials in (30, 50):
    ...     given = {"spec": {"trials": trials}, "fingerprint": {"seed": 1}}
    ...     study, created = create_or_load_study(storage, "mine", **given)
    >>> study.study_name, created, study_spec(study)
    ('mine', False, {'trials': 50})
    """
    check_study_name(name)
    given = {
        SCHEMA: SCHEMA_VERSION,
        FINGERPRINT: as_json(fingerprint, "a study's fingerprint"),
        SPEC: as_json(spec, "a study's spec"),
    }
    with storage_errors(storage), study_lock(storage):
        created = name not in _names(storage)
        if created:
            storage.create_new_study([StudyDirection[direction.upper()]], name)
        study = optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
        # A study without anything in it is one whose maker was killed at that very moment.
        is_empty = not study.user_attrs and not study.get_trials(deepcopy=False)
        if not created and not (is_empty and study.direction.name == direction.upper()):
            _check_resumable(study, given[FINGERPRINT], direction, storage)
        # The schema comes first: with it a study that was killed right here can be completed.
        stored = study.user_attrs
        for key, value in given.items():
            if stored.get(key) != value:
                study.set_user_attr(key, value)
    return study, created


def load_study(
    storage: BaseStorage,
    name: str,
    *,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
) -> optuna.Study:
    """Returns an existing study that autometa made.

    Raises:
        UserError: unknown name (the message lists the known ones), or not made by autometa.
        RunError: the storage failed.

    >>> from autometa.storages import open_storage
    >>> storage = open_storage("journal:studies.journal")
    >>> load_study(storage, "mine")
    Traceback (most recent call last):
        ...
    autometa.errors.UserError: there is no study 'mine' in ...
    """
    with storage_errors(storage):
        known = _names(storage)
        if name not in known:
            listed = ", ".join(sorted(known)[:_MOST_NAMES]) or "none yet"
            more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
            raise UserError(
                f"there is no study {name!r} in {storage_place(storage)}; known studies: "
                f"{listed}{more}."
            )
        study = optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
        attributes = study.user_attrs
        _check_schema(name, attributes, storage)
        if SPEC not in attributes or FINGERPRINT not in attributes:
            raise UserError(
                f"study {name!r} was interrupted while it was made; start it once more with "
                "autometa tune."
            )
    return study


def is_known_study(url: str, name: str) -> bool:
    """Returns whether there is a storage at a URL that holds a study; makes nothing.

    Raises:
        RunError: the storage failed.

    >>> storage = open_storage("journal:studies.journal")
    >>> _ = create_or_load_study(storage, "mine", spec={}, fingerprint={"seed": 1})
    >>> [is_known_study("journal:studies.journal", name) for name in ("mine", "yours")]
    [True, False]
    """
    try:
        storage = open_storage(url, create=False)
    except UserError:
        return False
    try:
        with storage_errors(storage):
            return name in _names(storage)
    finally:
        close_storage(storage)


def list_studies(storage: BaseStorage) -> list[StudySummary]:
    """Returns all studies of a storage in the order of their names.

    Raises:
        RunError: the storage failed.

    >>> storage = open_storage("journal:studies.journal")
    >>> study, _ = create_or_load_study(storage, "mine", spec={}, fingerprint={"seed": 1})
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    >>> [(summary.name, summary.trials) for summary in list_studies(storage)]
    [('mine', {'COMPLETE': 2})]
    """
    summaries = []
    with storage_errors(storage):
        for study in storage.get_all_studies():
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            times = [
                time
                for trial in trials
                for time in (trial.datetime_start, trial.datetime_complete)
                if time is not None
            ]
            summaries.append(
                StudySummary(
                    name=study.study_name,
                    is_autometa=SCHEMA in study.user_attrs,
                    trials=dict(Counter(trial.state.name for trial in trials)),
                    trials_done=sum(counted(trial) for trial in trials),
                    last_activity=max(times, default=None),
                )
            )
    return sorted(summaries, key=lambda summary: summary.name)


def study_spec(study: optuna.Study) -> dict[str, Any]:
    """Returns the spec that the study was last started with, as JSON values.

    >>> storage = open_storage("journal:studies.journal")
    >>> spec = {"name": "mine", "search": {"trials": 30}}
    >>> study, _ = create_or_load_study(storage, "mine", spec=spec, fingerprint={"seed": 1})
    >>> study_spec(study)["search"]
    {'trials': 30}
    """
    spec: dict[str, Any] = study.user_attrs[SPEC]
    return spec


def study_fingerprint(study: optuna.Study) -> dict[str, Any]:
    """Returns the fingerprint that the study was made with, as JSON values.

    >>> storage = open_storage("journal:studies.journal")
    >>> fingerprint = {"seed": 1, "shots": (1, 5)}
    >>> study, _ = create_or_load_study(storage, "mine", spec={}, fingerprint=fingerprint)
    >>> study_fingerprint(study)
    {'seed': 1, 'shots': [1, 5]}
    """
    fingerprint: dict[str, Any] = study.user_attrs[FINGERPRINT]
    return fingerprint


def _check_resumable(
    study: optuna.Study, fingerprint: Any, direction: str, storage: BaseStorage
) -> None:
    attributes = study.user_attrs
    _check_schema(study.study_name, attributes, storage)
    changes = []
    # load_if_exists of Optuna would silently keep the old direction.
    if study.direction.name != direction.upper():
        changes.append(f"direction: {study.direction.name.lower()} -> {direction.lower()}")
    if FINGERPRINT in attributes:
        changes += fingerprint_changes(attributes[FINGERPRINT], fingerprint)
    if changes:
        raise UserError(
            f"study {study.study_name!r} in {storage_place(storage)} was started with other "
            "settings (stored -> given); restore them or choose another study name:"
            + shortened(changes)
        )


def _check_schema(name: str, attributes: dict[str, Any], storage: BaseStorage) -> None:
    schema = attributes.get(SCHEMA)
    if schema is None:
        raise UserError(
            f"study {name!r} in {storage_place(storage)} was not made by autometa; choose another "
            "study name."
        )
    if not isinstance(schema, int) or schema > SCHEMA_VERSION:
        raise UserError(
            f"study {name!r} has schema version {schema}, but this autometa knows only versions "
            f"up to {SCHEMA_VERSION}; install the newer autometa that made it."
        )


def _names(storage: BaseStorage) -> list[str]:
    return [study.study_name for study in storage.get_all_studies()]
