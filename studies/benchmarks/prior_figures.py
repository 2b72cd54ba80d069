"""What the searches of ``priors.py`` come to, by arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from prior_arms import COLD, Arm
from priors_page import COLD_ARM, MARKS, Found

_WORSE = 0.1
_REACHED_AT = 30


def regrets_of(
    runs: dict[str, Found], name: str, tasks: Sequence[str], seeds: int
) -> np.ndarray[Any, Any]:
    """Returns regrets, shape (tasks, seeds, trials)."""
    return np.array(
        [[runs[f"{name}/{task}/{seed}"]["regrets"] for seed in range(seeds)] for task in tasks]
    )


def interval(per_task: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Returns the 95 % bootstrap interval of a mean over tasks."""
    generator = np.random.default_rng(0)
    places = generator.integers(len(per_task), size=(2000, len(per_task)))
    low, high = np.quantile(per_task[places].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def first_at(curve: np.ndarray[Any, Any], goal: float) -> int | None:
    """Returns the first trial whose mean regret is at most the goal."""
    reached = np.nonzero(curve <= goal)[0]
    return int(reached[0]) + 1 if len(reached) else None


def summarised(
    runs: dict[str, Found], arms: dict[str, Arm], tasks: Sequence[str], seeds: int
) -> dict[str, Found]:
    """Returns the figures of each arm."""
    regrets = {name: regrets_of(runs, name, tasks, seeds) for name in arms}
    ranks = {
        mark: np.argsort(
            np.argsort(np.stack([regrets[name][..., mark - 1] for name in arms]), axis=0), axis=0
        ).mean(axis=(1, 2))
        + 1
        for mark in (8, 32)
    }
    figures: dict[str, Found] = {}
    for place, name in enumerate(arms):
        found, cold = regrets[name], regrets[COLD.get(name, COLD_ARM)]
        goal = float(cold.mean(axis=(0, 1))[_REACHED_AT - 1])
        behind = found[..., -1] - cold[..., -1]
        own = [runs[f"{name}/{task}/{seed}"] for task in tasks for seed in range(seeds)]
        curve = found.mean(axis=(0, 1))
        difference = (found - cold)[..., _REACHED_AT - 1].mean(axis=1)
        figures[name] = {
            "regret": {str(mark): round(float(curve[mark - 1]), 4) for mark in MARKS},
            "interval_at_8": interval(found[..., 7].mean(axis=1)),
            "rank_at_8": round(float(ranks[8][place]), 2),
            "rank_at_32": round(float(ranks[32][place]), 2),
            "reaches_cold_at_30": first_at(curve, goal),
            "against_cold_at_30": round(float(difference.mean()), 4),
            "against_cold_interval": interval(difference),
            "clearly_worse": round(float((behind > _WORSE).mean()), 4),
            "clearly_worse_interval": interval((behind > _WORSE).mean(axis=1)),
            "worst_task_against_cold": round(float(behind.mean(axis=1).max()), 4),
            "led": round(float(np.mean([run["led"] for run in own])), 2),
            "most_unearned": max(run["unearned"] for run in own),
            "ask_seconds": round(float(np.mean([run["ask_seconds"] for run in own])), 4),
        }
    return figures
