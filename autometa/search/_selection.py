"""Which trials are confirmed, and which of them wins.

The default configuration of a learner is confirmed beside the best trials, and keeps its place
unless a trial is better by more than a standard error of the difference over families: the
one-standard-error rule (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3).
The best of many trials is better than it by chance alone, and what a search found on few families
may be worse on the next ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from autometa.config import StudySpec, default_params
from autometa.errors import RunError
from autometa.search._confirm import Confirmed
from autometa.search._objective import LEARNER_METHOD
from autometa.search._space import candidate_config, config_hash
from autometa.search._study import load_spec
from autometa.storages import REASON, counted
from autometa.typing import FloatArray

_FEWEST_FAMILIES = 5
"""With fewer, the standard error over families is too uncertain to decide anything."""


@dataclass(frozen=True)
class Selection:
    """The winner of a confirmation.

    Attributes:
        winner: the best run of the finalist that wins.
        yielded: number of the trial with the best mean, where the default was kept before it.
        gain: mean gain of the best other finalist over the default, in nats; None where the rule
            did not apply.
        standard_error: of that gain, over families.

    >>> from pathlib import Path
    >>> from autometa.config import MamlConfig
    >>> default = Confirmed(0, 1, value=0.05, folder=Path("run"), config=MamlConfig())
    >>> selection = Selection(default, yielded=4, gain=0.002, standard_error=0.003)
    >>> str(selection).rpartition(", ")[2]
    'which is not more than a standard error: the default wins'
    """

    winner: Confirmed
    yielded: int | None = None
    gain: float | None = None
    standard_error: float | None = None

    def __str__(self) -> str:
        """Returns a sentence about the default and the best other finalist; empty without."""
        if self.gain is None:
            return ""
        verdict = (
            f"which is more than a standard error: trial {self.winner.trial} wins"
            if self.yielded is None
            else "which is not more than a standard error: the default wins"
        )
        number = self.winner.trial if self.yielded is None else self.yielded
        return (
            f"trial {number} against the default: {self.gain:+.4f} nats, standard error over "
            f"families {self.standard_error:.4f}, {verdict}"
        )


def finalists(study: optuna.Study, *, count: int) -> list[FrozenTrial]:
    """Returns the best completed trials with distinct configurations, best first.

    Where there are at least two, the better of the defaults that completed is among them.

    Raises:
        RunError: no trial is complete; the most frequent reason of failure is named.

    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> for width in (8, 16):
    ...     study.enqueue_trial({"width": width})
    >>> study.optimize(lambda trial: -trial.suggest_int("width", 8, 64), n_trials=3)
    >>> [trial.params for trial in finalists(study, count=2)]
    [{'width': 8}, {'width': 64}]
    """
    spec = load_spec(study)
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise RunError(f"the study {study.study_name!r} has no finished trial; {_failures(trials)}")
    best: dict[str, FrozenTrial] = {}
    for trial in sorted(complete, key=lambda trial: (-float(trial.value or 0.0), trial.number)):
        best.setdefault(config_hash(candidate_config(spec, trial.params)), trial)
    defaults = [key for key in best if key in _default_hashes(spec)]
    chosen = list(best)[:count]
    if count > 1 and defaults and not set(chosen) & set(defaults):
        chosen[-1] = defaults[0]
    return [best[key] for key in chosen]


def select(spec: StudySpec, confirmed: Sequence[Confirmed]) -> Selection:
    """Returns the winner: the default, or the finalist with the best mean over its fresh seeds.

    A finalist that failed with a seed yields to those that failed with fewer: the mean over the
    seeds that went well would favour it.

    Args:
        spec: the study.
        confirmed: what ``confirm`` returned.

    >>> from pathlib import Path
    >>> from autometa.config import MamlConfig
    >>> runs = [
    ...     Confirmed(trial, index, value, Path("run"), MamlConfig(width=8 * trial))
    ...     for trial, values in {1: (0.01, 0.09), 2: (0.06, 0.07)}.items()
    ...     for index, value in enumerate(values)
    ... ]
    >>> winner = select(spec, runs).winner
    >>> winner.trial, winner.value
    (2, 0.07)
    """
    runs: dict[int, list[Confirmed]] = {}
    for run in confirmed:
        runs.setdefault(run.trial, []).append(run)
    ranks = {
        trial: (len(own), float(np.mean([run.value for run in own]))) for trial, own in runs.items()
    }
    hashes = _default_hashes(spec)
    defaults = [trial for trial, own in runs.items() if config_hash(own[0].config) in hashes]
    leader = max(ranks, key=lambda trial: ranks[trial])
    best_run = _best_run(runs[leader])
    rivals = [trial for trial in defaults if len(runs[trial]) == len(runs[leader])]
    if leader in defaults or not rivals:
        return Selection(best_run)
    default = max(rivals, key=lambda trial: ranks[trial])
    gains_N = _gains(runs[leader], runs[default])
    if len(gains_N) < _FEWEST_FAMILIES:
        return Selection(best_run)
    gain = float(gains_N.mean())
    error = float(gains_N.std(ddof=1) / np.sqrt(len(gains_N)))
    if gain > error:
        return Selection(best_run, gain=gain, standard_error=error)
    return Selection(_best_run(runs[default]), leader, gain, error)


def _best_run(runs: Sequence[Confirmed]) -> Confirmed:
    return max(runs, key=lambda run: run.value)


def _gains(runs: Sequence[Confirmed], rivals: Sequence[Confirmed]) -> FloatArray:
    """Returns, by family, how much lower the mean log-loss of some runs is than that of others."""
    ours, theirs = (
        np.mean([run.sheet().family_means("log_loss", LEARNER_METHOD) for run in some], axis=0)
        for some in (runs, rivals)
    )
    return np.asarray(theirs - ours, float)


def _default_hashes(spec: StudySpec) -> Collection[str]:
    return {config_hash(candidate_config(spec, params)) for params in default_params(spec)}


def _failures(trials: list[FrozenTrial]) -> str:
    # Interrupted trials say nothing about the study; numbers in a reason differ between trials.
    kinds: dict[str, list[str]] = {}
    for trial in trials:
        if trial.state == TrialState.FAIL and counted(trial):
            reason = str(trial.user_attrs.get(REASON, "unknown reason"))
            kinds.setdefault(reason.partition(":")[0], []).append(reason)
    if not kinds:
        return "give it more time (search.seconds) or fewer outer steps (training.outer_steps)"
    top = max(kinds.values(), key=len)
    return f"{sum(map(len, kinds.values()))} failed, most often: {top[0]}"
