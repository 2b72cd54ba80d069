"""What past studies had to do with a study: the trials that they led, and the trust in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import optuna

from autometa.config import StudySpec
from autometa.priors import PURSE, TRUST, Purse, is_wager, purse_of
from autometa.report._words import counted, listed
from autometa.search import warm_start_of

_MOST_NAMED = 5


@dataclass(frozen=True)
class Past:
    """The part of the past in a study.

    Attributes:
        sources: names of the past studies that it began with.
        led: numbers of the trials that the past has proposed.
        trust: trial -> past study -> expected rank correlation of its opinion with the study's
            trials, at the time of that trial and of the most trusted ones alone.
        purse: how the trials that the past has led have fared.
    """

    sources: tuple[str, ...]
    led: frozenset[int]
    trust: Mapping[int, Mapping[str, float]]
    purse: Purse


def past_of(study: optuna.Study, spec: StudySpec) -> Past | None:
    """Returns what past studies had to do with a study; None where it began without."""
    start = warm_start_of(study, spec)
    if start is None:
        return None
    trials = study.get_trials(deepcopy=False)
    told = {trial.number: trial.user_attrs[TRUST] for trial in trials if TRUST in trial.user_attrs}
    return Past(
        sources=tuple(source.name for source in start.prior.sources),
        led=frozenset(trial.number for trial in trials if is_wager(trial)),
        trust={number: dict(trust["sources"]) for number, trust in told.items()},
        purse=purse_of(trials, study.direction, size=PURSE),
    )


def past_words(past: Past) -> list[str]:
    """Returns in sentences what past studies had to do with a study."""
    purse = past.purse
    names = past.sources[:_MOST_NAMED]
    more = len(past.sources) - len(names)
    waiting = f"; {purse.open} cannot be told yet" if purse.open else ""
    return [
        f"It began with what {counted(len(past.sources), 'past study', 'past studies')} taught "
        f"({listed(names)}{f' and {more} more' if more > 0 else ''}), which led "
        f"{counted(len(past.led), 'trial', 'trials')}.",
        f"Of these, {purse.won} have beaten the running median of the other trials and "
        f"{purse.lost} have not{waiting}. Once {purse.size} more have been lost than won, the past "
        "proposes no more.",
    ]
