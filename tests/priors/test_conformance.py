"""Optuna's own suites for samplers, on a sampler that past studies lead."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import optuna
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from autometa.priors import PriorSampler, StudyPrior

# The suites were written for runs in which these warnings are allowed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def _prior() -> StudyPrior:
    """A past study that has parameters x and y, as the objectives of the suites do."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(12):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", -5, 10) ** 2 + trial.suggest_int("y", 0, 10))
    return StudyPrior.learn(study)


class TestOverRandom(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """Every trial that the prior does not lead is drawn independently."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Makes the sampler under test."""
        return lambda: PriorSampler(optuna.samplers.RandomSampler(seed=1), _prior(), seed=1)


class TestOverTpe(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """Every trial that the prior does not lead is drawn jointly."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Makes the sampler under test."""

        def make() -> BaseSampler:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                base = optuna.samplers.TPESampler(seed=1, n_startup_trials=0, multivariate=True)
            return PriorSampler(base, _prior(), seed=1)

        return make
