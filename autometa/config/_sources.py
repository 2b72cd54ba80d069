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
    """Classification tables that are installed with scikit-learn; they need no network."""

    source: Literal["sklearn"] = "sklearn"
    names: Annotated[tuple[SklearnName, ...], Field(min_length=1), AfterValidator(unique)] = Field(
        description="iris, wine, breast_cancer, digits"
    )


class FilesSource(Part):
    """A table file, or a folder of them with an ``index.csv``."""

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


class SyntheticSource(Part):
    """Tables drawn from a random prior."""

    source: Literal["synthetic"] = "synthetic"
    count: Whole = Field(ge=1, le=1_000_000, description="number of tables")
    seed: Seed = Field(0, description="the same seed draws the same tables")


_SOURCES: dict[str, type[Part]] = {
    "sklearn": SklearnSource,
    "files": FilesSource,
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
    if name == "openml":
        raise Rule(
            f"must be one of {accepted}, because openml is not in this version: save its tables "
            "as files and use source: files",
            keys=("source",),
            got=name,
        )
    if not isinstance(name, str) or name not in _SOURCES:
        raise Rule(f"must be one of {accepted}", keys=("source",), got=name)
    return value


SourceSpec: TypeAlias = Annotated[
    Annotated[SklearnSource | FilesSource | SyntheticSource, Field(discriminator="source")],
    BeforeValidator(_named_source),
]

SKLEARN_NAMES: tuple[str, ...] = get_args(SklearnName)
