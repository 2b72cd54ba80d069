"""What the believed past studies call the best next trial, and how far they are believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autometa.priors._candidates import beside, drawn, is_conditional
from autometa.priors._ranks import Floats
from autometa.priors._trust import Trust, trust_in
from autometa.priors._view import View

_DRAWN = 300
_STARTS = 5
_BESIDE = 12


@dataclass(frozen=True)
class History:
    """The target's trials, as far as a proposal needs them.

    Attributes:
        rows: positions of the n ranked trials, shape (n, D).
        scores: their Gaussian ranks, lower is better, shape (n,).
        running: positions of the trials that run, shape (r, D).
    """

    rows: Floats
    scores: Floats
    running: Floats


def trust_of(view: View, history: History) -> Trust:
    """Returns the trust in the view's sources after a history."""
    return trust_in(view.initial_trust, view.predict(history.rows), history.scores)


def propose(
    view: View, history: History, trust: Trust, generator: np.random.Generator
) -> dict[str, Any]:
    """Returns a new configuration that the believed sources together predict to be the best.

    Candidates are drawn at random, beside what the sources liked best and beside the target's own
    best trials, so that the past chooses where the target looks closer too. The target's own model
    is the base sampler's business: a common one was tried and did worse, because it pulled both
    kinds of trials to the same places.

    Args:
        view: the past studies.
        history: the target's trials.
        trust: how far each source is believed.
        generator: source of randomness.
    """
    keep = view.is_conditional or is_conditional(history.rows)
    best = history.rows[np.argsort(history.scores, kind="stable")[:_STARTS]]
    liked = view.seeds[np.argsort(trust.weights @ view.predict(view.seeds), kind="stable")]
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
    order = np.argsort(trust.weights @ view.predict(rows), kind="stable")
    tried = np.concatenate([history.rows, history.running])
    for place in order:
        if not np.isclose(tried, rows[place], equal_nan=True).all(axis=1).any():
            return view.space.config(rows[place])
    # Everything that was looked at was tried already: noise may be worth a second look.
    return view.space.config(rows[order[0]])
