"""Confirmation: the best trials are trained again with fresh seeds, and the mean decides.

The luckiest trial's value overstates it, so that it is never quoted. Confirmation only selects;
the score that is quoted comes from the test tables, read once, with exactly the exported weights.
Every (finalist, seed) is a job of its own whose result is kept, so that an interrupted
confirmation goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from autometa.config import LearnerConfig, StudySpec, spec_from_dict, spec_to_dict
from autometa.errors import AutometaError, RunError, StoppedError
from autometa.evaluation import ScoreSheet
from autometa.learners import AbstractLearner, build_learner, learner_weights, load_weights
from autometa.logging import get_logger
from autometa.search._data import REFERENCE, StudyData
from autometa.search._objective import LEARNER_METHOD, rounded, train_candidate
from autometa.search._space import candidate_config, config_hash

_logger = get_logger(__name__)
_PURPOSE = 0xC0F1


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
    """

    trial: int
    seed_index: int
    value: float
    folder: Path
    config: LearnerConfig

    def learner(self) -> AbstractLearner:
        """Returns the learner with the confirmed weights."""
        learner = build_learner(self.config, seed=0)
        load_weights(learner, load_file(self.folder / "weights.safetensors"))
        return learner.eval()

    def sheet(self) -> ScoreSheet:
        """Returns the learner's scores on the confirm tasks."""
        return ScoreSheet.from_parquet(self.folder / "scores.parquet")


def fresh_seed(study_seed: int, seed_index: int) -> int:
    """Returns the training seed of a confirmation run."""
    sequence = np.random.SeedSequence([study_seed, _PURPOSE, seed_index])
    return int(sequence.generate_state(1)[0] >> 1)


def confirm(
    spec: StudySpec,
    data: StudyData,
    trials: Sequence[tuple[int, dict[str, Any]]],
    *,
    run_folder: Path,
    workers: int,
    stop: threading.Event | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Confirmed]:
    """Trains each finalist with ``search.confirm`` fresh seeds and scores it on the confirm tasks.

    Args:
        spec: the study.
        data: its tables, already loaded.
        trials: number and parameters of the finalists.
        run_folder: results are kept below ``confirm/`` in it.
        workers: processes to use, each with one thread; 1 runs in this process.
        stop: set to end early; what is done is kept.
        on_progress: called with (jobs done, jobs).

    Returns:
        The runs that gave a score, in the order of finalists and seeds.

    Raises:
        StoppedError: ``stop`` was set.
        RunError: no run gave a score.
    """
    stop = stop if stop is not None else threading.Event()
    data.baselines(data.confirm_tasks(), workers=workers)
    jobs = [
        (number, params, seed_index)
        for number, params in trials
        for seed_index in range(spec.search.confirm)
    ]
    results: dict[tuple[int, int], Confirmed] = {}
    reasons = []
    done = 0

    def finish(number: int, seed_index: int, run: Callable[[], Confirmed]) -> None:
        nonlocal done
        try:
            results[number, seed_index] = run()
        except StoppedError:
            raise
        except AutometaError as error:
            _logger.warning("confirming trial %d, seed %d failed: %s", number, seed_index, error)
            reasons.append(str(error))
        done += 1
        if on_progress is not None:
            on_progress(done, len(jobs))

    if workers == 1 or len(jobs) == 1:
        for number, params, seed_index in jobs:
            finish(
                number,
                seed_index,
                partial(_run_job, data, number, params, seed_index, run_folder, stop),
            )
    else:
        context = get_context("spawn")
        shared_stop = context.Event()
        with ProcessPoolExecutor(
            min(workers, len(jobs)),
            mp_context=context,
            initializer=_start_process,
            initargs=(spec_to_dict(spec), shared_stop, os.getpid()),
        ) as pool:
            futures = {
                pool.submit(_run_in_process, number, params, seed_index, run_folder): (
                    number,
                    seed_index,
                )
                for number, params, seed_index in jobs
            }
            waiting = set(futures)
            while waiting:
                if stop.is_set():
                    shared_stop.set()
                    pool.shutdown(cancel_futures=True)
                    raise StoppedError("stopped while confirming; run the same command to go on")
                ended, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in ended:
                    finish(*futures[future], future.result)
    if not results:
        raise RunError(f"no finalist could be confirmed: {reasons[0]}")
    return [results[key] for key in sorted(results, key=_order_of(trials))]


def select(confirmed: Sequence[Confirmed]) -> Confirmed:
    """Returns the best run of the finalist with the best mean over its fresh seeds."""
    values: dict[int, list[float]] = {}
    for run in confirmed:
        values.setdefault(run.trial, []).append(run.value)
    winner = max(values, key=lambda trial: float(np.mean(values[trial])))
    return max((run for run in confirmed if run.trial == winner), key=lambda run: run.value)


def _order_of(
    trials: Sequence[tuple[int, dict[str, Any]]],
) -> Callable[[tuple[int, int]], tuple[int, int]]:
    rank = {number: index for index, (number, _) in enumerate(trials)}
    return lambda key: (rank[key[0]], key[1])


def _run_job(
    data: StudyData,
    number: int,
    params: dict[str, Any],
    seed_index: int,
    run_folder: Path,
    stop: _Stop,
) -> Confirmed:
    spec = data.spec
    config = candidate_config(spec, params)
    folder = (
        run_folder / "confirm" / f"{config_hash(config, identity=data.identity())}-{seed_index}"
    )
    result = folder / "result.json"
    if result.exists():
        value = float(json.loads(result.read_text())["value"])
        return Confirmed(number, seed_index, value, folder, config)
    tasks = data.confirm_tasks()

    def on_step(_step: int) -> None:
        if stop.is_set():
            raise StoppedError("stopped while confirming; run the same command to go on")

    last = train_candidate(
        config,
        data,
        tasks,
        seed=fresh_seed(spec.search.seed, seed_index),
        rungs=spec.training.rungs[-1:],
        checkpoints=None,
        on_rung=lambda _rung: None,
        on_step=on_step,
    )
    assert last.sheet is not None
    assert last.learner is not None
    value = rounded(
        ScoreSheet.concat([data.baselines(tasks), last.sheet]).value(LEARNER_METHOD, over=REFERENCE)
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".confirm-", dir=folder.parent))
    save_file(learner_weights(last.learner), temporary / "weights.safetensors")
    last.sheet.to_parquet(temporary / "scores.parquet")
    (temporary / "result.json").write_text(json.dumps({"value": value, "trial": number}))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
    return Confirmed(number, seed_index, value, folder, config)


class _ProcessStop:
    """Says stop when the parent does, and when the parent is gone."""

    def __init__(self, event: _Stop, parent: int) -> None:
        self._event = event
        self._parent = parent

    def is_set(self) -> bool:
        return self._event.is_set() or os.getppid() != self._parent


_process: tuple[StudyData, _Stop] | None = None


def _start_process(spec: dict[str, Any], stop: _Stop, parent: int) -> None:
    global _process  # noqa: PLW0603 - what a pool process keeps between its jobs
    # An interrupt from the terminal reaches the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    _process = StudyData.load(spec_from_dict(spec)), _ProcessStop(stop, parent)


def _run_in_process(
    number: int, params: dict[str, Any], seed_index: int, run_folder: Path
) -> Confirmed:
    assert _process is not None
    data, stop = _process
    return _run_job(data, number, params, seed_index, run_folder, stop)
