"""The Optuna sampler and pruner of a study."""

from __future__ import annotations

import warnings

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning

from autometa.config import StudySpec


def build_sampler(spec: StudySpec, *, worker: int, trials: int) -> optuna.samplers.BaseSampler:
    """Returns a sampler seeded by (study seed, worker, trials in the study).

    A fresh seed for every trial keeps workers from proposing equal points and makes a resumed
    study propose what the undisturbed one would have proposed.

    Args:
        spec: the study.
        worker: index of the worker, 0 for the first.
        trials: number of trials in the study at the moment.
    """
    entropy = np.random.SeedSequence([spec.search.seed, worker, trials])
    seed = int(entropy.generate_state(1)[0])
    if spec.search.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # A conditional space has no parameter but the learner in common; grouping keeps the joint
    # model of each learner's own parameters.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=spec.space.is_conditional, constant_liar=True
        )


def build_pruner(spec: StudySpec) -> optuna.pruners.BasePruner:
    """Returns successive halving on the study's rungs, or no pruning."""
    rungs = spec.training.rungs
    if spec.search.pruner == "none" or len(rungs) < 2:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(
        min_resource=rungs[0], reduction_factor=rungs[1] // rungs[0]
    )
