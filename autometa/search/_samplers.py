"""The Optuna sampler and pruner of a study."""

from __future__ import annotations

import warnings
from typing import cast

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from autometa.config import StudySpec, deciding_fields
from autometa.priors import PriorSampler
from autometa.search._warm_start import WarmStart
from autometa.storages import counted


def build_sampler(
    spec: StudySpec, *, worker: int, proposals: int, warm_start: WarmStart | None = None
) -> optuna.samplers.BaseSampler:
    """Returns a sampler seeded by (study seed, worker, proposals in the study).

    A fresh seed for every trial keeps workers from proposing equal points and makes a resumed
    study propose what the undisturbed one would have proposed.

    Args:
        spec: the study.
        worker: index of the worker, 0 for the first.
        proposals: number of trials in the study at the moment, without retries.
        warm_start: past studies that propose some trials of a ``tpe`` study; ``random`` ones are
            random.
    """
    entropy = np.random.SeedSequence([spec.search.seed, worker, proposals])
    seed = int(entropy.generate_state(1)[0])
    if spec.search.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # A conditional space has no parameter but the learner in common, and parameters without an
    # effect are not drawn; grouping keeps the joint model of those that appear together.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        base = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=_is_conditional(spec), constant_liar=True
        )
    if warm_start is None:
        return base
    return PriorSampler(
        base,
        warm_start.prior,
        space=warm_start.space,
        aliases=warm_start.aliases,
        meta_features=warm_start.meta_features,
        seed=seed,
    )


def _is_conditional(spec: StudySpec) -> bool:
    """Returns whether trials of a study may have different parameters."""
    return spec.space.is_conditional or any(
        deciding_fields(learner) & set(branch) for learner, branch in spec.space.branches.items()
    )


def build_pruner(spec: StudySpec) -> optuna.pruners.BasePruner:
    """Returns successive halving on the study's rungs, or no pruning."""
    rungs = spec.training.rungs
    if spec.search.pruner == "none" or len(rungs) < 2:
        return optuna.pruners.NopPruner()
    return _HalvingPruner(
        optuna.pruners.SuccessiveHalvingPruner(
            min_resource=rungs[0], reduction_factor=rungs[1] // rungs[0]
        )
    )


class _HalvingPruner(optuna.pruners.BasePruner):
    """Successive halving in which lost and interrupted trials do not compete.

    Such a trial's parameters run again, and its values would be there twice otherwise.
    """

    def __init__(self, halving: optuna.pruners.SuccessiveHalvingPruner) -> None:
        self._halving = halving

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return self._halving.prune(cast(optuna.Study, _WithoutLostTrials(study)), trial)


class _WithoutLostTrials:
    """What the pruner asks of a study."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._storage = study._storage
        self.direction = study.direction

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=deepcopy)
        return [trial for trial in trials if trial.state != TrialState.FAIL or counted(trial)]
