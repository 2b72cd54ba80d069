"""The configurations that a target tries first: together they are good for every past study."""

from __future__ import annotations

from typing import Any

import numpy as np

from autometa.priors._candidates import beside, drawn
from autometa.priors._ranks import Floats
from autometa.priors._view import View

_DRAWN = 400
_BESIDE = 3
_REFINED, _REFINED_EACH = 10, 20


def portfolio(view: View, *, size: int) -> list[dict[str, Any]]:
    """Returns configurations that cover the past studies, the best for most of them first.

    Greedily, each entry is the one that lowers the mean over the sources of the best predicted
    rank so far the most; sources count by their initial trust. It is a function of the view alone,
    so that every worker has the same one.

    Args:
        view: the past studies as the target sees them.
        size: most entries; there are fewer where different ones run out.

    Source: Feurer et al. (2022), Auto-sklearn 2.0, section 4.1: greedy portfolios are within 63 %
    of the best one, because the gain of an entry shrinks with those before it.
    """
    if size not in view.portfolios:
        view.portfolios[size] = _chosen(view, size)
    return [dict(entry) for entry in view.portfolios[size]]


def _chosen(view: View, size: int) -> list[dict[str, Any]]:
    if not view.translations or size < 1:
        return []
    trust = np.clip(view.initial_trust, 0.0, None) + 1e-3
    rows = _pool(view, trust)
    ranks = view.predict(rows)
    covered = np.full(len(trust), np.inf)
    entries: list[dict[str, Any]] = []
    for _ in range(size):
        gains = trust @ np.minimum(ranks, covered[:, None])
        order = np.argsort(gains, kind="stable")
        fresh = (view.space.config(rows[place]) for place in order)
        found = next(
            (
                (place, config)
                for place, config in zip(order, fresh, strict=True)
                if config not in entries
            ),
            None,
        )
        if found is None:
            break
        entries.append(found[1])
        covered = np.minimum(covered, ranks[:, found[0]])
    return entries


def _pool(view: View, trust: Floats) -> Floats:
    """Returns possible entries, shape (m, D), denser where the sources predict good ranks."""
    generator = np.random.default_rng(0)
    keep = view.is_conditional
    seeds = view.seeds
    rows = np.concatenate(
        [
            seeds,
            beside(view.space, seeds, generator, each=_BESIDE, keep_choices=keep),
            drawn(view.space, seeds, generator, count=_DRAWN, keep_choices=keep),
        ]
    )
    best = np.argsort(trust @ view.predict(rows), kind="stable")[:_REFINED]
    refined = beside(view.space, rows[best], generator, each=_REFINED_EACH, keep_choices=keep)
    return view.space.snapped(np.concatenate([rows, refined]))
