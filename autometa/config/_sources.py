"""Where the tables of a role come from; ``source`` names the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from autometa.config._parts import Part, Seed, Whole, unique
from autometa.config._rules import Rule

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
SklearnName: TypeAlias = Literal["iris", "wine", "breast_cancer", "digits"]


class SklearnSource(Part):
    """Classification tables that are installed with scikit-learn; they need no network.

    >>> SklearnSource(names=["iris", "wine"]).names
    ('iris', 'wine')
    """

    source: Literal["sklearn"] = "sklearn"
    names: Annotated[tuple[SklearnName, ...], Field(min_length=1), AfterValidator(unique)] = Field(
        description="iris, wine, breast_cancer, digits"
    )


class FilesSource(Part):
    """A table file, or a folder of them with an ``index.csv``.

    >>> FilesSource(path="loans.csv", target="defaulted").target
    'defaulted'
    """

    source: Literal["files"] = "files"
    path: Text = Field(description="a file or folder, relative to the working directory")
    target: Text | None = Field(None, description="the label column of a single file")
    roles: Literal["index"] | None = Field(
        None, description="index: only the rows of index.csv whose role column names this role"
    )
    names: Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(unique)] | None = Field(
        None, description="only these tables of the folder"
    )

    @model_validator(mode="after")
    def _is_a_file_or_a_folder(self) -> FilesSource:
        for key in ("roles", "names"):
            if self.target is not None and getattr(self, key) is not None:
                raise Rule(
                    f"cannot stand beside {key}: a file takes target, and the index.csv of a "
                    "folder names the target of each table",
                    keys=("target",),
                    got=self.target,
                )
        return self


OpenmlId: TypeAlias = Annotated[Whole, Field(ge=1, le=10**9)]
OpenmlIds: TypeAlias = Annotated[
    tuple[OpenmlId, ...], Field(min_length=1, max_length=10_000), AfterValidator(unique)
]


class OpenmlSource(Part):
    """Tables of OpenML: a suite of tasks, single tasks, or datasets with their default target.

    >>> str(OpenmlSource(suite=99)), OpenmlSource(tasks=[31, 37]).word()
    ('suite 99', 'openml:task:31,37')
    """

    source: Literal["openml"] = "openml"
    suite: OpenmlId | None = Field(
        None, description="id of a suite, such as 99 for OpenML-CC18 or 353 for OpenML-CTR23"
    )
    tasks: OpenmlIds | None = Field(None, description="ids of tasks")
    datasets: OpenmlIds | None = Field(None, description="ids of datasets")
    without: OpenmlIds | None = Field(
        None, description="ids to leave out, those of tasks where a suite is named"
    )
    min_tables: Annotated[Whole, Field(ge=1)] | None = Field(
        None,
        description="usable tables that are enough; by default every named table, and every table "
        "of a suite that OpenML gives",
    )
    bins: Annotated[Whole, Field(ge=2, le=20)] | None = Field(
        None, description="classes of equal size that a number as target is cut into"
    )

    @model_validator(mode="after")
    def _names_tables_in_one_way(self) -> OpenmlSource:
        given = [key for key in ("suite", "tasks", "datasets") if getattr(self, key) is not None]
        if len(given) != 1:
            raise Rule(
                "must have exactly one of suite, tasks and datasets",
                got=", ".join(given) if given else "none of them",
            )
        named = len(self.tasks or self.datasets or ())
        if self.min_tables is not None and named and self.min_tables > named:
            raise Rule(
                f"must be at most {named}, the number of ids",
                keys=("min_tables",),
                got=self.min_tables,
            )
        return self

    def __str__(self) -> str:
        if self.suite is not None:
            return f"suite {self.suite}"
        kind, ids = ("tasks", self.tasks) if self.tasks is not None else ("datasets", self.datasets)
        shown = ", ".join(map(str, (ids or ())[:3])) + (", …" if len(ids or ()) > 3 else "")
        return f"{kind if len(ids or ()) > 1 else kind[:-1]} {shown}"

    def fetch_command(self) -> str:
        """Returns the command that downloads it; a word cannot say all that a study file can."""
        is_plain = self.without is None and self.bins is None and self.min_tables is None
        return f"autometa tables fetch {self.word() if is_plain else 'STUDY.yaml'}"

    def word(self) -> str:
        """Returns the source as a word of the command line, such as ``openml:suite:99``."""
        if self.suite is not None:
            return f"openml:suite:{self.suite}"
        kind, ids = ("task", self.tasks) if self.tasks is not None else ("dataset", self.datasets)
        return f"openml:{kind}:{','.join(map(str, ids or ()))}"


class SyntheticSource(Part):
    """Tables drawn from a random prior.

    >>> SyntheticSource(count=2000).seed
    0
    """

    source: Literal["synthetic"] = "synthetic"
    count: Whole = Field(ge=1, le=1_000_000, description="number of tables")
    seed: Seed = Field(0, description="the same seed draws the same tables")


_SOURCES: dict[str, type[Part]] = {
    "sklearn": SklearnSource,
    "files": FilesSource,
    "openml": OpenmlSource,
    "synthetic": SyntheticSource,
}


def _named_source(value: Any) -> Any:
    if isinstance(value, tuple(_SOURCES.values())):
        return value
    accepted = ", ".join(_SOURCES)
    if not isinstance(value, Mapping):
        raise Rule(f"must be a section such as {{source: sklearn, names: [iris]}}, of {accepted}")
    if "source" not in value:
        raise Rule(f"must name its source, one of {accepted}", got=dict(value))
    name = value["source"]
    if not isinstance(name, str) or name not in _SOURCES:
        raise Rule(f"must be one of {accepted}", keys=("source",), got=name)
    return value


SourceSpec: TypeAlias = Annotated[
    Annotated[
        SklearnSource | FilesSource | OpenmlSource | SyntheticSource,
        Field(discriminator="source"),
    ],
    BeforeValidator(_named_source),
]

SKLEARN_NAMES: tuple[str, ...] = get_args(SklearnName)
