"""Which trials a command confirms, and with how many fresh seeds: decided once, and kept.

How many there are depends on the seconds that are left. A resumed or repeated command has fewer,
and would else choose, and test, another winner.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from autometa.config import StudySpec
from autometa.search._objective import SECONDS
from autometa.search._selection import finalists

FINALISTS: Final = "autometa:finalists"
"""User attribute of a study: the trials that are confirmed, and what they were chosen under."""


def chosen_finalists(
    study: optuna.Study, spec: StudySpec, *, workers: int, seconds: float
) -> tuple[list[FrozenTrial], int]:
    """Returns the trials to confirm, best first, and the number of fresh seeds of each.

    They are those that were chosen before, unless the search has gone on since.

    Args:
        study: the study.
        spec: its specification.
        workers: processes that confirm.
        seconds: what is left for it.

    Raises:
        RunError: no trial is complete.

    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> study.enqueue_trial({"width": 8})
    >>> study.optimize(lambda trial: -trial.suggest_int("width", 8, 64), n_trials=2)
    >>> chosen, seeds = chosen_finalists(study, spec, workers=1, seconds=60)
    >>> [trial.params for trial in chosen], seeds
    ([{'width': 8}, {'width': 64}], 3)
    """
    trials = study.get_trials(deepcopy=False)
    chosen_under = {
        "complete": sum(trial.state == TrialState.COMPLETE for trial in trials),
        "finalists": spec.search.finalists,
        "confirm": spec.search.confirm,
        "seconds": spec.search.seconds,
    }
    stored = study.user_attrs.get(FINALISTS, {})
    if stored.get("chosen_under") == chosen_under:
        # Studies from before the number of seeds was chosen too have all of them.
        seeds = int(stored.get("seeds", spec.search.confirm))
        return [trials[number] for number in stored["trials"]], seeds
    count, seeds = affordable(trials, spec, workers=workers, seconds=seconds)
    chosen = finalists(study, count=count)
    numbers = [trial.number for trial in chosen]
    study.set_user_attr(
        FINALISTS, {"chosen_under": chosen_under, "trials": numbers, "seeds": seeds}
    )
    return chosen, seeds


def affordable(
    trials: Sequence[FrozenTrial], spec: StudySpec, *, workers: int, seconds: float
) -> tuple[int, int]:
    """Returns how many finalists the seconds allow, and how many fresh seeds of each.

    A run costs the median of the completed trials. Two finalists with fewer seeds come before one
    with all of them, which decides nothing; one run is made however few the seconds are.
    """
    search = spec.search
    durations = [
        float(trial.user_attrs[SECONDS])
        for trial in trials
        if trial.state == TrialState.COMPLETE and SECONDS in trial.user_attrs
    ]
    if not durations:
        return search.finalists, search.confirm
    runs = max(1, int(seconds * workers / max(statistics.median(durations), 1e-3)))
    wanted = min(2, search.finalists, runs)
    seeds = min(search.confirm, runs // wanted)
    return min(search.finalists, runs // seeds), seeds
