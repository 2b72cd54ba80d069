"""Past studies of a few lines, with known optima."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "width": IntDistribution(1, 9),
    "kind": CategoricalDistribution(["plain", "fancy"]),
}


def loss(params: Mapping[str, Any]) -> float:
    """A bowl around rate 0.01 and width 7, of which fancy is the better half."""
    rate = params.get("rate", 0.01)
    width = params.get("width", 7)
    return abs(math.log10(rate) + 2) + abs(width - 7) / 3 + 0.5 * (params.get("kind") == "plain")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def bowl() -> Callable[[Mapping[str, Any]], float]:
    """What the past studies minimised."""
    return loss


@pytest.fixture
def space() -> dict[str, BaseDistribution]:
    """The space of the past studies."""
    return dict(SPACE)


@pytest.fixture
def past() -> Callable[..., optuna.Study]:
    """Makes a finished study by random search."""

    def make(
        name: str = "past",
        *,
        trials: int = 30,
        seed: int = 0,
        space: Mapping[str, BaseDistribution] = SPACE,
        value: Callable[[Mapping[str, Any]], float] = loss,
        direction: str = "minimize",
    ) -> optuna.Study:
        sampler = optuna.samplers.RandomSampler(seed=seed)
        study = optuna.create_study(study_name=name, sampler=sampler, direction=direction)
        for _ in range(trials):
            trial = study.ask(dict(space))
            study.tell(trial, value(trial.params))
        return study

    return make
