"""Part of storages.py: a worker whose trials do nothing, and studies with past trials.

The worker is ``run_worker`` itself with another objective. It writes what a real trial writes: its
parameters, its configuration, four reports and its scores.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import select

from autometa.config import StudySpec, read_spec, spec_to_dict
from autometa.search import ACCURACY, ADVANTAGE, SECONDS, _worker, candidate_config, run_worker
from autometa.search._objective import CONFIG, CONFIG_HASH
from autometa.search._space import config_hash, suggest
from autometa.storages import close_storage, create_or_load_study, open_storage

STUDY = "idle"
REPORTS = 4
_STUDIES = Path(__file__).parents[1]
_CELLS = {f"inductive, K={shots}": 0.5 for shots in (1, 5, 10)}


@dataclass(frozen=True)
class Worked:
    """What one worker did.

    Attributes:
        trials: finished by it.
        claims: seconds of each of its claims, waiting for the lock included.
        moments: when each of its trials was told, in UTC seconds.
    """

    trials: int
    claims: list[float]
    moments: list[float]


class NoTables:
    """In the place of a study's tables: there are none, here and in the study."""

    def hashes(self) -> dict[str, dict[str, str]]:
        """Returns no hashes."""
        return {}


class IdleObjective:
    """In the place of the objective: reports four values and writes what real trials write."""

    def __init__(self, spec: StudySpec, **_options: Any) -> None:
        self.spec = spec

    def __call__(self, trial: optuna.Trial) -> float:
        """Returns a value that the parameters decide, at once."""
        config = candidate_config(self.spec, suggest(trial, self.spec))
        trial.set_user_attr(CONFIG_HASH, config_hash(config))
        trial.set_user_attr(CONFIG, config.model_dump(mode="json"))
        for step in range(1, REPORTS + 1):
            trial.report(value_of(trial.params) * step / REPORTS, step=step)
        trial.set_user_attr(SECONDS, 0.0)
        trial.set_user_attr(ACCURACY, _CELLS)
        trial.set_user_attr(ADVANTAGE, _CELLS)
        return value_of(trial.params)

    def checkpoints_of(self, _config: Any) -> None:
        """Returns no checkpoints."""


def value_of(params: dict[str, Any]) -> float:
    """Returns a smooth score of a configuration, so that the sampler has something to learn."""
    return -abs(float(params["inner_lr"]) - 1.0) - 0.01 * float(params["inner_steps"])


def idle_spec(trials: int) -> StudySpec:
    """Returns the quickstart's study with so many trials and no pruning."""
    overrides = [f"search.trials={trials}", "search.pruner=none", f"name={STUDY}"]
    return read_spec(_STUDIES / "quickstart.yaml", overrides)


def new_study(url: str, spec: StudySpec) -> optuna.Study:
    """Creates the study of a specification without tables in an empty storage."""
    given = {key: value for key, value in spec_to_dict(spec).items() if key != "storage"}
    return create_or_load_study(open_storage(url), STUDY, spec=given, fingerprint={})[0]


def past_trials(spec: StudySpec, count: int) -> list[FrozenTrial]:
    """Returns finished trials with random parameters, reports and everything else."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(IdleObjective(spec), n_trials=count)
    return study.get_trials(deepcopy=False)


def fill(study: optuna.Study, trials: list[FrozenTrial]) -> None:
    """Adds finished trials to a study that has none; to a database all at once.

    Through Optuna each would be a transaction of twenty statements, for minutes.
    """
    backend = getattr(study._storage, "_backend", None)
    if not isinstance(backend, RDBStorage):
        study.add_trials(trials)
        return
    finite = models.TrialValueModel.TrialValueType.FINITE
    finite_report = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE
    with backend.engine.begin() as connection:

        def insert(model: Any, rows: list[dict[str, Any]]) -> None:
            connection.execute(model.__table__.insert(), rows)

        keys = ("number", "state", "datetime_start", "datetime_complete")
        rows = [{key: getattr(trial, key) for key in keys} for trial in trials]
        insert(models.TrialModel, [row | {"study_id": study._study_id} for row in rows])
        columns = models.TrialModel.__table__.c
        ids = dict(connection.execute(select(columns.number, columns.trial_id)).tuples().all())
        values: list[dict[str, Any]] = []
        params: list[dict[str, Any]] = []
        reports: list[dict[str, Any]] = []
        attributes: list[dict[str, Any]] = []
        for trial in trials:
            own = {"trial_id": ids[trial.number]}
            values.append(own | {"objective": 0, "value": trial.value, "value_type": finite})
            for name, kind in trial.distributions.items():
                value = kind.to_internal_repr(trial.params[name])
                text = distribution_to_json(kind)
                params.append(
                    own | {"param_name": name, "param_value": value, "distribution_json": text}
                )
            for step, value in trial.intermediate_values.items():
                reports.append(
                    own
                    | {
                        "step": step,
                        "intermediate_value": value,
                        "intermediate_value_type": finite_report,
                    }
                )
            for key, content in trial.user_attrs.items():
                attributes.append(own | {"key": key, "value_json": json.dumps(content)})
        insert(models.TrialValueModel, values)
        insert(models.TrialParamModel, params)
        insert(models.TrialIntermediateValueModel, reports)
        insert(models.TrialUserAttributeModel, attributes)


def work(index: int, url: str, ready: Semaphore, go: Event, results: Queue[Worked]) -> None:
    """Works on the study as soon as it may, in a process of its own; puts what it did."""
    claims: list[float] = []
    moments: list[float] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            found = call(*arguments, **options)
            if found is not None:  # not those that wait for the others' last trials
                claims.append(time.monotonic() - began)
            return found

        return measured

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _worker.Objective = IdleObjective  # type: ignore[misc, assignment]
    _worker._claim = timed(_worker._claim)
    close_storage(open_storage(url, create=False))  # imports what the first opening imports
    ready.release()
    go.wait()
    with tempfile.TemporaryDirectory() as folder:
        report = run_worker(
            url,
            STUDY,
            run_folder=Path(folder),
            worker=index,
            data=NoTables(),  # type: ignore[arg-type]
            on_trial=lambda _trial: moments.append(time.time()),
        )
    results.put(Worked(report.finished, claims, moments))
