"""What earlier studies say to a new one: chosen when it begins, kept with it, written when it ends.

A meta-parameter means the same wherever it is the same learner's, so that sources name it
``learner.field``, as a conditional space does, and keep what was fixed beside it. A study keeps its
sources in the storage: workers on other machines have them, and a resumed study goes on with them
whatever lies in the folder by then. They change which trials there are, never a trial's value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autometa.config import (
    LEARNER_PARAMETER,
    Dimension,
    FloatRange,
    IntRange,
    StudySpec,
)
from autometa.errors import UserError
from autometa.logging import get_logger
from autometa.priors import Source, StudyPrior, parse_sources, sources_text
from autometa.search._data import StudyData
from autometa.storages import PRIORS_FOLDER

_logger = get_logger(__name__)

PRIOR = "autometa:prior"
"""User attribute of a study: the past studies that it began with, and its tables in numbers."""

_MOST_CHARACTERS = 2**20
"""Of the sources of a study: the storage is read between any two trials."""


@dataclass(frozen=True)
class WarmStart:
    """Past studies as they bear on a study.

    Attributes:
        prior: the past studies.
        space: the study's space, what is fixed included.
        aliases: names in the study -> names in the sources.
        meta_features: the study's tables in numbers.

    >>> past = optuna.create_study(study_name="past", sampler=optuna.samplers.RandomSampler(0))
    >>> past.optimize(lambda trial: trial.suggest_int("width", 8, 64), n_trials=20)
    >>> space, names = {"width": IntDistribution(8, 64)}, {"width": "width"}
    >>> start = WarmStart(StudyPrior.learn(past), space, aliases=names, meta_features={})
    >>> print(start)
    warm start from past; search.warm_start: off is without
    >>> start.suggest(1)
    [{'width': 8}]
    """

    prior: StudyPrior
    space: dict[str, BaseDistribution]
    aliases: dict[str, str]
    meta_features: dict[str, float]

    def __str__(self) -> str:
        """Returns what to tell of it."""
        names = [source.name for source in self.prior.sources]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"warm start from {', '.join(names[:3])}{more}; search.warm_start: off is without"

    def explain(self) -> str:
        """Returns what the prior says about the space, in lines for people."""
        return self.prior.explain(
            self.space, aliases=self.aliases, meta_features=self.meta_features
        )

    def suggest(self, count: int) -> list[dict[str, Any]]:
        """Returns configurations to try first, by the study's parameters."""
        found = self.prior.suggest(
            count, self.space, aliases=self.aliases, meta_features=self.meta_features
        )
        return [
            {name: value for name, value in config.items() if name in self.aliases}
            for config in found
        ]


def warm_start_for(
    spec: StudySpec, prior: StudyPrior, *, meta_features: Mapping[str, float] | None = None
) -> WarmStart:
    """Returns past studies as they bear on a study file.

    Args:
        spec: the study.
        prior: past studies.
        meta_features: the study's tables in numbers, where known.

    >>> start = warm_start_for(spec, StudyPrior())
    >>> start.aliases, start.space["width"].high
    ({'width': 'maml.width'}, 64)
    """
    aliases = _names(spec)
    space: dict[str, BaseDistribution] = {}
    if spec.space.is_conditional:
        space[LEARNER_PARAMETER] = CategoricalDistribution(list(spec.space.branches))
    for learner, branch in spec.space.branches.items():
        for field, dimension in branch.items():
            space[spec.space.parameter_name(learner, field)] = _distribution(dimension)
    space |= {name: _single(value) for name, value in _fixed(spec).items() if name not in space}
    return WarmStart(prior, space, aliases, dict(meta_features or {}))


def past_studies(spec: StudySpec) -> StudyPrior:
    """Returns what ``search.warm_start`` names, for a new study.

    A damaged file among those of ``auto`` is left out with a warning: nobody has named it.

    Raises:
        UserError: a named file cannot be used.
    """
    wanted = spec.search.warm_start
    if wanted == "off":
        return StudyPrior()
    if wanted != "auto":
        return StudyPrior.load(*wanted)
    found = []
    for path in sorted(PRIORS_FOLDER.glob("*.json")):
        if path.stem == spec.name:
            continue
        try:
            found.append(StudyPrior.load(path))
        except UserError as error:
            _logger.warning("a past study is left out: %s", error)
    return StudyPrior().merge(*found)


def begin_with(study: optuna.Study, spec: StudySpec, data: StudyData, prior: StudyPrior) -> None:
    """Keeps past studies with a study that has no trials yet, those that it can learn from.

    Args:
        study: a new study.
        spec: its specification.
        data: its tables.
        prior: past studies.
    """
    meta_features = meta_features_of(spec, data)
    start = warm_start_for(spec, prior, meta_features=meta_features)
    view = prior.view(start.space, aliases=start.aliases, meta_features=meta_features)
    order = sorted(
        range(len(view.translations)), key=lambda place: -float(view.initial_trust[place])
    )
    sources = _fitting([view.translations[place].source for place in order])
    if sources:
        content = {"sources": sources_text(sources), "meta_features": meta_features}
        study.set_user_attr(PRIOR, json.dumps(content, allow_nan=False))


def _fitting(sources: Sequence[Source]) -> list[Source]:
    """Returns the first sources that fit into an attribute of a study."""
    kept: list[Source] = []
    room = _MOST_CHARACTERS
    for source in sources:
        room -= len(sources_text([source]))
        if room < 0:
            _logger.warning(
                "%d of %d past studies are left out, because they are larger than what a study "
                "keeps",
                len(sources) - len(kept),
                len(sources),
            )
            break
        kept.append(source)
    return kept


def warm_start_of(study: optuna.Study, spec: StudySpec) -> WarmStart | None:
    """Returns the past studies that a study began with; None where it began without.

    Raises:
        UserError: they are damaged, or of a newer release.

    >>> from autometa.search import prepare_study
    >>> past = optuna.create_study(study_name="past", sampler=optuna.samplers.RandomSampler(0))
    >>> past.optimize(lambda trial: trial.suggest_int("maml.width", 8, 64), n_trials=20)
    >>> StudyPrior.learn(past).save(prior_file_of("past"))
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> [source.name for source in warm_start_of(study, spec).prior.sources]
    ['past']
    """
    text = study.user_attrs.get(PRIOR)
    if text is None:
        return None
    prior, meta_features = _stored(text)
    return warm_start_for(spec, prior, meta_features=meta_features)


# A worker asks before every trial, and what was computed of the prior is kept with it.
@lru_cache(maxsize=4)
def _stored(text: str) -> tuple[StudyPrior, dict[str, float]]:
    content = json.loads(text)
    sources = parse_sources(content["sources"], "the study's prior")
    return StudyPrior(sources), dict(content["meta_features"])


def learn_prior(
    study: optuna.Study, spec: StudySpec, *, meta_features: Mapping[str, float] | None = None
) -> StudyPrior:
    """Returns what a study of autometa's says to later ones.

    Args:
        study: finished or not.
        spec: its specification.
        meta_features: its tables in numbers; what the study itself has kept where None.

    >>> study = optuna.create_study(study_name="tiny", direction="maximize")
    >>> study.optimize(lambda trial: trial.suggest_int("width", 8, 64), n_trials=10)
    >>> source = learn_prior(study, spec).sources[0]
    >>> source.name, [parameter.name for parameter in source.parameters]
    ('tiny', ['maml.width', 'learner'])
    """
    if meta_features is None:
        text = study.user_attrs.get(PRIOR)
        meta_features = {} if text is None else _stored(text)[1]
    return StudyPrior.learn(
        study, aliases=_names(spec), fixed=_fixed(spec), meta_features=meta_features
    )


def prior_file_of(name: str) -> Path:
    """Returns where a study of a name writes what it says to later ones.

    >>> prior_file_of("mine").as_posix()
    'results/runs/priors/mine.json'
    """
    return PRIORS_FOLDER / f"{name}.json"


def write_prior(study: optuna.Study, spec: StudySpec, data: StudyData) -> Path | None:
    """Writes what a study says to later ones, and returns the file; None where it says nothing.

    Raises:
        RunError: the file cannot be written.

    >>> study = optuna.create_study(study_name="tiny", direction="maximize")
    >>> study.optimize(lambda trial: trial.suggest_int("width", 8, 64), n_trials=10)
    >>> write_prior(study, spec, StudyData.load(spec)).as_posix()
    'results/runs/priors/tiny.json'
    """
    prior = learn_prior(study, spec, meta_features=meta_features_of(spec, data))
    if not prior.sources:
        return None
    path = prior_file_of(spec.name)
    prior.save(path)
    return path


def meta_features_of(spec: StudySpec, data: StudyData) -> dict[str, float]:
    """Returns the tables that a study is scored on in a few numbers, and how hard its tasks are."""
    tables = data.roles.validation
    ways = [min(len(table.class_names), _ways(spec)) for table in tables]
    return {
        name: round(value, 4)
        for name, value in {
            "log10 rows": fmean(math.log10(max(len(table.y_R), 1)) for table in tables),
            "log10 columns": fmean(math.log10(max(table.raw_columns, 1)) for table in tables),
            "log10 ways": fmean(math.log10(max(count, 1)) for count in ways),
            "log10 shots": fmean(math.log10(shot) for shot in spec.episodes.shots),
            "log10 outer steps": math.log10(spec.training.outer_steps),
        }.items()
    }


def _ways(spec: StudySpec) -> float:
    return math.inf if spec.episodes.ways == "all" else spec.episodes.ways


def _names(spec: StudySpec) -> dict[str, str]:
    """Returns the name of each searched parameter in the study -> with its learner."""
    names = {
        spec.space.parameter_name(learner, field): f"{learner}.{field}"
        for learner, branch in spec.space.branches.items()
        for field in branch
    }
    return names | ({LEARNER_PARAMETER: LEARNER_PARAMETER} if spec.space.is_conditional else {})


def _fixed(spec: StudySpec) -> dict[str, Any]:
    """Returns what all trials of a study have in common, by the names of sources."""
    learners = list(spec.space.branches)
    fixed: dict[str, Any] = {} if spec.space.is_conditional else {LEARNER_PARAMETER: learners[0]}
    return fixed | {
        f"{learner}.{field}": value
        for learner in learners
        for field, value in spec.learner.items()
        if field != "name" and (value is None or isinstance(value, bool | int | float | str))
    }


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, FloatRange):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    if isinstance(dimension, IntRange):
        return IntDistribution(
            dimension.low, dimension.high, step=dimension.step, log=dimension.log
        )
    return CategoricalDistribution(list(dimension.choices))


def _single(value: Any) -> BaseDistribution:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return CategoricalDistribution([value])
    return FloatDistribution(float(value), float(value))
