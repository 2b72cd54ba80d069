"""The best next trial by what the past and the target's own trials predict."""

from __future__ import annotations

from typing import Any

import numpy as np

from autometa.priors._candidates import beside, drawn, is_conditional
from autometa.priors._history import History
from autometa.priors._prediction import Predict
from autometa.priors._view import View

_DRAWN = 300
_STARTS = 5
_BESIDE = 12


def propose(
    view: View, history: History, predict: Predict, generator: np.random.Generator
) -> dict[str, Any]:
    """Returns a new configuration that is predicted to be the best.

    Candidates are drawn at random, beside what the sources liked best and beside the target's own
    best trials.

    Args:
        view: the past studies.
        history: the target's trials.
        predict: what candidates are compared by.
        generator: source of randomness.
    """
    keep = view.is_conditional or is_conditional(history.rows)
    best = history.rows[np.argsort(history.scores, kind="stable")[:_STARTS]]
    liked = view.seeds[np.argsort(predict(view.seeds), kind="stable")]
    starts = np.concatenate([liked[: 2 * _STARTS], best])
    templates = np.concatenate([view.seeds, best])
    rows = np.concatenate(
        [
            view.seeds,
            beside(view.space, starts, generator, each=_BESIDE, keep_choices=keep),
            drawn(view.space, templates, generator, count=_DRAWN, keep_choices=keep),
        ]
    )
    rows = view.space.snapped(rows)
    order = np.argsort(predict(rows), kind="stable")
    tried = np.concatenate([history.rows, history.running])
    for place in order:
        if not np.isclose(tried, rows[place], equal_nan=True).all(axis=1).any():
            return view.space.config(rows[place])
    # Everything that was looked at was tried already: noise may be worth a second look.
    return view.space.config(rows[order[0]])
