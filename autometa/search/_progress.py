"""What can be read off a study at any moment: progress for a display, and the leaderboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from autometa.config import StudySpec
from autometa.search._objective import ACCURACY, ADVANTAGE, SECONDS
from autometa.storages import ORIGIN, REASON, RETRY_OF, counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunningTrial:
    """A trial at work: its number, the last rung it has passed and the number of rungs."""

    number: int
    rung: int
    rungs: int


@dataclass(frozen=True)
class Progress:
    """A snapshot of a study.

    Attributes:
        done: trials that count into the budget.
        budget: trials that the study may have.
        states: number of trials by state.
        running: trials at work.
        best: the best completed trial, None before the first.
        advantage: its advantage over the best baseline (keys mean, low, high, baseline, unit, n).
        reasons: failure reasons with their counts.

    >>> progress = Progress(
    ...     done=3,
    ...     budget=30,
    ...     states={"COMPLETE": 2, "FAIL": 1, "RUNNING": 1},
    ...     running=(RunningTrial(number=3, rung=1, rungs=4),),
    ...     best=None,
    ...     advantage=None,
    ...     reasons={"poisoned": 1},
    ... )
    >>> f"{progress.done} of {progress.budget} trials done, {len(progress.running)} at work"
    '3 of 30 trials done, 1 at work'
    """

    done: int
    budget: int
    states: dict[str, int]
    running: tuple[RunningTrial, ...]
    best: FrozenTrial | None
    advantage: dict[str, Any] | None
    reasons: dict[str, int]


def snapshot(study: optuna.Study, spec: StudySpec) -> Progress:
    """Returns where a study stands; reads the storage once.

    >>> study = optuna.create_study(direction="maximize")
    >>> study.optimize(lambda trial: trial.suggest_int("width", 8, 64), n_trials=2)
    >>> progress = snapshot(study, spec)
    >>> f"{progress.done} of {progress.budget}", progress.states
    ('2 of 3', {'COMPLETE': 2})
    """
    trials = study.get_trials(deepcopy=False)
    rungs = spec.training.rungs
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)
    return Progress(
        done=sum(counted(trial) for trial in trials if trial.state.is_finished()),
        budget=spec.search.trials,
        states=dict(Counter(trial.state.name for trial in trials)),
        running=tuple(
            RunningTrial(trial.number, len(trial.intermediate_values), len(rungs))
            for trial in trials
            if trial.state == TrialState.RUNNING
        ),
        best=best,
        advantage=None if best is None else best.user_attrs.get(ADVANTAGE),
        reasons=failure_reasons(trials),
    )


def failure_reasons(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """Returns how often each reason of failure occurs, the most frequent first.

    >>> failed = [
    ...     optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={REASON: reason})
    ...     for reason in ("poisoned", "DivergedError: no finite loss", "poisoned")
    ... ]
    >>> failure_reasons(failed)
    {'poisoned': 2, 'DivergedError: no finite loss': 1}
    """
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    counts = Counter(str(trial.user_attrs.get(REASON, "unknown reason")) for trial in failed)
    return dict(counts.most_common())


def leaderboard(study: optuna.Study) -> pd.DataFrame:
    """Returns one row per trial, best value first, then pruned, failed and running ones.

    Columns: trial, state, value (nats below logistic regression), advantage in accuracy over the
    best baseline with its 95 % interval and the baseline's name, rung (last outer step scored),
    origin, seconds, reason, one column per accuracy cell (``accuracy inductive/K=5``) and one per
    parameter (``params.inner_lr``).

    >>> study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    >>> study.optimize(lambda trial: -trial.suggest_int("depth", 1, 4), n_trials=2)
    >>> leaderboard(study)[["state", "value"]].shape
    (2, 2)
    """
    import pandas as pd

    rows = []
    for trial in study.get_trials(deepcopy=False):
        advantage = trial.user_attrs.get(ADVANTAGE) or {}
        retry_of = trial.user_attrs.get(RETRY_OF)
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state.name,
                "value": trial.value if trial.state == TrialState.COMPLETE else None,
                "advantage": advantage.get("mean"),
                "low": advantage.get("low"),
                "high": advantage.get("high"),
                "best_baseline": advantage.get("baseline"),
                "rung": max(trial.intermediate_values, default=None),
                "origin": trial.user_attrs.get(ORIGIN, "sampler")
                + ("" if retry_of is None else f" (again after {retry_of})"),
                "seconds": trial.user_attrs.get(SECONDS),
                "reason": trial.user_attrs.get(REASON),
            }
            | {
                f"accuracy {cell}": value
                for cell, value in (trial.user_attrs.get(ACCURACY) or {}).items()
            }
            | {f"params.{name}": value for name, value in trial.params.items()}
        )
    order = {"COMPLETE": 0, "PRUNED": 1, "RUNNING": 2, "WAITING": 3, "FAIL": 4}
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    frame["_order"] = frame["state"].map(order)
    frame = frame.sort_values(
        ["_order", "value", "trial"], ascending=[True, False, True], kind="stable"
    )
    return frame.drop(columns="_order").reset_index(drop=True)
