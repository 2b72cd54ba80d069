"""What runs on a node of a Ray cluster: one worker, which ends when its task is cancelled."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import optuna
from optuna.trial import FrozenTrial

from autometa.errors import AutometaError
from autometa.logging import get_logger
from autometa.search._processes import STORAGE_VARIABLE
from autometa.search._worker import run_worker
from autometa.storages import url_without_password

_logger = get_logger(__name__)


def work_in_task(storage_url: str, study_name: str, *, run_folder: str, worker: int) -> str:
    """Works on a study and returns an empty text, or the sentence of the error that ended it.

    Text, because an exception would be pickled on its way back. Ray cancels a task with what
    Python takes for SIGINT: the worker then ends after its outer step and gives its trial back.

    Args:
        storage_url: the storage without a password: Ray keeps the arguments of its tasks. Where
            ``$AUTOMETA_STORAGE`` of the node is the same storage, its password is used.
        study_name: the study.
        run_folder: absolute path for checkpoints and logs.
        worker: index of this worker, part of the sampler's seed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = Path(run_folder)
    try:
        with _log_file(folder / "logs" / f"worker-{worker}.log"), _stopped_by_sigint() as stop:
            report = run_worker(
                _with_password(storage_url),
                study_name,
                run_folder=folder,
                worker=worker,
                stop=stop,
                on_trial=_log_trial,
                is_known=True,
            )
            _logger.info("ended after %d trials: %s", report.finished, report.reason)
    except AutometaError as error:
        return str(error)
    except OSError as error:
        return f"{run_folder} must be a folder that can be written to, but: {error.strerror}"
    return ""


def _with_password(storage_url: str) -> str:
    own = os.environ.get(STORAGE_VARIABLE, "").strip()
    return own if own and url_without_password(own) == storage_url else storage_url


@contextmanager
def _stopped_by_sigint() -> Iterator[threading.Event]:
    """Lets SIGINT set an event; a task runs in the main thread, as handlers have to."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Appends the package's messages to a file; a process of Ray's runs one task after another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("autometa")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    except AutometaError as error:
        _logger.error("%s", error)
        raise
    except Exception:
        _logger.exception("ended by an unexpected error")
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()


def _log_trial(trial: FrozenTrial) -> None:
    value = "" if trial.value is None else f": {trial.value:g}"
    _logger.info("trial %d %s%s", trial.number, trial.state.name.lower(), value)
