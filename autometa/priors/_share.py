"""How often the past leads a trial after the portfolio."""

from __future__ import annotations

from autometa.priors._purse import Purse
from autometa.priors._trust import Trust

_SLOPE = 2.0
_MOST = 0.8
"""From a trust of 0.4 on the past leads four of five trials at first: never all of them, because
the base sampler is what its wagers are judged by."""

_FADE_TRIALS = 128.0
"""Trials after which it leads half as many."""

_CAUTION = 2
"""Power of the share of wagers won: where half were lost, a quarter as many are tried."""


def share_of(trust: Trust, purse: Purse, count: int) -> float:
    """Returns the probability with which the past leads the next trial, between 0 and 0.8.

    It follows what the past foretells of the trials (trust), what came of the trials that it led
    (the wagers won), and fades with their number.

    Args:
        trust: in the sources, after the trials so far.
        purse: the wagers so far.
        count: trials so far.

    >>> import numpy as np
    >>> trust = Trust(expected=np.array([0.5]), weights=np.array([1.0]))
    >>> share_of(trust, Purse(size=4, stakes=4, won=0, lost=0, open=0), 0)
    0.8
    >>> share_of(trust, Purse(size=4, stakes=2, won=1, lost=2, open=0), 128)
    0.1
    """
    won = (1 + purse.won) / (1 + purse.won + purse.lost)
    return min(_MOST, _SLOPE * trust.total) * won**_CAUTION / (1 + count / _FADE_TRIALS)
