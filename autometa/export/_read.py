"""Reading an export: nothing is believed before its form and its hashes have been checked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from autometa.config import LearnerConfig
from autometa.errors import UserError
from autometa.export._meta_config import META_CONFIG, SCORES, WEIGHTS, learner_config, load
from autometa.learners import AbstractLearner, build_learner, load_weights

if TYPE_CHECKING:
    from autometa.evaluation import ScoreSheet

PRETRAINED = Path(__file__).parent / "pretrained"
"""The export that is shipped with the package."""

_FEWEST_DIGITS = 8


@dataclass(frozen=True)
class Export:
    """An export folder that was read and checked; ``read_export`` makes one.

    Attributes:
        path: the folder.
        config: the learner's meta-parameters.
        weights: the meta-trained weights by name, finite.
        spec: the sections ``learner``, ``episodes``, ``training`` and ``tables``.
        provenance: where the export comes from (see ``Provenance``).
        sha256: hash of each file that has one.

    >>> export = read_export()
    >>> export.path == PRETRAINED, len(export.families_seen()) > 50
    (True, True)
    >>> "autometa" in export.sheet().methods()
    True
    """

    path: Path
    config: LearnerConfig
    weights: Mapping[str, Tensor] = field(repr=False)
    spec: Mapping[str, Any] = field(repr=False)
    provenance: Mapping[str, Any] = field(repr=False)
    sha256: Mapping[str, str] = field(repr=False)

    def learner(self) -> AbstractLearner:
        """Returns a learner with these weights in float64 on the CPU, without gradients."""
        learner = build_learner(self.config, seed=0)
        load_weights(learner, self.weights)
        return learner.double().eval().requires_grad_(False)

    def sheet(self) -> ScoreSheet:
        """Reads the score sheet.

        Raises:
            UserError: the file is missing or differs from what was written.
        """
        from autometa.evaluation import ScoreSheet

        _checked_bytes(self.path, SCORES, self.sha256)
        return ScoreSheet.from_parquet(self.path / SCORES)

    def families_seen(self) -> frozenset[str]:
        """Returns the families that had a say in the weights or in their choice."""
        return frozenset(str(entry["family"]) for entry in self._seen())

    def contents_seen(self) -> frozenset[str]:
        """Returns the content hashes of the tables seen, at least 8 digits of each."""
        hashes = (str(sha256) for entry in self._seen() for sha256 in entry.get("sha256", []))
        return frozenset(sha256 for sha256 in hashes if len(sha256) >= _FEWEST_DIGITS)

    def _seen(self) -> list[Mapping[str, Any]]:
        # Test tables are read once, when nothing can be chosen any more.
        listed = self.provenance.get("families_seen", [])
        return [entry for entry in listed if entry.get("role") != "test"]


def read_export(path: str | Path | None = None) -> Export:
    """Reads and checks an export folder; the pretrained one where no path is given.

    Raises:
        UserError: the folder or a file is missing, damaged or of a newer autometa, or the weights
            do not fit the configuration or are not finite.

    >>> read_export().config.name
    'column_kernel'
    """
    if path is None and not PRETRAINED.is_dir():
        raise UserError(
            "a pretrained export must be part of the package; this installation has none: give "
            "an export folder, FewShotClassifier(export=...), or install autometa again"
        )
    folder = PRETRAINED if path is None else Path(path)
    if not folder.is_dir():
        raise UserError(
            f"an export must be an existing folder; got {str(folder)!r}: give the folder that "
            "`autometa export` wrote"
        )
    document = load(folder / META_CONFIG)
    config = learner_config(document, folder / META_CONFIG)
    raw = _checked_bytes(folder, WEIGHTS, document["files"])
    try:
        weights = load_tensors(raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(
            f"{WEIGHTS} of an export must be a safetensors file; that of {folder} is not "
            f"({error}): export the study again"
        ) from None
    for name, weight in weights.items():
        if not weight.is_floating_point() or not bool(torch.isfinite(weight).all()):
            raise UserError(
                f"weights of an export must be finite numbers; {name!r} of {folder} is not: "
                "export another trial"
            )
    export = Export(
        path=folder,
        config=config,
        weights=weights,
        spec={name: document[name] for name in ("learner", "episodes", "training", "tables")},
        provenance=document["provenance"],
        sha256=document["files"],
    )
    _require_families(export)
    _require_figures(export)
    export.learner()  # refuses weights of another configuration now, not at the first use
    return export


def _checked_bytes(folder: Path, name: str, sha256: Mapping[str, Any]) -> bytes:
    try:
        raw = (folder / name).read_bytes()
    except OSError as error:
        raise UserError(
            f"an export must hold a readable {name}; {folder} does not ({error.strerror}): copy "
            "the whole folder again or export the study again"
        ) from None
    if hashlib.sha256(raw).hexdigest() != sha256.get(name):
        raise UserError(
            f"{name} of an export must be as it was written; that of {folder} is damaged (its "
            f"sha256 is not the one in {META_CONFIG}): copy or export it again"
        )
    return raw


def _require_families(export: Export) -> None:
    seen = export.provenance.get("families_seen", [])
    if not isinstance(seen, list) or not all(
        isinstance(entry, dict) and "family" in entry for entry in seen
    ):
        raise UserError(
            f"provenance.families_seen of an export must list families; that of {export.path} "
            "does not: export the study again"
        )


def _require_figures(export: Export) -> None:
    seen = export.provenance.get("figures_seen", {})
    if not isinstance(seen, dict) or not all(_is_range(ends) for ends in seen.values()):
        raise UserError(
            "provenance.figures_seen of an export must give a smallest and a largest number for "
            f"each figure; that of {export.path} does not: export the study again"
        )


def _is_range(ends: Any) -> bool:
    return (
        isinstance(ends, list)
        and len(ends) == len(("low", "high"))
        and all(isinstance(end, int | float) and math.isfinite(end) for end in ends)
    )
