"""Confirmation: the best trials are trained again with fresh seeds.

The luckiest trial's value overstates it, so that it is never quoted. Confirmation only selects;
the score that is quoted comes from the test tables, read once, with exactly the exported weights.
Every (finalist, seed) is a job of its own whose result is kept, so that an interrupted
confirmation goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.torch import load_file, save

from autometa.config import LearnerConfig, StudySpec, spec_from_dict
from autometa.errors import AutometaError, RunError, StoppedError
from autometa.evaluation import ScoreSheet
from autometa.learners import AbstractLearner, build_learner, learner_weights, load_weights
from autometa.logging import get_logger
from autometa.pools import follow_parent
from autometa.search._checkpoints import require_version, write_file
from autometa.search._data import StudyData
from autometa.search._objective import Rung, train_candidate
from autometa.search._space import candidate_config, config_hash
from autometa.search._study import spec_without_storage

CONFIRMATION_VERSION = 1
"""Counts up when the files of a run change; a run of another version is done again."""

_logger = get_logger(__name__)
_PURPOSE = 0xC0F1
_RESULT = "result.json"
_WEIGHTS = "weights.safetensors"
_SCORES = "scores.parquet"


class _Stop(Protocol):
    def is_set(self) -> bool: ...


@dataclass(frozen=True)
class Confirmed:
    """One finalist trained with one fresh seed.

    Attributes:
        trial: number of the finalist's trial.
        seed_index: 0, 1, ... among the fresh seeds.
        value: its score on the confirm tasks, in nats.
        folder: where weights and scores are.
        config: the finalist's configuration.

    >>> from autometa.export import PRETRAINED, read_export
    >>> config = read_export(PRETRAINED).config
    >>> run = Confirmed(trial=3, seed_index=0, value=0.05, folder=PRETRAINED, config=config)
    >>> run.learner().config.name, run.sheet().methods()[-1]
    ('column_kernel', 'autometa')
    """

    trial: int
    seed_index: int
    value: float
    folder: Path
    config: LearnerConfig

    def learner(self) -> AbstractLearner:
        """Returns the learner with the confirmed weights."""
        learner = build_learner(self.config, seed=0)
        load_weights(learner, load_file(self.folder / _WEIGHTS))
        return learner.eval()

    def sheet(self) -> ScoreSheet:
        """Returns the learner's scores on the confirm tasks."""
        return ScoreSheet.from_parquet(self.folder / _SCORES)


def fresh_seed(study_seed: int, seed_index: int) -> int:
    """Returns the training seed of a confirmation run.

    >>> [fresh_seed(0, index) for index in (0, 1)]
    [1964714810, 606843218]
    """
    sequence = np.random.SeedSequence([study_seed, _PURPOSE, seed_index])
    return int(sequence.generate_state(1)[0] >> 1)


def confirm(
    spec: StudySpec,
    data: StudyData,
    trials: Sequence[tuple[int, dict[str, Any]]],
    *,
    run_folder: Path,
    workers: int,
    seeds: int | None = None,
    stop: threading.Event | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Confirmed]:
    """Trains each finalist with fresh seeds and scores it on the confirm tasks.

    Args:
        spec: the study.
        data: its tables, already loaded.
        trials: number and parameters of the finalists.
        run_folder: results are kept below ``confirm/`` in it.
        workers: processes to use, each with one thread; 1 runs in this process.
        seeds: fresh seeds of each finalist; ``search.confirm`` where None.
        stop: set to end early; what is done is kept.
        on_progress: called with (jobs done, jobs).

    Returns:
        The runs that gave a score, in the order of finalists and seeds.

    Raises:
        StoppedError: ``stop`` was set.
        RunError: no run gave a score, a process died, or the disk is full.

    >>> data, trials, folder = StudyData.load(spec), [(4, {"width": 8})], Path("tiny")
    >>> [run] = confirm(spec, data, trials, run_folder=folder, workers=1, seeds=1)
    >>> run.trial, run.config.width, run.folder.parent.as_posix()
    (4, 8, 'tiny/confirm')
    """
    stop = stop if stop is not None else threading.Event()
    data.baselines(
        data.confirm_tasks(), workers=workers, on_progress=lambda *_: _raise_if_set(stop)
    )
    # Seed by seed: finalists that train on the same batches come one after the other.
    jobs = [
        _Job(number, params, seed_index, run_folder)
        for seed_index in range(seeds or spec.search.confirm)
        for number, params in trials
    ]
    results: list[Confirmed | AutometaError] = []

    def on_result(result: Confirmed | AutometaError) -> None:
        results.append(result)
        if on_progress is not None:
            on_progress(len(results), len(jobs))

    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            on_result(_result_of(partial(_run_job, data, job, stop), job))
    else:
        _run_in_processes(spec, jobs, workers=workers, stop=stop, on_result=on_result)
    confirmed = [result for result in results if isinstance(result, Confirmed)]
    if not confirmed:
        raise RunError(f"no finalist could be confirmed: {results[0]}")
    rank = {number: index for index, (number, _) in enumerate(trials)}
    return sorted(confirmed, key=lambda run: (rank[run.trial], run.seed_index))


@dataclass(frozen=True)
class _Job:
    """One finalist and one fresh seed."""

    number: int
    params: dict[str, Any]
    seed_index: int
    run_folder: Path


def _raise_if_set(stop: _Stop) -> None:
    if stop.is_set():
        raise StoppedError("stopped while confirming; run the same command to go on")


def _result_of(run: Callable[[], Confirmed], job: _Job) -> Confirmed | AutometaError:
    """The job's result, or the error that ended it, which does not end the confirmation."""
    try:
        return run()
    except StoppedError:
        raise
    except AutometaError as error:
        _logger.warning(
            "confirming trial %d, seed %d failed: %s", job.number, job.seed_index, error
        )
        return error


def _run_in_processes(
    spec: StudySpec,
    jobs: Sequence[_Job],
    *,
    workers: int,
    stop: threading.Event,
    on_result: Callable[[Confirmed | AutometaError], None],
) -> None:
    context = get_context("spawn")
    shared_stop = context.Event()
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        mp_context=context,
        initializer=_start_process,
        initargs=(spec_without_storage(spec), shared_stop),
    )
    try:
        futures = {pool.submit(_run_in_process, job): job for job in jobs}
        waiting = set(futures)
        while waiting:
            _raise_if_set(stop)
            ended, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in ended:
                on_result(_result_of(future.result, futures[future]))
    except BrokenProcessPool as error:
        _raise_if_set(stop)  # a signal to the whole group ends the processes too
        raise RunError(
            "the confirmation needs its processes to stay alive; one of them died (out of memory, "
            "or killed): run the same command again, with fewer workers"
        ) from error
    finally:
        shared_stop.set()
        pool.shutdown(cancel_futures=True)


def _run_job(data: StudyData, job: _Job, stop: _Stop) -> Confirmed:
    spec = data.spec
    config = candidate_config(spec, job.params)
    name = f"{config_hash(config, identity=data.identity())}-{job.seed_index}"
    folder = job.run_folder / "confirm" / name
    value = _known_value(folder)
    if value is None:
        last = train_candidate(
            config,
            data,
            data.confirm_tasks(),
            seed=fresh_seed(spec.search.seed, job.seed_index),
            rungs=spec.training.rungs[-1:],
            checkpoints=None,
            on_rung=lambda _rung: None,
            on_step=lambda _step: _raise_if_set(stop),
        )
        value = last.value
        _keep(folder, last, trial=job.number)
    return Confirmed(job.number, job.seed_index, value, folder, config)


def _known_value(folder: Path) -> float | None:
    """The value of a run that was done before; None where there is none that can be read."""
    try:
        result = json.loads((folder / _RESULT).read_text())
        require_version(result, CONFIRMATION_VERSION)
        for name, sha256 in result["sha256"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha256:
                raise ValueError(f"{name} is not what was written")
        value = float(result["value"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _logger.warning("the confirmation in %s is unreadable and done again: %s", folder, error)
        return None
    return value


def _keep(folder: Path, last: Rung, *, trial: int) -> None:
    """Puts weights, scores and value in place as a whole folder.

    Raises:
        RunError: the disk is full or not writable.
    """
    assert last.sheet is not None
    assert last.learner is not None
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".confirm-", dir=folder.parent))
        write_file(temporary / _WEIGHTS, save(learner_weights(last.learner)))
        last.sheet.to_parquet(temporary / _SCORES)
        hashes = {
            name: hashlib.sha256((temporary / name).read_bytes()).hexdigest()
            for name in (_WEIGHTS, _SCORES)
        }
        result = {
            "version": CONFIRMATION_VERSION,
            "value": last.value,
            "trial": trial,
            "sha256": hashes,
        }
        write_file(temporary / _RESULT, json.dumps(result).encode())
        shutil.rmtree(folder, ignore_errors=True)
        try:
            os.replace(temporary, folder)
        except OSError:
            # Another command that confirms the same study was faster; its run is the same.
            if _known_value(folder) is None:
                raise
    except OSError as error:
        raise RunError(
            f"a confirmation must be kept below {folder.parent}; it could not be written "
            f"({error.strerror or error}): free space, then run the same command again"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


_process: tuple[StudyData, _Stop] | None = None


def _start_process(spec: dict[str, Any], stop: _Stop) -> None:
    global _process  # noqa: PLW0603 - what a pool process keeps between its jobs
    follow_parent()
    _process = StudyData.load(spec_from_dict(spec)), stop


def _run_in_process(job: _Job) -> Confirmed:
    assert _process is not None
    return _run_job(_process[0], job, _process[1])
