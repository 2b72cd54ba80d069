"""Storages that do not lose trials, and what autometa keeps in them."""

from __future__ import annotations

from autometa.storages._ledger import (
    StudySummary,
    create_or_load_study,
    is_known_study,
    list_studies,
    load_study,
    study_fingerprint,
    study_spec,
)
from autometa.storages._liveness import LEASE_SECONDS, is_alive, stamp_trial, worker_stamp
from autometa.storages._open import (
    close_storage,
    open_storage,
    storage_errors,
    storage_path,
    storage_place,
    study_lock,
    through_outages,
)
from autometa.storages._reaper import Reaped, fail_and_requeue, reap_orphans
from autometa.storages._runs import (
    ARTIFACTS_FOLDER,
    PRIORS_FOLDER,
    RUNS_FOLDER,
    check_study_name,
    run_folder_of,
)
from autometa.storages._spent import SpentSeconds, spent_seconds
from autometa.storages._trials import (
    FINISHED,
    INTERRUPTED,
    NOT_COUNTED,
    ORIGIN,
    POISONED,
    REASON,
    RETRIES,
    RETRY_OF,
    WINNER,
    WORKER,
    WORKER_DIED,
    counted,
    trials_done,
)
from autometa.storages._url import (
    DEFAULT_STORAGE_URL,
    absolute_url,
    default_storage_url,
    mask_url,
    url_without_password,
)

__all__ = [
    "ARTIFACTS_FOLDER",
    "DEFAULT_STORAGE_URL",
    "FINISHED",
    "INTERRUPTED",
    "LEASE_SECONDS",
    "NOT_COUNTED",
    "ORIGIN",
    "POISONED",
    "PRIORS_FOLDER",
    "REASON",
    "RETRIES",
    "RETRY_OF",
    "RUNS_FOLDER",
    "WINNER",
    "WORKER",
    "WORKER_DIED",
    "Reaped",
    "SpentSeconds",
    "StudySummary",
    "absolute_url",
    "check_study_name",
    "close_storage",
    "counted",
    "create_or_load_study",
    "default_storage_url",
    "fail_and_requeue",
    "is_alive",
    "is_known_study",
    "list_studies",
    "load_study",
    "mask_url",
    "open_storage",
    "reap_orphans",
    "run_folder_of",
    "spent_seconds",
    "stamp_trial",
    "storage_errors",
    "storage_path",
    "storage_place",
    "study_fingerprint",
    "study_lock",
    "study_spec",
    "through_outages",
    "trials_done",
    "url_without_password",
    "worker_stamp",
]
