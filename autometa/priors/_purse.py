"""The warranty: prior-led trials are wagers from a small purse.

A purse begins with P stakes. A prior-led trial takes one out. If it beats the running median of the
base trials, when it ends or at any time later, its stake comes back with one more; else it is lost.
Without a stake nothing is prior-led.

So at any moment, over any number of workers and restarts,

    lost + open <= P + won,

because a wager is only opened while that stays true, and later it moves from open to lost or to
won, or from lost to won. The second look is for the start of a search, where one lucky base trial
would take the past its say for good. A prior that never helps costs at most P trials, and the
search is then the base sampler's own. One that stops helping may also lose as many again as it has
won.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autometa.priors._ranks import Key, ranked_trials
from autometa.storages import ORIGIN, counted

PORTFOLIO = "portfolio"
PRIOR = "prior"
BASE = "base"
ANCHOR = "anchor"

PURSE = 6
"""Stakes that a purse begins with where nothing is said."""

FIXED_PARAMS = "fixed_params"  # where Optuna keeps the parameters of an enqueued trial
_FAILED_KEY: Key = (2.0,)


@dataclass(frozen=True)
class Purse:
    """The state of the wagers.

    Attributes:
        size: stakes at the beginning, P.
        stakes: stakes that may be taken out now; 0 or less allows no wager.
        won: wagers that have beaten the base trials.
        lost: those that have not yet, failed ones included.
        open: those that run, or wait for base trials to be compared with.

    >>> Purse(size=6, stakes=4, won=1, lost=2, open=1).stakes
    4
    """

    size: int
    stakes: int
    won: int
    lost: int
    open: int


def is_enqueued(trial: FrozenTrial) -> bool:
    """Returns whether a trial's parameters were given by somebody, not sampled."""
    return FIXED_PARAMS in trial.system_attrs


def is_wager(trial: FrozenTrial) -> bool:
    """Returns whether a trial is prior-led, retries of lost ones included.

    >>> import optuna
    >>> origin = {ORIGIN: "portfolio 1"}
    >>> is_wager(optuna.trial.create_trial(value=0.0, user_attrs=origin))
    True
    """
    origin = str(trial.user_attrs.get(ORIGIN, ""))
    return origin == PRIOR or origin.startswith(PORTFOLIO)


def purse_of(trials: Sequence[FrozenTrial], direction: StudyDirection, *, size: int) -> Purse:
    """Returns the state of the wagers among a study's trials.

    It is computed from what the storage holds alone, so that all workers see one purse. A sampled
    trial that runs without an origin counts as open: another worker is just about to choose it.

    Args:
        trials: those that were created before the one that asks.
        direction: of the study.
        size: stakes at the beginning.

    >>> purse_of([], StudyDirection.MINIMIZE, size=PURSE)
    Purse(size=6, stakes=6, won=0, lost=0, open=0)
    """
    ranked, found = ranked_trials(trials, direction)
    keys = {trial.number: key for trial, key in zip(ranked, found, strict=True)}
    base = sorted(
        (_ended(trial), keys.get(trial.number, _FAILED_KEY))
        for trial in trials
        if trial.state.is_finished() and counted(trial) and not is_wager(trial)
    )
    ends = [ended for ended, _ in base]
    bars = _lowest_bars([key for _, key in base])
    won = lost = waiting = 0
    for trial in filter(is_wager, trials):
        if trial.state == TrialState.FAIL and not counted(trial):
            continue  # its worker was lost; what repeats it is the wager
        if not trial.state.is_finished() or not base:
            waiting += 1
            continue
        before = max(1, bisect_right(ends, _ended(trial)))
        if keys.get(trial.number, _FAILED_KEY) < bars[before - 1]:
            won += 1
        else:
            lost += 1
    unmarked = sum(
        trial.state == TrialState.RUNNING
        and ORIGIN not in trial.user_attrs
        and not is_enqueued(trial)
        for trial in trials
    )
    waiting += unmarked
    stakes = size + won - lost - waiting
    return Purse(size=size, stakes=stakes, won=won, lost=lost, open=waiting)


def _lowest_bars(keys: Sequence[Key]) -> list[Key]:
    """Returns what a wager has to beat, by how many base trials had finished at its end.

    It is the worst of the running medians at that end and later: to beat any of them is enough.

    Args:
        keys: of the base trials, in the order of their ends; lower is better.

    >>> _lowest_bars([(0.0,), (3.0,), (2.0,)])
    [(2.0,), (2.0,), (2.0,)]
    """
    ordered: list[Key] = []
    medians = []
    for key in keys:
        insort(ordered, key)
        # Of an even number the better middle one: a tie of luck shall not pay.
        medians.append(ordered[(len(ordered) - 1) // 2])
    return list(accumulate(reversed(medians), max))[::-1]


def _ended(trial: FrozenTrial) -> datetime:
    return trial.datetime_complete or datetime.max
