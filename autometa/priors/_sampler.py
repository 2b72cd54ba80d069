"""An Optuna sampler that lets past studies lead some trials, and any other sampler the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from autometa.errors import UserError
from autometa.priors._history import History, history_of, is_same
from autometa.priors._parameter import Parameter
from autometa.priors._portfolio import portfolio
from autometa.priors._prediction import Predict, optimistic_prediction, trust_of
from autometa.priors._proposal import propose
from autometa.priors._purse import (
    ANCHOR,
    BASE,
    PORTFOLIO,
    PRIOR,
    PURSE,
    Purse,
    is_enqueued,
    purse_of,
)
from autometa.priors._study_prior import StudyPrior
from autometa.priors._trust import Trust
from autometa.priors._view import View
from autometa.storages import ORIGIN

TRUST = "autometa:trust"
"""User attribute of a trial: rank agreement expected of the sources when it was proposed."""

_MOST_NAMED = 20

_PATIENCE = 2
"""So many lost wagers without one that won end a portfolio: further entries may be as misled."""


@dataclass(frozen=True)
class _Decision:
    """What leads a trial.

    Attributes:
        origin: for the trial's user attribute.
        config: proposed values; None where the base sampler leads.
        trust: for the trial's user attribute; None where none was asked for.
    """

    origin: str = BASE
    config: Mapping[str, Any] | None = None
    trust: dict[str, Any] | None = field(default=None)


class PriorSampler(BaseSampler):
    """Wraps a sampler, and lets past studies propose a bounded number of trials instead.

    First comes the anchor where there is one, then a portfolio that is good for all past studies
    together, and that ends early where two entries are lost wagers and none has won. Later trials
    are prior-led with a probability that grows with the trust in the sources, which is how well
    they have ranked the trials already run, upright or upside down, and that fades with the number
    of trials. What leads them is the believed sources' common prediction, corrected by the study's
    own trials. On a parameter that they do not know the sources are neutral: the base sampler
    draws it, or it stays near the study's own best trials. Every other trial is the base
    sampler's, unchanged.

    Warranty: prior-led trials are wagers from a purse of P stakes, see ``_purse``. At any moment,
    over any number of workers and restarts, prior-led trials that are running or have not beaten
    the running median of the base trials number at most P plus those that have. A prior that never
    helps costs at most P trials of the search, whatever it says; the rest is the base sampler's own
    search.

    Every sampled trial carries its origin (``autometa:origin``: ``anchor``, ``portfolio 1``,
    ``prior`` or ``base``) and, outside of the portfolio, the trust at that time
    (``autometa:trust``).
    All that a decision depends on is in the study, so that a new sampler may be made for each
    trial. Entries of the portfolio belong to places in the order of trials: however many workers
    ask at once, none gets another's. One that has been tried already, as an enqueued default may
    have been, is left out.

    Args:
        base_sampler: any sampler of single objectives.
        prior: past studies; an empty one leaves every trial to the base sampler.
        space: what the objective draws. Optional: without it the portfolio covers what the sources
            searched, and later proposals what the study has drawn so far. With a parameter of a
            single value that the objective does not draw it says what is fixed.
        anchor: parameters to try first, such as a default that is known to be sound. They are one's
            own, and no wager.
        aliases: names in the space -> names in the sources, where they differ.
        meta_features: numbers that describe the task, in the terms of those of the sources.
        purse: stakes of the warranty, P.
        entries: length of the portfolio.
        seed: of this sampler's choices; the base sampler has its own.

    Raises:
        UserError: the purse or the portfolio has a negative size.

    >>> import optuna
    >>> past = optuna.create_study(
    ...     study_name="past", direction="maximize", sampler=optuna.samplers.RandomSampler(0)
    ... )
    >>> past.optimize(lambda trial: -((trial.suggest_float("x", 0, 1) - 0.3) ** 2), n_trials=20)
    >>> prior = StudyPrior.learn(past)
    >>> sampler = PriorSampler(optuna.samplers.RandomSampler(1), prior, seed=0)
    >>> study = optuna.create_study(direction="maximize", sampler=sampler)
    >>> study.optimize(lambda trial: -((trial.suggest_float("x", 0, 2) - 0.4) ** 2), n_trials=3)
    >>> study.trials[0].user_attrs["autometa:origin"]
    'portfolio 1'
    """

    def __init__(
        self,
        base_sampler: BaseSampler,
        prior: StudyPrior,
        *,
        space: Mapping[str, BaseDistribution] | None = None,
        anchor: Mapping[str, Any] | None = None,
        aliases: Mapping[str, str] | None = None,
        meta_features: Mapping[str, float] | None = None,
        purse: int = PURSE,
        entries: int = 4,
        seed: int | None = None,
    ) -> None:
        for name, size in (("purse", purse), ("entries", entries)):
            if size < 0:
                raise UserError(f"{name} must be 0 or more; got {size}: 4 is usual")
        self._base = base_sampler
        self._prior = prior
        self._space = None if space is None else dict(space)
        self._anchor = None if anchor is None else dict(anchor)
        self._aliases = dict(aliases or {})
        self._meta_features = dict(meta_features or {})
        self._purse = purse
        self._entries = entries
        self._generator = np.random.default_rng(seed)
        self._configs: dict[int, Mapping[str, Any]] = {}

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._base})"

    def reseed_rng(self) -> None:
        """Draws new seeds, for this sampler and its base."""
        self._generator = np.random.default_rng()
        self._base.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decides what leads the trial, and writes it down before anything is drawn.

        Raises:
            UserError: the study has several objectives.
        """
        _require_one_objective(study)
        self._base.before_trial(study, trial)
        if is_enqueued(trial):
            return
        decision = self._decide(study, trial)
        if decision.config is not None:
            self._configs[trial._trial_id] = decision.config
        told: dict[str, Any] = {ORIGIN: decision.origin}
        if decision.trust is not None:
            told = {TRUST: decision.trust} | told
        for key, value in told.items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)
            trial.user_attrs[key] = value  # the worker's copy was read just before

    def _decide(self, study: Study, trial: FrozenTrial) -> _Decision:
        # The storage's trials, because Hyperband's pruner shows samplers a part of them only.
        everything = study._storage.get_all_trials(study._study_id, deepcopy=False)
        # Those made before this one see it neither: whatever the order in which workers look, each
        # trial is decided on by what came before it.
        trials = [other for other in everything if other.number < trial.number]
        place = sum(not is_enqueued(other) for other in trials)
        if self._anchor is not None:
            if place == 0:
                return _Decision(ANCHOR, self._anchor)
            place -= 1
        if not self._prior.sources:
            return _Decision()
        purse = purse_of(trials, study.direction, size=self._purse)
        is_misled = not purse.won and purse.lost >= _PATIENCE
        if place >= self._entries or purse.stakes <= 0 or is_misled:
            return self._mixed(study, trials, purse)
        found = portfolio(self._view(self._space), size=self._entries)
        if place >= len(found):
            return _Decision()
        if any(is_same(found[place], other) for other in trials):
            return self._mixed(study, trials, purse)
        return _Decision(f"{PORTFOLIO} {place + 1}", found[place])

    def _mixed(self, study: Study, trials: Sequence[FrozenTrial], purse: Purse) -> _Decision:
        seen = {name: item for trial in trials for name, item in trial.distributions.items()}
        view = self._view(self._space if self._space is not None else seen)
        if not view.translations:
            return _Decision()
        history = history_of(trials, study.direction, view.space)
        trust = self._trust(view, history)
        told = _told(view, trust)
        if purse.stakes <= 0 or self._generator.random() >= trust.share(len(trials)):
            return _Decision(trust=told)
        predict = self._prediction(view, history, trust)
        return _Decision(PRIOR, propose(view, history, predict, self._generator), told)

    def _prediction(self, view: View, history: History, trust: Trust) -> Predict:
        return optimistic_prediction(view, history, trust)

    def _trust(self, view: View, history: History) -> Trust:
        return trust_of(view, history)

    def _view(self, space: Mapping[str, BaseDistribution] | None) -> View:
        return self._prior.view(space, aliases=self._aliases, meta_features=self._meta_features)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the base sampler's space, or nothing for a trial that the past leads."""
        _require_one_objective(study)
        if trial._trial_id in self._configs:
            return {}
        return self._base.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the base sampler's values, or none for a trial that the past leads."""
        _require_one_objective(study)
        if trial._trial_id in self._configs:
            return {}
        return self._base.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Returns the proposed value where there is one inside the range, else the base's."""
        _require_one_objective(study)
        config = self._configs.get(trial._trial_id, {})
        if param_name in config:
            parameter = Parameter.of(param_name, param_distribution)
            if parameter.contains(config[param_name]):
                # The nearest possible one: the study's steps may differ from the sources'.
                return parameter.value(parameter.position(config[param_name]))
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Lets the base sampler see the end of every trial."""
        self._configs.pop(trial._trial_id, None)
        self._base.after_trial(study, trial, state, values)


def _require_one_objective(study: Study) -> None:
    if len(study.directions) != 1:
        raise UserError(
            f"PriorSampler serves studies of one objective; got {len(study.directions)}: use its "
            "base sampler alone"
        )


def _told(view: View, trust: Trust) -> dict[str, Any]:
    order = np.argsort(-np.abs(trust.expected), kind="stable")[:_MOST_NAMED]
    return {
        "total": round(trust.total, 4),
        "sources": {view.names[place]: round(float(trust.expected[place]), 4) for place in order},
    }
