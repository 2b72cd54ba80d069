"""Search: a specification and a storage become a finished study."""

from collections.abc import Mapping
from typing import Any

from autometa.config import StudySpec, spec_from_dict
from autometa.search._confirm import Confirmed as Confirmed
from autometa.search._confirm import confirm as confirm
from autometa.search._confirm import fresh_seed as fresh_seed
from autometa.search._data import REFERENCE as REFERENCE
from autometa.search._data import StudyData as StudyData
from autometa.search._device import resolve_device as resolve_device
from autometa.search._engine import WorkerEngine as WorkerEngine
from autometa.search._finalists import FINALISTS as FINALISTS
from autometa.search._finalists import chosen_finalists as chosen_finalists
from autometa.search._objective import ACCURACY as ACCURACY
from autometa.search._objective import ADVANTAGE as ADVANTAGE
from autometa.search._objective import LEARNER_METHOD as LEARNER_METHOD
from autometa.search._objective import SECONDS as SECONDS
from autometa.search._objective import Objective as Objective
from autometa.search._objective import advantage_over_best as advantage_over_best
from autometa.search._objective import train_candidate as train_candidate
from autometa.search._peak import PEAK_MIB as PEAK_MIB
from autometa.search._processes import run_processes as run_processes
from autometa.search._progress import Progress as Progress
from autometa.search._progress import failure_reasons as failure_reasons
from autometa.search._progress import leaderboard as leaderboard
from autometa.search._progress import snapshot as snapshot
from autometa.search._ray_cluster import RayCluster as RayCluster
from autometa.search._rung_correlations import FEWEST_TRIALS as FEWEST_TRIALS
from autometa.search._rung_correlations import RungCorrelation as RungCorrelation
from autometa.search._rung_correlations import rung_correlations as rung_correlations
from autometa.search._selection import Selection as Selection
from autometa.search._selection import finalists as finalists
from autometa.search._selection import select as select
from autometa.search._settled import fetched_spec as fetched_spec
from autometa.search._space import candidate_config as candidate_config
from autometa.search._study import load_spec as load_spec
from autometa.search._study import prepare_study as prepare_study
from autometa.search._study import require_same_tables as require_same_tables
from autometa.search._study import set_deadline as set_deadline
from autometa.search._study import spec_without_storage as spec_without_storage
from autometa.search._threads import one_thread as one_thread
from autometa.search._ticker import Ticker as Ticker
from autometa.search._warm_start import WarmStart as WarmStart
from autometa.search._warm_start import learn_prior as learn_prior
from autometa.search._warm_start import prior_file_of as prior_file_of
from autometa.search._warm_start import warm_start_for as warm_start_for
from autometa.search._warm_start import warm_start_of as warm_start_of
from autometa.search._warm_start import write_prior as write_prior
from autometa.search._worker import WorkerReport as WorkerReport
from autometa.search._worker import run_worker as run_worker
from autometa.storages import RUNS_FOLDER as RUNS_FOLDER
from autometa.storages import run_folder_of as run_folder_of


def objective(spec: StudySpec | Mapping[str, Any]) -> Objective:
    """Returns an objective for one's own ``study.optimize``.

    Args:
        spec: a ``StudySpec``, or the study file's content as a mapping.

    Raises:
        UserError: the specification or its tables cannot be used.

    >>> study = {
    ...     "name": "tiny",
    ...     "tables": {
    ...         "train": [{"source": "synthetic", "count": 20}],
    ...         "validation": [{"source": "sklearn", "names": ["iris"]}],
    ...     },
    ...     "episodes": {"shots": [1], "per_table": 2, "queries": 5},
    ...     "learner": {"name": "column_kernel"},
    ...     "space": {"depth": {"low": 1, "high": 2}},
    ...     "training": {"outer_steps": 4},
    ... }

    >>> import optuna
    >>> own = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    >>> own.optimize(objective(study), n_trials=1)
    >>> list(own.best_trial.params)
    ['depth']
    """
    return Objective(spec if isinstance(spec, StudySpec) else spec_from_dict(spec))


__all__ = [
    "ACCURACY",
    "ADVANTAGE",
    "FEWEST_TRIALS",
    "FINALISTS",
    "LEARNER_METHOD",
    "PEAK_MIB",
    "REFERENCE",
    "RUNS_FOLDER",
    "SECONDS",
    "Confirmed",
    "Objective",
    "Progress",
    "RayCluster",
    "RungCorrelation",
    "Selection",
    "StudyData",
    "Ticker",
    "WarmStart",
    "WorkerEngine",
    "WorkerReport",
    "advantage_over_best",
    "candidate_config",
    "chosen_finalists",
    "confirm",
    "failure_reasons",
    "fetched_spec",
    "finalists",
    "fresh_seed",
    "leaderboard",
    "learn_prior",
    "load_spec",
    "objective",
    "one_thread",
    "prepare_study",
    "prior_file_of",
    "require_same_tables",
    "resolve_device",
    "run_folder_of",
    "run_processes",
    "run_worker",
    "rung_correlations",
    "select",
    "set_deadline",
    "snapshot",
    "spec_without_storage",
    "train_candidate",
    "warm_start_for",
    "warm_start_of",
    "write_prior",
]
