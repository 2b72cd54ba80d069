"""The arms of ``priors.py``: how each of them searches a task, given the past studies of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import optuna
from lcbench import DEVELOPMENT, REPORT, SPACE
from optuna.distributions import (
    BaseDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import create_trial
from prior_pasts import (
    Past,
    fifty,
    half_inverted,
    inverted,
    mirrored,
    one,
    one_unrelated,
    rescaled,
    shuffled,
)

from autometa.priors import PriorSampler, StudyPrior
from autometa.priors._prediction import past_prediction
from autometa.priors._trust import Trust

Space = Mapping[str, BaseDistribution]


_OWN_SEEDS = 1000


class Problem(Protocol):
    """What ``priors.py`` searches: tasks that share a space.

    Attributes:
        space: of all tasks.
        default: a configuration that is known to be sound.
        noise: standard deviation of the noise of an observed value.
    """

    space: Space
    default: Mapping[str, Any]
    noise: float

    def accuracy(self, task: str, configs: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, Any]:
        """Returns true values, shape (n,); higher is better."""
        ...

    def regret(self, task: str, config: Mapping[str, Any]) -> float:
        """Returns how far a configuration is from the best, in units of the task."""
        ...

    def past_study(self, task: str, *, seed: int, trials: int = 48) -> optuna.Study:
        """Returns a study as a user leaves it behind."""
        ...


@dataclass(frozen=True)
class Arm:
    """A way to search.

    Attributes:
        sampler: makes it from the past studies, the target's space and a seed.
        past: what becomes of the past studies before.
        starts: configurations that are tried first.
        space: what is searched.
        added: trials that are put into the study before; the search does not count them.
        own: past studies of the task itself, in place of those of others.
        further: tasks whose past studies join those that a search is given.
    """

    sampler: Callable[[Past, Problem, Space, int], BaseSampler]
    past: Callable[[Past, np.random.Generator], Past] = lambda past, _: past
    starts: Callable[[Past, Problem], list[dict[str, Any]]] = lambda _past, _problem: []
    space: Space | None = None
    added: Callable[[Past], list[optuna.trial.FrozenTrial]] = lambda _: []
    own: int = 0
    further: Sequence[str] = ()

    def studies(
        self, problem: Problem, past: Mapping[str, optuna.Study], task: str, seed: int
    ) -> Past:
        """Returns the past studies that a task's search has, of one of each task."""
        if self.own:
            return [
                problem.past_study(task, seed=_OWN_SEEDS + 10 * seed + index)
                for index in range(self.own)
            ]
        further = {
            other: _past_study(problem, other, seed) for other in self.further if other not in past
        }
        return [study for other, study in (*past.items(), *further.items()) if other != task]


@lru_cache(maxsize=64)
def _past_study(problem: Problem, task: str, seed: int) -> optuna.Study:
    return problem.past_study(task, seed=seed)


def tpe(_past: Past, _problem: Problem, _space: Space, seed: int) -> BaseSampler:
    """Optuna's default."""
    return TPESampler(seed=seed)


def ours(past: Past, problem: Problem, space: Space, seed: int, **options: Any) -> BaseSampler:
    """The prior sampler over Optuna's default, with the default configuration as its anchor."""
    kind = options.pop("kind", PriorSampler)
    given: dict[str, Any] = {"anchor": problem.default, "seed": seed} | options
    prior = StudyPrior().merge(*map(_learned, past))
    sampler: BaseSampler = kind(TPESampler(seed=seed), prior, space=space, **given)
    return sampler


@lru_cache(maxsize=64)
def _learned(study: optuna.Study) -> StudyPrior:
    """Learns a study once: many arms and targets have it among their sources."""
    return StudyPrior.learn(study)


class _PortfolioOnly(PriorSampler):
    """Nothing prior-led after the portfolio."""

    def _mixed(self, study: Any, trials: Any, purse: Any) -> Any:
        decision = super()._mixed(study, trials, purse)
        return type(decision)(trust=decision.trust)


class _Trusting(PriorSampler):
    """Every source is believed as at first, whatever the trials say."""

    def _trust(self, view: Any, history: Any) -> Trust:
        expected = view.initial_trust
        return Trust(expected, np.full(len(expected), 1 / max(len(expected), 1)))


class _Upright(PriorSampler):
    """Sources that rank the trials upside down have no say."""

    def _trust(self, view: Any, history: Any) -> Trust:
        trust = super()._trust(view, history)
        weights = np.clip(trust.weights, 0.0, None)
        return Trust(trust.expected, weights / max(float(weights.sum()), 1e-12), trust.kept)


class _PastAlone(PriorSampler):
    """What the past proposes is not corrected by the target's own trials."""

    def _prediction(self, view: Any, history: Any, trust: Any) -> Any:
        return past_prediction(view, trust)


class _SobolThenTpe(TPESampler):
    """A Sobol sequence instead of random trials at the start."""

    def __init__(self, seed: int, space: Space) -> None:
        super().__init__(seed=seed, n_startup_trials=0)
        self._space = space
        self._start = QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return dict(self._space)

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        sampler = self._start if trial.number < 10 else super()
        return sampler.sample_relative(study, trial, search_space)


def best_of_each(past: Past, _problem: Problem) -> list[dict[str, Any]]:
    """The luckiest configuration of every study."""
    return [study.best_params for study in past]


def standardised(past: Past) -> list[optuna.trial.FrozenTrial]:
    """All past trials with z-scores for values."""
    found = []
    for study in past:
        values = np.array([trial.value for trial in study.trials])
        for trial, value in zip(study.trials, (values - values.mean()) / values.std(), strict=True):
            found.append(
                create_trial(
                    params=trial.params, distributions=trial.distributions, value=float(value)
                )
            )
    return found


SHIFTED: Space = dict(SPACE) | {
    "learning_rate": FloatDistribution(1e-3, 0.5, log=True),
    "max_dropout": FloatDistribution(0.0, 0.6),
    "batch_size": IntDistribution(32, 1024, log=True),
}
FEWER: Space = {name: item for name, item in SPACE.items() if name != "momentum"}
MORE: Space = dict(SPACE) | {"unused": FloatDistribution(0.0, 1.0)}

ARMS: dict[str, Arm] = {
    "random": Arm(lambda past, problem, space, seed: RandomSampler(seed=seed)),
    "TPE": Arm(tpe),
    "TPE, default first": Arm(tpe, starts=lambda past, problem: [dict(problem.default)]),
    "TPE, Sobol first": Arm(lambda past, problem, space, seed: _SobolThenTpe(seed, space)),
    "best of each study first": Arm(tpe, starts=best_of_each),
    "past trials added, z-scored": Arm(tpe, added=standardised),
    "portfolio only": Arm(lambda *given: ours(*given, kind=_PortfolioOnly)),
    "ours": Arm(ours),
    "ours, no anchor": Arm(lambda *given: ours(*given, anchor=None)),
    "ours, no portfolio": Arm(lambda *given: ours(*given, entries=0)),
    "ours, trust fixed": Arm(lambda *given: ours(*given, kind=_Trusting)),
    "ours, not turned over": Arm(lambda *given: ours(*given, kind=_Upright)),
    "ours, past alone": Arm(lambda *given: ours(*given, kind=_PastAlone)),
    "ours, no warranty": Arm(lambda *given: ours(*given, purse=1000)),
    "noise for a prior": Arm(ours, past=shuffled),
    "noise for a prior, past alone": Arm(
        lambda *given: ours(*given, kind=_PastAlone), past=shuffled
    ),
    "all inverted": Arm(ours, past=inverted),
    "all inverted, not turned over": Arm(lambda *given: ours(*given, kind=_Upright), past=inverted),
    "all inverted, no warranty": Arm(lambda *given: ours(*given, purse=1000), past=inverted),
    "half inverted": Arm(ours, past=half_inverted),
    "half of the parameters mirrored": Arm(ours, past=mirrored),
    "one source": Arm(ours, past=one),
    "one unrelated source": Arm(ours, past=one_unrelated),
    "four studies of the task itself": Arm(ours, own=4),
    "all 30 other tasks": Arm(ours, further=(*DEVELOPMENT, *REPORT)),
    "50 sources": Arm(ours, past=fifty),
    "other scale and direction": Arm(ours, past=rescaled),
    "shifted ranges": Arm(ours, space=SHIFTED),
    "TPE, shifted ranges": Arm(tpe, space=SHIFTED),
    "a parameter less": Arm(ours, space=FEWER),
    "TPE, a parameter less": Arm(tpe, space=FEWER),
    "a parameter more": Arm(ours, space=MORE),
}
"""Every arm; ``GPSampler`` joins with ``--gp``, because an ask of it takes a second or two."""

OF_LCBENCH = frozenset(
    {
        "all 30 other tasks",
        *("shifted ranges", "TPE, shifted ranges"),
        *("a parameter less", "TPE, a parameter less", "a parameter more"),
    }
)
"""Arms that are of LCBench's tasks or parameters."""

COLD: dict[str, str] = {
    "shifted ranges": "TPE, shifted ranges",
    "a parameter less": "TPE, a parameter less",
}
"""What an arm is held against, where that is not plain TPE."""

__all__ = ["ARMS", "COLD", "OF_LCBENCH", "Arm", "Problem"]
