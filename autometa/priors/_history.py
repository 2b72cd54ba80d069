"""The target's own trials, as the past and a proposal are held against them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autometa.priors._learning import kept_places, reliability
from autometa.priors._purse import FIXED_PARAMS
from autometa.priors._ranks import Floats, gaussian_ranks, ranked_trials
from autometa.priors._space import Space


@dataclass(frozen=True)
class History:
    """The target's trials, as far as a proposal needs them.

    Attributes:
        rows: positions of the n ranked trials, shape (n, D).
        scores: their Gaussian ranks, lower is better, shape (n,).
        reliability: 1 for complete trials, less for pruned ones, shape (n,).
        running: positions of the trials that run, shape (r, D).
    """

    rows: Floats
    scores: Floats
    reliability: Floats
    running: Floats


def history_of(trials: Sequence[FrozenTrial], direction: StudyDirection, space: Space) -> History:
    """Returns the history of a study's trials in the positions of a space."""
    ranked, keys = ranked_trials(trials, direction)
    scores = gaussian_ranks(keys)
    kept = kept_places(scores)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING and trial.params]
    return History(
        rows=space.positions([ranked[place].params for place in kept]),
        scores=scores[kept],
        reliability=np.array([reliability(ranked[place]) for place in kept]),
        running=space.positions([trial.params for trial in running]),
    )


def is_same(config: Mapping[str, Any], trial: FrozenTrial) -> bool:
    """Tells whether a trial has tried a configuration already, or was enqueued to try it."""
    given = trial.system_attrs.get(FIXED_PARAMS)
    if given is None and not trial.state.is_finished():
        return False  # not all of its parameters may be drawn yet
    params = trial.params if given is None else given
    return bool(params) and all(
        name in config and _is_equal(config[name], value) for name, value in params.items()
    )


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)
