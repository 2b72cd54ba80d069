"""From files, overrides and dictionaries to a validated study, and back to plain values."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autometa.config._rules import shown, user_error
from autometa.config._spec import StudySpec
from autometa.config._yaml import parse_yaml
from autometa.errors import UserError

LARGEST_FILE_BYTES = 1_000_000

_KEY_PATH = re.compile(r"[^\s.=]+(?:\.[^\s.=]+)*")
_REMEDY = "give the path of a study file such as studies/quickstart.yaml"


def read_spec(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> StudySpec:
    """Returns the study of a study file.

    Args:
        path: a UTF-8 YAML file of at most 1 MB.
        overrides: ``key.path=value`` texts, applied in order; the value is YAML, and an index
            stands for an entry of a list, as in ``tables.train.0.count=100``.

    Raises:
        UserError: the file cannot be read, or says something that is not accepted; names the
            file, the line or the key's path, the rule and the value.

    >>> lines = [
    ...     "name: mine",
    ...     "tables:",
    ...     "  train: [{source: synthetic, count: 20}]",
    ...     "  validation: [{source: sklearn, names: [iris]}]",
    ...     "learner: {name: maml}",
    ...     "space: {inner_lr: {low: 0.1, high: 1.0}}",
    ... ]
    >>> _ = Path("mine.yaml").write_text(os.linesep.join(lines))
    >>> read_spec("mine.yaml", ["search.trials=50"]).search.trials
    50
    """
    text = _read_text(Path(path))
    try:
        data = parse_yaml(text)
        if not isinstance(data, Mapping):
            what = "it is empty" if data is None else f"got {shown(data)}"
            raise UserError(f"a study file must be a section of keys and values; {what}")
        return spec_from_dict(_overridden(data, overrides))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def spec_from_dict(data: Mapping[str, Any]) -> StudySpec:
    """Returns the study that a dictionary of plain values describes.

    Args:
        data: what a study file says, or what :func:`spec_to_dict` returned.

    Raises:
        UserError: something in it is not accepted; names the key's path, the rule and the value.

    >>> spec = spec_from_dict(
    ...     {
    ...         "name": "mine",
    ...         "tables": {
    ...             "train": [{"source": "synthetic", "count": 20}],
    ...             "validation": [{"source": "sklearn", "names": ["iris"]}],
    ...         },
    ...         "learner": {"name": "maml"},
    ...         "space": {"inner_lr": {"low": 0.1, "high": 1.0}},
    ...     }
    ... )
    >>> spec.name, spec.search.trials
    ('mine', 30)
    >>> spec_from_dict({"name": "mine", "trails": 3})
    Traceback (most recent call last):
        ...
    autometa.errors.UserError: ...
    """
    if not isinstance(data, Mapping):
        raise UserError(f"a study must be a dictionary of keys and values; got {shown(data)}")
    try:
        return StudySpec.model_validate(copy.deepcopy(dict(data)))
    except ValidationError as error:
        raise user_error(error) from None


def spec_to_dict(spec: StudySpec) -> dict[str, Any]:
    """Returns a study in plain JSON values, complete with every default.

    ``spec_from_dict(spec_to_dict(spec)) == spec``. The URL under ``storage`` may hold a password:
    remove that key before the rest is stored or shown.

    >>> spec = spec_from_dict(
    ...     {
    ...         "name": "mine",
    ...         "tables": {
    ...             "train": [{"source": "synthetic", "count": 20}],
    ...             "validation": [{"source": "sklearn", "names": ["iris"]}],
    ...         },
    ...         "learner": {"name": "maml"},
    ...         "space": {"inner_lr": {"low": 0.1, "high": 1.0}},
    ...     }
    ... )
    >>> spec_to_dict(spec)["episodes"]["shots"]
    [1, 5, 10]
    """
    return spec.model_dump(mode="json")


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder, not a study file; {_REMEDY}")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no file {path}; {_REMEDY}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{str(path)!r} cannot be read ({reason}); {_REMEDY}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise UserError(f"{path} is larger than 1 MB, which no study file is; {_REMEDY}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} must be text in UTF-8; byte {error.start} is not: save it as UTF-8"
        ) from None


def _overridden(data: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = copy.deepcopy(dict(data))
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not _KEY_PATH.fullmatch(path):
            raise UserError(
                f"--set takes key.path=value, such as search.trials=50; got {shown(override)}"
            )
        try:
            value = parse_yaml(text)
        except UserError as error:
            raise UserError(f"--set {path}: {error}") from None
        _set(result, path.split("."), value)
    return result


def _set(section: Any, keys: list[str], value: Any) -> None:
    """Sets one value in place; sections that are missing on the way are made."""
    for depth, key in enumerate(keys):
        is_last = depth == len(keys) - 1
        at: Any = key
        if isinstance(section, list):
            at = _index(section, keys[: depth + 1])
        elif not isinstance(section, dict):
            raise UserError(
                f"--set {'.'.join(keys)}: {'.'.join(keys[:depth])} is no section but "
                f"{shown(section)}; name one of the keys of the study file"
            )
        if is_last:
            section[at] = value
            return
        if isinstance(section, dict) and section.get(at) is None:
            section[at] = {}
        section = section[at]


def _index(entries: list[Any], keys: list[str]) -> int:
    if keys[-1].isascii() and keys[-1].isdigit() and int(keys[-1][:9]) < len(entries):
        return int(keys[-1][:9])
    raise UserError(
        f"--set {'.'.join(keys)}: {'.'.join(keys[:-1])} is a list of {len(entries)}, whose "
        f"entries are 0 to {len(entries) - 1}; got {shown(keys[-1])}"
    )
