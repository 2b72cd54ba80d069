"""What autometa writes about a trial, and which trials count into the budget."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState

WORKER = "autometa:worker"
"""User attribute: the stamp of the worker, see ``worker_stamp``."""

REASON = "autometa:reason"
"""User attribute of a failed trial: why, as one of the reasons below or in free words."""

RETRY_OF = "autometa:retry_of"
"""User attribute: the number of the lost or interrupted trial that this one repeats."""

RETRIES = "autometa:retries"
"""User attribute: how many workers died on these parameters before this trial."""

WINNER = "autometa:winner"
"""User attribute of a study whose winner is exported: its trial, seed and confirmed value."""

ORIGIN = "autometa:origin"
"""User attribute: where the parameters come from; a retry inherits it."""

WORKER_DIED = "worker died"
POISONED = "poisoned"
INTERRUPTED = "interrupted"

NOT_COUNTED = frozenset({WORKER_DIED, INTERRUPTED})
"""Reasons that say nothing about the parameters: the study's trial budget is not charged."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
"""The states in which a trial changes no more."""


def counted(trial: FrozenTrial) -> bool:
    """Returns whether a trial counts into the study's trial budget.

    Complete and pruned trials do, and failures of the trial's own making, such as a diverged
    inner loop or a poisoned configuration, so that a search in which everything fails ends.
    Trials that lost their worker, were interrupted or ran out of the study's time do not.

    >>> failed = {"state": TrialState.FAIL, "user_attrs": {REASON: WORKER_DIED}}
    >>> counted(optuna.trial.create_trial(**failed)), counted(optuna.trial.create_trial(value=0.1))
    (False, True)
    """
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        return True
    return trial.state == TrialState.FAIL and trial.user_attrs.get(REASON) not in NOT_COUNTED


def trials_done(study: optuna.Study) -> int:
    """Returns how much of the trial budget is used, over all workers and restarts.

    >>> study = optuna.create_study()
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    >>> running = study.ask()
    >>> trials_done(study), len(study.trials)
    (3, 4)
    """
    return sum(counted(trial) for trial in study.get_trials(deepcopy=False, states=FINISHED))
