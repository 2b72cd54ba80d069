"""Prior files: JSON of a known version and bounded size, checked before anything is used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autometa.atomic import write_atomically
from autometa.errors import RunError, UserError
from autometa.priors._source import Source

FORMAT = "autometa prior"
VERSION = 1
MOST_BYTES = 32 * 2**20
MOST_SOURCES = 1000

_REMEDY = "learn it again from its studies, or leave it out"


def write_sources(path: Path, sources: Sequence[Source]) -> None:
    """Writes sources to a file, whole or not at all.

    Raises:
        UserError: they are more than a file may hold.
        RunError: the file cannot be written.
    """
    data = sources_text(sources).encode()
    if len(data) > MOST_BYTES or len(sources) > MOST_SOURCES:
        raise UserError(
            f"a prior file holds at most {MOST_SOURCES} studies and {MOST_BYTES >> 20} MiB; got "
            f"{len(sources)} studies and {len(data) >> 20} MiB: merge fewer studies"
        )
    try:
        write_atomically(path, lambda file: file.write(data))
    except OSError as error:
        raise RunError(
            f"the prior {path} cannot be written ({error.strerror or error}): free space or choose "
            "another place"
        ) from error


def read_sources(path: Path) -> tuple[Source, ...]:
    """Returns the sources of a file.

    Raises:
        UserError: it is missing, too large, damaged, or of a newer release.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(
            f"the prior {path} cannot be read ({error.strerror or error}): name a file that "
            "`autometa priors learn` has written"
        ) from None
    if len(data) > MOST_BYTES:
        raise UserError(
            f"a prior file has at most {MOST_BYTES >> 20} MiB; {path} has more: {_REMEDY}"
        )
    try:
        return parse_sources(data.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise UserError(f"a prior file is JSON in UTF-8; {path} is not: {_REMEDY}") from None


def sources_text(sources: Sequence[Source]) -> str:
    """Returns sources as the text of a prior file.

    >>> import optuna
    >>> from autometa.priors import StudyPrior
    >>> past = optuna.create_study(study_name="past", sampler=optuna.samplers.RandomSampler(0))
    >>> past.optimize(lambda trial: trial.suggest_int("depth", 1, 4), n_trials=10)
    >>> sources_text(StudyPrior.learn(past).sources)
    '{"format":"autometa prior","version":1,"sources":[{"name":"past","trials":10,...
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "sources": [source.model_dump(mode="json") for source in sources],
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"


def parse_sources(text: str, place: str) -> tuple[Source, ...]:
    """Returns the sources of a prior file's text.

    Args:
        text: the content.
        place: where it is from, for messages.

    Raises:
        UserError: it is no prior of a known version.

    >>> import optuna
    >>> from autometa.priors import StudyPrior
    >>> past = optuna.create_study(study_name="past", sampler=optuna.samplers.RandomSampler(0))
    >>> past.optimize(lambda trial: trial.suggest_int("depth", 1, 4), n_trials=10)
    >>> text = sources_text(StudyPrior.learn(past).sources)
    >>> [source.name for source in parse_sources(text, "prior.json")]
    ['past']
    """
    try:
        content = json.loads(text, parse_constant=_refuse)
    # RecursionError: brackets by the thousand.
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UserError(
            f"a prior file is whole JSON; {place} is not ({reason}): {_REMEDY}"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            f'a prior file begins with the format "{FORMAT}"; {place} does not: {_REMEDY}'
        )
    version = content.get("version")
    if isinstance(version, bool) or version != VERSION:
        shown = version if isinstance(version, int) else "none that is known"
        raise UserError(
            f"this autometa reads prior files of version {VERSION}; {place} has {shown}: install "
            f"the autometa that wrote it, or {_REMEDY}"
        )
    sources = content.get("sources")
    if not isinstance(sources, list) or len(sources) > MOST_SOURCES:
        raise UserError(
            f"a prior file holds a list of at most {MOST_SOURCES} sources; {place} does not: "
            f"{_REMEDY}"
        )
    return tuple(_source(item, index, place) for index, item in enumerate(sources))


def _source(item: Any, index: int, place: str) -> Source:
    try:
        return Source.model_validate(item)
    except (ValidationError, OverflowError) as error:
        raise UserError(
            f"source {index} of {place} must be as `autometa priors learn` writes it, but "
            f"{_first(error)}: {_REMEDY}"
        ) from None


def _first(error: ValidationError | OverflowError) -> str:
    """Returns what is wrong first, in a few words without the value: it may be anything."""
    if isinstance(error, OverflowError):
        return "a number is too large"
    found = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:40] for part in found["loc"][:4])
    message = str(found["msg"]).partition("\n")[0][:120].rstrip(".")
    return f"{where or 'it'}: {message}"


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
