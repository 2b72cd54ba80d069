"""The file ``meta_config.yaml``: what an export was trained with, in the words of a study file.

schema_version: 3
learner: {name: column_kernel, inner_lr: 0.3, ...}    every value, searched or fixed
episodes: {...}                                       these sections can be pasted back into
training: {...}                                       a study file
tables: {train: [...], validation: [...]}             names of the tables of each role
provenance: {study: ..., trial: ..., families_seen: [...], versions: {...}, ...}
files: {weights.safetensors: <sha256>, scores.parquet: <sha256>}
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

import yaml
from pydantic import BaseModel, ValidationError

from autometa.config import LearnerConfig, learner_config_class, parse_yaml, user_error
from autometa.errors import UserError

SCHEMA_VERSION: Final = 3
META_CONFIG: Final = "meta_config.yaml"
WEIGHTS: Final = "weights.safetensors"
SCORES: Final = "scores.parquet"
CARD: Final = "card.md"
EXPORT_FILES: Final = frozenset({META_CONFIG, WEIGHTS, SCORES, CARD})

_OF_VERSION_1: Final[Mapping[str, Mapping[str, Any]]] = {
    "column_kernel": {"gate": False, "head": "descent"}
}
"""Meta-parameters that exports of schema version 1 do not name, with what they were."""

SPEC_SECTIONS: Final = ("learner", "episodes", "training", "tables")
_MAX_BYTES: Final = 1 << 20
_LONGEST_REASON: Final = 120
_DOCUMENTS: Final = 8


class FamilySeen(TypedDict):
    """A family that had a say in the weights or in their choice.

    Entries of the role ``test`` are shown on the card but do not count as seen. ``sha256`` lists
    the content hashes of the tables (a prefix of 8 digits or more is enough), so that a table is
    recognised under another name.

    >>> from dataclasses import replace
    >>> from autometa.export import read_export
    >>> trained = FamilySeen(family="iris", tables=["iris"], role="train")
    >>> tested = FamilySeen(family="wine", tables=["wine"], role="test")
    >>> export = replace(read_export(), provenance={"families_seen": [trained, tested]})
    >>> export.families_seen()
    frozenset({'iris'})
    """

    family: str
    tables: list[str]
    role: str
    sha256: NotRequired[list[str]]


class Provenance(TypedDict, total=False):
    """Where an export comes from; every key may be left out, further ones are kept.

    Never put a storage URL here: it may hold a password.

    >>> from autometa.evaluation import ScoreSheet
    >>> from autometa.export import read_export, write_card
    >>> learner, sheet = read_export().learner(), ScoreSheet.from_rows([])
    >>> origin = Provenance(study="mine", trial=3)
    >>> card = write_card(learner=learner, spec={}, sheet=sheet, provenance=origin)
    >>> [line for line in card.splitlines() if line.startswith(("- study:", "- trial:"))]
    ['- study: `mine`', '- trial: `3`']
    """

    study: str
    trial: int
    seeds: dict[str, int]
    confirmed: list[dict[str, Any]]
    weights_of: str
    adaptation: list[dict[str, float]]
    test_reads: int
    refit_of: str
    families_seen: list[FamilySeen]
    figures_seen: dict[str, list[float]]
    budget: dict[str, Any]
    versions: dict[str, str]
    fingerprint: str
    created: str


def plain(value: Any) -> Any:  # noqa: PLR0911 - one form for each kind of value
    """Returns a value as the mappings, lists, numbers and texts that YAML has, all of them copies.

    Raises:
        TypeError: there is no such form.
    """
    match value:
        case None | bool():
            return value
        case str():
            return str(value)
        case BaseModel():
            return plain(value.model_dump(mode="json"))
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case Path():
            return value.as_posix()
        case Integral():
            return int(value)
        case Real():
            return float(value)
        case _ if hasattr(value, "item"):  # a NumPy scalar, its boolean included
            return plain(value.item())
        case _:
            raise TypeError(f"no YAML form of a {type(value).__name__}")


def dump(document: Mapping[str, Any]) -> bytes:
    """Returns a document as UTF-8 YAML, keys in the order given."""
    text = yaml.dump(
        plain(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return str(text).encode()


def load(path: Path) -> dict[str, Any]:
    """Reads ``meta_config.yaml`` and checks that this version of autometa understands it.

    What was read before is not parsed again.

    Raises:
        UserError: the file is missing, damaged, too large, or of a newer autometa.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UserError(
            f"an export must hold a readable {META_CONFIG}; {path.parent} does not "
            f"({error.strerror}): give the folder that `autometa export` wrote"
        ) from None
    if len(raw) > _MAX_BYTES:
        raise _damaged(path, "it is larger than 1 MB")
    # A copy by way of JSON, which takes a hundredth of the time of YAML: callers may change it.
    document: dict[str, Any] = json.loads(_checked_document(raw, path))
    return document


@functools.lru_cache(maxsize=_DOCUMENTS)
def _checked_document(raw: bytes, path: Path) -> str:
    try:
        document = parse_yaml(raw.decode())
    except UnicodeDecodeError:
        raise _damaged(path, "it is not UTF-8") from None
    except (UserError, ValueError) as error:
        raise _damaged(path, _first_line(error)) from None
    if not isinstance(document, dict) or "schema_version" not in document:
        raise _damaged(path, "schema_version is missing")
    version = document["schema_version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _damaged(path, f"schema_version must be a number from 1; got {version!r}")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path.parent} has schema_version {version} and this autometa reads up to "
            f"{SCHEMA_VERSION}; the export was made by a newer autometa: upgrade it"
        )
    for section in (*SPEC_SECTIONS, "provenance", "files"):
        if not isinstance(document.get(section), dict):
            raise _damaged(path, f"the section {section} is missing")
    return json.dumps(document)


def learner_config(document: Mapping[str, Any], path: Path) -> LearnerConfig:
    """Returns the learner's configuration in a document.

    Raises:
        UserError: the learner is unknown or one of its values is impossible.
    """
    values = dict(document["learner"])
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise _damaged(path, "learner.name is missing")
    if document["schema_version"] == 1:
        values = {**_OF_VERSION_1.get(name, {}), **values}
    try:
        # The class of every known name is a member of the union that LearnerConfig stands for.
        config: Any = learner_config_class(name).model_validate(values)
    except ValidationError as error:
        raise _damaged(path, f"learner: {user_error(error)}") from None
    return config  # type: ignore[no-any-return]


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{META_CONFIG} of an export must be as `autometa export` wrote it; that of {path.parent} "
        f"is damaged ({reason}): export the study again"
    )


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_REASON]


class _Dumper(yaml.SafeDumper):
    """Quotes texts such as 1e5 too, which are numbers to ``parse_yaml`` but not to YAML 1.1."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+\.?[eE][-+]?[0-9]+\Z"), [*"-+0123456789"]
)
