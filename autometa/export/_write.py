"""Writing an export: all of its files or none, and never half over an older export."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from autometa.atomic import folder_written_atomically, write_atomically
from autometa.errors import RunError, UserError
from autometa.export._meta_config import (
    CARD,
    EXPORT_FILES,
    META_CONFIG,
    SCHEMA_VERSION,
    SCORES,
    SPEC_SECTIONS,
    WEIGHTS,
    Provenance,
    dump,
    plain,
)
from autometa.learners import AbstractLearner, learner_weights

if TYPE_CHECKING:
    from autometa.evaluation import ScoreSheet


def weights_bytes(learner: AbstractLearner) -> bytes:
    """Returns a learner's weights as a safetensors file; equal weights give equal bytes.

    Raises:
        RunError: a weight is not finite.
    """
    weights = learner_weights(learner)
    for name in sorted(weights):
        if not bool(torch.isfinite(weights[name]).all()):
            raise RunError(
                f"exported weights must be finite; {name!r} is not: export another trial"
            )
    return save({name: weights[name].contiguous() for name in sorted(weights)})


def weights_sha256(learner: AbstractLearner) -> str:
    """Returns the hash that the weights of an export of this learner have."""
    return hashlib.sha256(weights_bytes(learner)).hexdigest()


def write_export(
    path: str | Path,
    *,
    learner: AbstractLearner,
    spec: Mapping[str, Any],
    sheet: ScoreSheet,
    card: str,
    provenance: Provenance | Mapping[str, Any],
) -> Path:
    """Writes an export folder and returns its absolute path.

    An older export at the target is replaced only when every file is on the disk; whatever fails
    before, a full disk included, leaves it as it was.

    Args:
        path: the folder to write; parents are created.
        learner: the learner with exactly the weights that were scored.
        spec: the sections ``episodes``, ``training`` and ``tables`` (names by role) under the
            names of the study file, and optionally ``learner``, which must agree with
            ``learner.config``; it is always written in full from there.
        sheet: the scores of these weights and of the baselines.
        card: the model card, Markdown (see ``write_card``).
        provenance: where the export comes from.

    Raises:
        UserError: the target exists and is something other than an export, or the spec names
            another learner.
        RunError: the weights are not finite, or the disk is full or not writable.

    >>> from autometa.export import read_export
    >>> own = read_export()
    >>> path = write_export(
    ...     "mine",
    ...     learner=own.learner(),
    ...     spec=own.spec,
    ...     sheet=own.sheet(),
    ...     card="# mine",
    ...     provenance={"study": "mine"},
    ... )
    >>> path.name, sorted(file.name for file in path.iterdir())
    ('mine', ['card.md', 'meta_config.yaml', 'scores.parquet', 'weights.safetensors'])
    >>> read_export(path).provenance
    {'study': 'mine'}
    """
    target = Path(path).resolve()
    require_replaceable(target)
    learner_values = learner.config.model_dump(mode="json")
    _require_agreement(learner_values, spec.get("learner", {}))
    weights = weights_bytes(learner)
    try:
        with folder_written_atomically(target) as folder:
            _write_file(folder / WEIGHTS, weights)
            sheet.to_parquet(folder / SCORES)
            _write_file(folder / CARD, card.encode())
            sections = {name: spec.get(name, {}) for name in SPEC_SECTIONS}
            document = {
                "schema_version": SCHEMA_VERSION,
                **sections,
                "learner": {"name": learner.config.name, **learner_values},
                "provenance": dict(provenance),
                "files": {name: _sha256(folder / name) for name in (WEIGHTS, SCORES)},
            }
            _write_file(folder / META_CONFIG, dump(document))
    except OSError as error:
        raise RunError(
            f"an export must be written completely; {target} could not be "
            f"({error.strerror or error}) and what was there is unchanged: free space or choose "
            "another folder"
        ) from error
    return target


def require_replaceable(target: Path) -> None:
    """Refuses to write an export over anything but an earlier export or an empty folder.

    Raises:
        UserError: the target is a file, or holds something else.

    >>> folder = Path("results")
    >>> folder.mkdir()
    >>> require_replaceable(folder)
    >>> (folder / "notes.txt").touch()
    >>> require_replaceable(folder)
    Traceback (most recent call last):
        ...
    autometa.errors.UserError: only an earlier export may be replaced; ...(notes.txt)...
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"an export is a folder; {target} is an existing file: choose another path")
    names = {entry.name for entry in target.iterdir()}
    if names and (META_CONFIG not in names or names - EXPORT_FILES):
        foreign = sorted(names - EXPORT_FILES)
        raise UserError(
            "only an earlier export may be replaced; "
            f"{target} holds other files ({', '.join(foreign[:3]) or 'no ' + META_CONFIG}): choose "
            "another folder or empty this one"
        )


def _require_agreement(actual: Mapping[str, Any], stated: Mapping[str, Any]) -> None:
    for name, value in plain(stated).items():
        if name not in actual or actual[name] != value:
            raise UserError(
                f"learner.{name} of the exported configuration must be that of the learner, "
                f"{actual.get(name)!r}; got {value!r}: export the learner that was trained"
            )


def _write_file(path: Path, data: bytes) -> None:
    write_atomically(path, lambda file: file.write(data))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
