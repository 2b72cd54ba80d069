"""The study specification: everything that a study file may say, frozen and validated."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_validator,
)

from autometa.config._parts import Number, Part, Seed, Whole, increasing, unique
from autometa.config._rules import NOTHING, Rule
from autometa.config._sources import SourceSpec, SyntheticSource
from autometa.config._space import SpaceSpec, parse_fixed, parse_space
from autometa.typing import Counts, Setting, Ways

SCHEMA_VERSION = 1
METRIC = "log_loss_gain_over_logistic_regression"
"""What a trial's value measures, in nats; see the evaluation room."""

DEFAULT_STORAGE = "journal:results/runs/studies.journal"
STORAGE_VARIABLE = "AUTOMETA_STORAGE"

Share: TypeAlias = Annotated[Number, Field(ge=0, le=1)]
Shots: TypeAlias = Annotated[Whole, Field(ge=1, le=100)]
Sources: TypeAlias = tuple[SourceSpec, ...]
PriorFiles: TypeAlias = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...],
    Field(min_length=1, max_length=1000),
    AfterValidator(unique),
]
Role: TypeAlias = Literal["train", "validation", "confirm", "test"]

_HELD_OUT: tuple[Role, ...] = ("validation", "confirm", "test")
_MOST_RUNGS = 4


def default_storage() -> str:
    """Returns ``$AUTOMETA_STORAGE`` where it is set, else the journal below ``results/runs``.

    >>> default_storage()
    'journal:results/runs/studies.journal'
    """
    return os.environ.get(STORAGE_VARIABLE, "").strip() or DEFAULT_STORAGE


class SplitSpec(Part):
    """Shares of the families of ``train`` that are held out for the other roles.

    >>> SplitSpec(validation=0.2, test=0.3).by
    'family'
    """

    validation: Share = Field(0.0, description="share of the families for the search")
    confirm: Share = Field(0.0, description="share of the families that confirm the winner")
    test: Share = Field(0.0, description="share of the families that are read once, at the end")
    by: Literal["family"] = Field("family", description="what is divided; never single tables")
    seed: Seed = Field(0, description="the same seed divides in the same way")

    @model_validator(mode="after")
    def _leaves_families_to_train_on(self) -> SplitSpec:
        held_out = self.validation + self.confirm + self.test
        if not 0 < held_out < 1:
            raise Rule(
                "must hold out more than 0 and less than 1 in total, as in {validation: 0.2, "
                "test: 0.2}",
                got={role: getattr(self, role) for role in _HELD_OUT},
            )
        return self


class TablesSpec(Part):
    """The tables of each role; a family of tables is in one role only.

    >>> tables = TablesSpec(
    ...     train=[{"source": "synthetic", "count": 2000}],
    ...     validation=[{"source": "sklearn", "names": ["iris", "digits"]}],
    ... )
    >>> [source.source for source in tables.train + tables.validation]
    ['synthetic', 'sklearn']
    """

    train: Sources = Field(min_length=1, description="tables to meta-train on")
    validation: Sources = Field((), description="tables that the search is scored on")
    confirm: Sources = Field((), description="tables that confirm the winner")
    test: Sources = Field((), description="tables that are read once, at the end")
    split: SplitSpec | None = Field(None, description="divides the tables of train into roles")

    @model_validator(mode="after")
    def _fills_each_role_once(self) -> TablesSpec:
        if self.split is not None:
            if all(isinstance(source, SyntheticSource) for source in self.train):
                advice = "needs a source under tables.train that is not synthetic, to divide it"
                raise Rule(advice, keys=("split",), got=NOTHING)
            for role in _HELD_OUT:
                share = getattr(self.split, role)
                if share and getattr(self, role):
                    advice = f"must be 0 where tables.{role} lists sources: remove one of the two"
                    raise Rule(advice, keys=("split", role), got=share)
        if not self.validation and not (self.split is not None and self.split.validation):
            raise Rule(
                "needs a source to score the search on, or tables.split with a validation share",
                keys=("validation",),
                got=list(self.validation),
            )
        return self

    @model_validator(mode="after")
    def _draws_other_synthetic_tables_in_each_role(self) -> TablesSpec:
        roles: dict[int, str] = {}
        for role in ("train", *_HELD_OUT):
            for index, source in enumerate(getattr(self, role)):
                if not isinstance(source, SyntheticSource):
                    continue
                other = roles.setdefault(source.seed, role)
                if other != role:
                    advice = f"must differ from the seed of the synthetic tables of {other}"
                    raise Rule(advice, keys=(role, index, "seed"), got=source.seed)
        return self


class EpisodesSpec(Part):
    """The few-shot tasks that are drawn from a table.

    >>> EpisodesSpec(ways=3, shots=[1, 5]).settings
    ('unlabelled',)
    """

    ways: Annotated[Whole, Field(ge=2, le=50)] | Literal["all"] = Field(
        5, description="most classes of one episode; all of the table's where all"
    )
    shots: Annotated[tuple[Shots, ...], AfterValidator(increasing)] = Field(
        (1, 5, 10), min_length=1, description="labelled rows per class, on average"
    )
    counts: Counts = Field(
        "equal", description="how the labelled rows of an evaluation episode spread over classes"
    )
    queries: Whole = Field(15, ge=4, le=1000, description="most rows per class to predict")
    per_table: Whole = Field(
        20, ge=1, le=10_000, description="evaluation episodes of each table and shot"
    )
    settings: Annotated[tuple[Setting, ...], AfterValidator(unique)] = Field(
        ("unlabelled",), min_length=1, description="which rows the unsupervised scaling may see"
    )

    @field_validator("ways", mode="wrap")
    @classmethod
    def _is_a_number_or_all(cls, ways: Any, handler: ValidatorFunctionWrapHandler) -> Ways:
        try:
            accepted: Ways = handler(ways)
        except ValidationError:
            # One rule instead of what each of the two kinds has against the value.
            raise Rule("must be a whole number from 2 to 50, or all") from None
        return accepted


class TrainingSpec(Part):
    """The outer loop.

    >>> TrainingSpec(outer_steps=1000).rungs
    (125, 250, 500, 1000)
    """

    outer_steps: Whole = Field(2000, ge=1, le=10_000_000, description="meta-training steps")
    rungs: Annotated[tuple[Whole, ...], AfterValidator(increasing)] = Field(
        (),  # filled by _derives_rungs
        min_length=1,
        description="outer steps at which a trial is scored and may be pruned; the last one is "
        "outer_steps, each the same multiple of the one before; by default 1/8, 1/4, 1/2, 1",
    )
    meta_batch: Whole = Field(8, ge=1, le=1024, description="episodes of one outer step")
    outer_lr: Annotated[Number, Field(gt=0, le=1)] = Field(
        2e-3, description="step size of the outer loop"
    )
    synthetic_share: Share = Field(
        0.5, description="share of the episodes drawn from synthetic tables, where train has both"
    )
    augmented_share: Share = Field(
        0.3, description="share of the episodes of tables that are not synthetic to augment"
    )
    reuse: Whole = Field(
        8, ge=1, le=1000, description="outer steps that train on a drawn batch, on average"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")

    @model_validator(mode="before")
    @classmethod
    def _derives_rungs(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("rungs") is not None:
            return data
        steps = data.get("outer_steps", cls.model_fields["outer_steps"].default)
        # Where outer_steps is no whole number, any rungs do: its own error comes first.
        is_whole = isinstance(steps, int) or (isinstance(steps, float) and steps.is_integer())
        return {**data, "rungs": _halved(int(steps)) if is_whole else (1,)}

    @field_validator("device", mode="after")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", device):
            raise Rule("must be auto, cpu, cuda or cuda:N")
        return device

    @model_validator(mode="after")
    def _climbs_evenly(self) -> TrainingSpec:
        got = list(self.rungs)
        if self.rungs[0] < 1 or self.rungs[-1] != self.outer_steps:
            raise Rule(
                f"must start at 1 or later and end at training.outer_steps ({self.outer_steps}); "
                "leave it out (or null) to have it derived",
                keys=("rungs",),
                got=got,
            )
        pairs = list(itertools.pairwise(self.rungs))
        if any(after * self.rungs[0] != before * self.rungs[1] for before, after in pairs) or any(
            after % before for before, after in pairs
        ):
            raise Rule(
                "must grow by one constant whole factor, as successive halving needs, such as "
                f"{list(_halved(self.outer_steps))}",
                keys=("rungs",),
                got=got,
            )
        return self


class SearchSpec(Part):
    """The outer search and its budget.

    >>> SearchSpec(trials=60, seconds=1800, workers=2).sampler
    'tpe'
    """

    trials: Whole = Field(30, ge=1, le=1_000_000, description="trials of the study, in total")
    seconds: Annotated[Number, Field(gt=0)] = Field(
        300.0, description="seconds for the whole command, confirmation and test included"
    )
    seconds_per_trial: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="seconds after which one trial is given up; by default never"
    )
    memory_mib: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="MiB of memory that a worker may have for itself (Linux); by default any"
    )
    sampler: Literal["tpe", "random"] = Field("tpe", description="proposes the meta-parameters")
    pruner: Literal["halving", "none"] = Field("halving", description="stops trials at rungs")
    seed: Seed = Field(0, description="seed of the study")
    warm_start: Literal["auto", "off"] | PriorFiles = Field(
        "auto",
        description="past studies that propose some trials: auto (those of results/runs/priors), "
        "off, or a list of prior files; a study keeps those that it began with",
    )
    confirm: Whole = Field(3, ge=1, le=100, description="fresh seeds per finalist at most")
    finalists: Whole = Field(3, ge=1, le=100, description="trials to confirm, default included")
    workers: Whole = Field(1, ge=1, le=256, description="processes on this machine")

    @field_validator("warm_start", mode="wrap")
    @classmethod
    def _is_a_word_or_files(
        cls, warm_start: Any, handler: ValidatorFunctionWrapHandler
    ) -> Literal["auto", "off"] | tuple[str, ...]:
        try:
            # YAML 1.1 reads a bare off as false.
            accepted: Literal["auto", "off"] | tuple[str, ...] = handler(
                "off" if warm_start is False else warm_start
            )
        except (ValidationError, Rule):
            raise Rule("must be auto, off, or a list of different prior files") from None
        return accepted


class StudySpec(Part):
    """One study: tables, episodes, learner, space, budgets and storage.

    >>> spec = StudySpec(
    ...     name="mine",
    ...     tables={
    ...         "train": [{"source": "synthetic", "count": 2000}],
    ...         "validation": [{"source": "sklearn", "names": ["iris"]}],
    ...     },
    ...     learner={"name": "column_kernel"},
    ...     space={"depth": {"low": 1, "high": 4}},
    ... )
    >>> spec.search.trials, spec.training.rungs
    (30, (250, 500, 1000, 2000))
    """

    version: int = Field(SCHEMA_VERSION, description="format of the study file")
    name: str = Field(description="name of the study and of its folder of results")
    tables: TablesSpec = Field(description="the tables of each role")
    episodes: EpisodesSpec = Field(default_factory=EpisodesSpec, description="the few-shot tasks")
    learner: dict[str, Any] = Field(
        default_factory=dict, description="name and fixed values of the learner"
    )
    space: SpaceSpec = Field(description="the searched meta-parameters")
    training: TrainingSpec = Field(default_factory=TrainingSpec, description="the outer loop")
    search: SearchSpec = Field(default_factory=SearchSpec, description="the outer search")
    storage: str = Field(
        default_factory=default_storage,
        description="URL of the study's storage; by default $AUTOMETA_STORAGE, else a journal",
    )

    # Defined here, it runs before the check for unknown keys of the base class: a file of another
    # version may well have other keys.
    @model_validator(mode="before")
    @classmethod
    def _is_of_this_version(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            version = data.get("version", SCHEMA_VERSION)
            if isinstance(version, bool) or version != SCHEMA_VERSION:
                raise Rule(
                    f"must be {SCHEMA_VERSION}, the only format that this autometa reads: install "
                    "the release that the file was written for, or rewrite the file",
                    keys=("version",),
                    got=version,
                )
        return data

    @field_validator("name", mode="after")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            raise Rule(
                "must be 1 to 100 letters, digits, dots, underscores and hyphens, starting with "
                "a letter or digit"
            )
        return name

    @field_validator("learner", mode="before")
    @classmethod
    def _fixes_what_the_learner_accepts(cls, learner: Any) -> dict[str, Any]:
        return parse_fixed(learner)

    @field_validator("space", mode="before")
    @classmethod
    def _searches_what_the_learner_accepts(cls, space: Any, info: ValidationInfo) -> SpaceSpec:
        if "learner" not in info.data:
            # The learner is wrong, which is reported already; no space can be judged without it.
            return SpaceSpec(branches={}, is_conditional=False)
        return parse_space(space, info.data["learner"])

    @field_validator("storage", mode="after")
    @classmethod
    def _is_a_place(cls, storage: str) -> str:
        if not storage.strip():
            raise Rule(f"must be a storage URL such as {DEFAULT_STORAGE}; leave it out for that")
        return storage

    @field_serializer("space")
    def _space_as_written(self, space: SpaceSpec) -> dict[str, Any]:
        return space.to_dict()


def _halved(outer_steps: int) -> tuple[int, ...]:
    rungs = [outer_steps]
    while len(rungs) < _MOST_RUNGS and rungs[0] % 2 == 0 and rungs[0] > 0:
        rungs.insert(0, rungs[0] // 2)
    return tuple(rungs)
