"""One candidate: meta-train its learner rung by rung, and score each rung on fixed episodes.

A candidate's value is a function of the study seed and its parameters alone: batches are a
function of (seed, step), initial weights of the seed, and the episodes are fixed. Neither the
trial's number nor the worker, nor a restart in between, changes it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from autometa.config import LearnerConfig, StudySpec
from autometa.errors import AutometaError, RunError
from autometa.evaluation import EvaluationTask, ScoreSheet, score_learner
from autometa.learners import AbstractLearner, OuterLoop, build_learner
from autometa.logging import get_logger
from autometa.search._checkpoints import Checkpoints
from autometa.search._data import REFERENCE, StudyData
from autometa.search._device import resolve_device
from autometa.search._peak import note_peak
from autometa.search._space import candidate_config, config_hash, suggest
from autometa.search._threads import one_thread
from autometa.storages import WORKER, stamp_trial

_logger = get_logger(__name__)

LEARNER_METHOD = "autometa"
"""Name of the learner in score sheets."""

ADVANTAGE = "autometa:advantage"
ACCURACY = "autometa:accuracy"
CONFIG_HASH = "autometa:config_hash"
CONFIG = "autometa:config"
SECONDS = "autometa:train_seconds"

_DIGITS = 6
"""Significant digits of reported values: more overflow the dashboard's cards and mean nothing."""


class NonFiniteValueError(RunError):
    """A candidate's score is not a finite number."""


class CandidateFailedError(RunError):
    """Training or scoring a candidate failed for want of memory, or in its arithmetic."""


def rounded(value: float) -> float:
    """Returns a value rounded to six significant digits."""
    return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True)
class Rung:
    """A scored rung of a candidate.

    Attributes:
        step: outer steps done.
        value: mean advantage in log-loss over the reference, in nats.
        sheet: the learner's scores; None where a checkpoint supplied the value.
        learner: the averaged learner at that step; None likewise.
    """

    step: int
    value: float
    sheet: ScoreSheet | None
    learner: AbstractLearner | None


def train_candidate(
    config: LearnerConfig,
    data: StudyData,
    tasks: Sequence[EvaluationTask],
    *,
    seed: int,
    rungs: Sequence[int],
    checkpoints: Checkpoints | None,
    on_rung: Callable[[Rung], None],
    on_step: Callable[[int], None] | None = None,
) -> Rung:
    """Meta-trains one configuration and scores it at every rung.

    Args:
        config: the learner's complete configuration.
        data: tables, training stream and baseline scores.
        tasks: what to score on.
        seed: seed of initial weights and training stream.
        rungs: outer steps at which to score; the last one ends the training.
        checkpoints: where to keep and find the state; None keeps nothing.
        on_rung: called at every rung in order, those before a resumed checkpoint too; may raise
            to stop.
        on_step: called after every outer step, and after every batch that is scored; may raise to
            stop.

    Returns:
        The last rung, with learner and scores.

    Raises:
        DivergedError: losses were not finite too often.
        NonFiniteValueError: a rung's score is not finite.
        CandidateFailedError: memory was exhausted, or the arithmetic failed.

    >>> data = StudyData.load(spec)
    >>> last = train_candidate(
    ...     candidate_config(spec, {"width": 8}),
    ...     data,
    ...     data.search_tasks(),
    ...     seed=0,
    ...     rungs=spec.training.rungs,
    ...     checkpoints=None,
    ...     on_rung=lambda rung: print(rung.step),
    ... )
    1
    2
    4
    >>> last.step, last.sheet.methods()
    (4, ['autometa'])
    """
    with one_thread(), _numerical_errors():
        spec = data.spec
        device = resolve_device(spec.training.device)
        baselines = data.baselines(tasks)
        loop = OuterLoop(
            build_learner(config, seed=seed),
            data.training_episodes(config, seed=seed).batch,
            outer_steps=spec.training.outer_steps,
            outer_lr=spec.training.outer_lr,
            device=device,
        )
        if checkpoints is not None:
            _resume(loop, checkpoints, rungs)
        last: Rung | None = None
        for step in rungs:
            known = checkpoints.values.get(step) if checkpoints is not None else None
            is_last = step == rungs[-1]
            if known is not None and not is_last:
                on_rung(Rung(step, known, None, None))
                continue
            loop.run_until(step, on_step=on_step)
            learner = loop.averaged()
            batches = data.evaluation_batches(tasks, learner.components)
            sheet = score_learner(
                learner,
                batches,
                method=LEARNER_METHOD,
                device=device,
                on_progress=None if on_step is None else lambda *_, at=step: on_step(at),
            )
            value = ScoreSheet.concat([baselines, sheet]).value(LEARNER_METHOD, over=REFERENCE)
            if not math.isfinite(value):
                raise NonFiniteValueError(f"the score at outer step {step} is {value}")
            value = rounded(value)
            if checkpoints is not None and known is None:
                checkpoints.save(step, value, loop.state())
            last = Rung(step, value, sheet, learner)
            on_rung(last)
        assert last is not None
        return last


@contextmanager
def _numerical_errors() -> Iterator[None]:
    """Turns what a candidate's size or numbers cause into an error that fails the trial alone."""
    try:
        yield
    except AutometaError:
        raise
    # PyTorch reports exhausted memory, of the CPU and of devices, as RuntimeError.
    except (ArithmeticError, MemoryError, RuntimeError, np.linalg.LinAlgError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CandidateFailedError(
            f"a candidate must be trainable on this machine; got {type(error).__name__}"
            f"{reason and ': '}{reason}: narrow the space"
        ) from error


def _resume(loop: OuterLoop, checkpoints: Checkpoints, rungs: Sequence[int]) -> None:
    """Goes on from a checkpoint, where it has all that the rungs behind it need."""
    saved = checkpoints.load(rungs)
    if saved is None:
        return
    try:
        loop.load_state(saved)
    except RunError as error:
        # Left by another version of autometa; training again costs time and changes no value.
        _logger.warning("the checkpoint %s is not used: %s", checkpoints.folder, error)
        checkpoints.values.clear()


class Objective:
    """The objective of a study, for autometa's own workers and for ``study.optimize``.

    Args:
        spec: the study.
        data: its tables; loaded when None.
        run_folder: where checkpoints are kept; None keeps none.
        on_step: called after every outer step; may raise to stop the trial.

    >>> study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    >>> study.optimize(Objective(spec), n_trials=1)
    >>> list(study.trials[0].intermediate_values)
    [1, 2, 4]
    """

    def __init__(
        self,
        spec: StudySpec,
        *,
        data: StudyData | None = None,
        run_folder: Path | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        self.spec = spec
        self.data = data if data is not None else StudyData.load(spec)
        self._run_folder = run_folder
        self._on_step = on_step
        self._tasks = self.data.search_tasks()
        self._identity = self.data.identity()

    def checkpoints_of(self, config: LearnerConfig) -> Checkpoints | None:
        """Returns the checkpoint folder of a configuration, if checkpoints are kept."""
        if self._run_folder is None:
            return None
        key = config_hash(config, identity=self._identity)
        return Checkpoints(self._run_folder / "checkpoints" / key)

    def __call__(self, trial: optuna.Trial) -> float:
        """Trains and scores one candidate.

        Raises:
            optuna.TrialPruned: a rung fell behind the other trials.
            DivergedError, NonFiniteValueError: the candidate has no value.
        """
        if WORKER not in trial.user_attrs:
            # One's own study.optimize: without a stamp a reaper would take the trial for lost.
            stamp_trial(trial)
        config = candidate_config(self.spec, suggest(trial, self.spec))
        trial.set_user_attr(CONFIG_HASH, config_hash(config))
        trial.set_user_attr(CONFIG, config.model_dump(mode="json"))
        rungs = self.spec.training.rungs
        started = time.monotonic()

        def on_rung(rung: Rung) -> None:
            trial.report(rung.value, step=rung.step)
            if rung.step != rungs[-1] and trial.should_prune():
                note_peak(trial)
                raise optuna.TrialPruned(f"behind the other trials at outer step {rung.step}")

        last = train_candidate(
            config,
            self.data,
            self._tasks,
            seed=self.spec.search.seed,
            rungs=rungs,
            checkpoints=self.checkpoints_of(config),
            on_rung=on_rung,
            on_step=self._on_step,
        )
        assert last.sheet is not None
        trial.set_user_attr(SECONDS, round(time.monotonic() - started, 3))
        note_peak(trial)
        for key, value in self._summary(last.sheet).items():
            trial.set_user_attr(key, value)
        return last.value

    def _summary(self, sheet: ScoreSheet) -> dict[str, Any]:
        """Accuracy by setting and shot, and the advantage over the best baseline."""
        baselines = self.data.baselines(self._tasks)
        return {
            ACCURACY: accuracy_by_cell(sheet, LEARNER_METHOD),
            ADVANTAGE: advantage_over_best(ScoreSheet.concat([baselines, sheet])),
        }


def accuracy_by_cell(sheet: ScoreSheet, method: str) -> dict[str, float]:
    """Returns the mean accuracy over families for each ``setting/K=shot``."""
    return {
        f"{setting}/K={shot}": rounded(sheet.mean("accuracy", method, setting=setting, shot=shot))
        for setting, shot in sheet.cells()
    }


def advantage_over_best(sheet: ScoreSheet) -> dict[str, Any]:
    """Returns the learner's accuracy minus the best single baseline's, over all cells, with CI.

    >>> from autometa.evaluation import METRICS
    >>> rows = [
    ...     {"table": "t", "family": "f", "role": "test", "setting": "inductive", "shot": 1}
    ...     | {"seed": 0, "episode": episode, "method": method, "diverged": False}
    ...     | dict.fromkeys(METRICS, score)
    ...     for method, score in (("autometa", 0.8), ("knn", 0.6), ("lda", 0.7))
    ...     for episode in range(3)
    ... ]
    >>> found = advantage_over_best(ScoreSheet.from_rows(rows))
    >>> found["baseline"], found["mean"]
    ('lda', 0.1)
    """
    baseline = sheet.best_baseline(exclude=(LEARNER_METHOD,))
    advantage = sheet.advantage(LEARNER_METHOD, baseline, metric="accuracy")
    return {
        "baseline": baseline,
        "mean": rounded(advantage.mean),
        "low": rounded(advantage.low),
        "high": rounded(advantage.high),
        "unit": advantage.unit,
        "n": advantage.n,
    }
