"""What past studies say, as one object: learned, merged, explained, and asked for suggestions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from autometa.priors._explanation import explanation
from autometa.priors._file import read_sources, write_sources
from autometa.priors._learning import FEWEST_TRIALS, learn_source
from autometa.priors._portfolio import portfolio
from autometa.priors._source import Source
from autometa.priors._space import Space
from autometa.priors._view import View


@dataclass(frozen=True)
class StudyPrior:
    """Past studies, by what their trials say about the parameters and nothing else.

    Attributes:
        sources: the studies.
        left_out: one line for each study that could not be learned from.

    >>> past = optuna.create_study(
    ...     study_name="past", direction="maximize", sampler=optuna.samplers.RandomSampler(0)
    ... )
    >>> past.optimize(lambda trial: -((trial.suggest_float("x", 0, 1) - 0.3) ** 2), n_trials=20)
    >>> prior = StudyPrior.learn(past)

    >>> [source.name for source in prior.sources]
    ['past']
    >>> abs(prior.suggest(1)[0]["x"] - 0.3) < 0.1
    True
    >>> prior.save("prior.json")
    >>> StudyPrior.load("prior.json") == prior
    True
    """

    sources: tuple[Source, ...] = ()
    left_out: tuple[str, ...] = ()
    _views: dict[Hashable, View] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def learn(
        cls,
        studies: optuna.Study | Iterable[optuna.Study],
        *,
        aliases: Mapping[str, str] | None = None,
        fixed: Mapping[str, Any] | None = None,
        meta_features: Mapping[str, float] | None = None,
    ) -> StudyPrior:
        """Learns from finished or running studies of one objective, in whatever storage.

        Complete and pruned trials count, failed ones do not. Scales, directions and spaces may
        differ: only the order of a study's trials matters.

        Args:
            studies: one, or several.
            aliases: their parameter names -> names to keep them under.
            fixed: what all their trials had in common without drawing it, such as a learner.
            meta_features: numbers that describe their task; similar ones are believed earlier.

        Raises:
            UserError: a study has several objectives.
        """
        given = [studies] if isinstance(studies, optuna.Study) else list(studies)
        learned, left_out = [], []
        for study in given:
            source = learn_source(study, aliases=aliases, fixed=fixed, meta_features=meta_features)
            if source is None:
                left_out.append(f"{study.study_name}: fewer than {FEWEST_TRIALS} usable trials")
            else:
                learned.append(source)
        return cls(tuple(learned), tuple(left_out))

    @classmethod
    def load(cls, *paths: str | Path) -> StudyPrior:
        """Returns the prior of one or several files.

        Raises:
            UserError: a file is missing, damaged, too large, or of a newer release.
        """
        return cls().merge(*(cls(read_sources(Path(path))) for path in paths))

    def save(self, path: str | Path) -> None:
        """Writes the prior as JSON, whole or not at all.

        Raises:
            RunError: the file cannot be written.
            UserError: the prior is larger than a file may be.
        """
        write_sources(Path(path), self.sources)

    def merge(self, *others: StudyPrior) -> StudyPrior:
        """Returns a prior of all sources, each once."""
        sources = list(self.sources)
        left_out = list(self.left_out)
        for other in others:
            sources += [source for source in other.sources if source not in sources]
            left_out += [line for line in other.left_out if line not in left_out]
        return StudyPrior(tuple(sources), tuple(left_out))

    def view(
        self,
        space: Mapping[str, BaseDistribution] | None = None,
        *,
        aliases: Mapping[str, str] | None = None,
        meta_features: Mapping[str, float] | None = None,
    ) -> View:
        """Returns the prior as a target sees it.

        Args:
            space: the target's; everything that the sources searched where None.
            aliases: names in the space -> names in the sources, where they differ.
            meta_features: numbers that describe the target's task.
        """
        target = Space.of_sources(self.sources) if space is None else Space.of(space)
        names, numbers = dict(aliases or {}), dict(meta_features or {})
        key = (target, tuple(sorted(names.items())), tuple(sorted(numbers.items())))
        # A sampler asks for the same view for every trial, and autometa makes one sampler for each.
        if key not in self._views:
            self._views[key] = View(self.sources, target, aliases=names, meta_features=numbers)
        return self._views[key]

    def explain(
        self,
        space: Mapping[str, BaseDistribution] | None = None,
        *,
        aliases: Mapping[str, str] | None = None,
        meta_features: Mapping[str, float] | None = None,
    ) -> str:
        """Returns what the prior holds and what of it bears on a space, in lines for people."""
        seen = self.view(space, aliases=aliases, meta_features=meta_features)
        return "\n".join([*explanation(seen), *(f"left out: {line}" for line in self.left_out)])

    def suggest(
        self,
        count: int,
        space: Mapping[str, BaseDistribution] | None = None,
        *,
        aliases: Mapping[str, str] | None = None,
        meta_features: Mapping[str, float] | None = None,
    ) -> list[dict[str, Any]]:
        """Returns different configurations to try first, all inside the space.

        Parameters that no source knows are not in them. There are fewer than ``count`` where the
        space has no more, and none without sources.
        """
        seen = self.view(space, aliases=aliases, meta_features=meta_features)
        return portfolio(seen, size=count)
