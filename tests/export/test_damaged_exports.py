"""Exports that are incomplete, damaged, malicious or from the future."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from autometa.errors import UserError
from autometa.export import FewShotClassifier, load, read_export
from autometa.learners import learner_weights

WriteExport = Callable[..., Path]


def edit(folder: Path, old: str, new: str) -> None:
    """Replaces a text of ``meta_config.yaml`` that stands there once."""
    path = folder / "meta_config.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def replace_weights(folder: Path, raw: bytes) -> None:
    """Replaces the weights and their hash, as an attacker would."""
    path = folder / "weights.safetensors"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(raw)
    edit(folder, before, hashlib.sha256(raw).hexdigest())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The message says which folder is not there."""
    with pytest.raises(UserError, match=r"must be an existing folder; got .*nowhere"):
        read_export(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["meta_config.yaml", "weights.safetensors"])
def test_a_missing_file_is_named(export: Path, name: str) -> None:
    """The message says which file is not there."""
    (export / name).unlink()

    with pytest.raises(UserError, match=f"readable {name}.*No such file"):
        read_export(export)


def test_scores_are_not_needed_to_predict(export: Path) -> None:
    """The sheet is read only when it is asked for, and missed only then."""
    (export / "scores.parquet").unlink()

    read = read_export(export)

    with pytest.raises(UserError, match=r"readable scores\.parquet"):
        read.sheet()


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_changed_byte_of_the_weights_is_noticed(export: Path, position: int) -> None:
    """Weights that differ from those that were written are refused."""
    path = export / "weights.safetensors"
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)

    with pytest.raises(UserError, match=r"weights\.safetensors .* is damaged"):
        read_export(export)


def test_changed_scores_are_noticed(export: Path) -> None:
    """A score sheet that differs from the one that was written is refused."""
    (export / "scores.parquet").write_bytes(b"better scores")

    with pytest.raises(UserError, match=r"scores\.parquet .* is damaged"):
        read_export(export).sheet()


def test_a_newer_schema_asks_for_an_upgrade(export: Path) -> None:
    """An export of a later autometa is refused with the remedy."""
    edit(export, "schema_version: 3", "schema_version: 4")

    with pytest.raises(UserError, match="made by a newer autometa: upgrade"):
        load(export)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("schema_version: 3", "schema_version: one", "schema_version must be a number"),
        ("schema_version: 3", "schema_version: true", "schema_version must be a number"),
        ("schema_version: 3", "version: 2", "schema_version is missing"),
        ("\ntraining:", "\ntrainings:", "section training is missing"),
        ("name: column_kernel", "title: column_kernel", "learner.name is missing"),
        ("inner_steps: 2", "inner_steps: -2", "inner_steps"),
        ("inner_steps: 2", "inner_steps: two", "inner_steps"),
        ("inner_steps: 2", "inner_stepz: 2", "inner_stepz"),
        ("study: small", "study: {small", "not YAML"),
        ("study: small", "study: &a [*a, *a]", "aliases"),
        ("study: small", "study: !!python/name:os.system x", "tags"),
        ("study: small", "study: small\x00", "not accepted"),
    ],
)
def test_a_damaged_configuration_is_explained(
    export: Path, old: str, new: str, reason: str
) -> None:
    """The message says what is wrong with ``meta_config.yaml``."""
    edit(export, old, new)

    with pytest.raises(UserError, match=rf"damaged.*{reason}"):
        read_export(export)


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"a: b\n" * 300_000, b"- 1\n", b"x"])
def test_a_configuration_that_is_none_is_refused(export: Path, raw: bytes) -> None:
    """Empty, binary, huge and other files are refused in one sentence."""
    (export / "meta_config.yaml").write_bytes(raw)

    with pytest.raises(UserError, match="damaged"):
        read_export(export)


@pytest.mark.parametrize("entry", ["wine", "[wine]", "[{tables: [wine]}]"])
def test_families_seen_must_be_a_list_of_families(
    write: WriteExport, export: Path, entry: str
) -> None:
    """Otherwise a table that was seen could be scored as unseen."""
    write(export, provenance={"families_seen": []})
    edit(export, "families_seen: []", f"families_seen: {entry}")

    with pytest.raises(UserError, match="families_seen"):
        read_export(export)


def test_an_unknown_learner_is_named(export: Path) -> None:
    """The message lists the learners that there are."""
    edit(export, "name: column_kernel", "name: transformer")

    with pytest.raises(UserError, match=r"column_kernel.*transformer"):
        read_export(export)


def test_weights_of_another_configuration_are_refused(export: Path) -> None:
    """Weights and configuration must belong together."""
    edit(export, "width: 8", "width: 9")

    with pytest.raises(UserError, match="weights must match the learner"):
        read_export(export)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(
    export: Path, untrained: Callable[..., torch.nn.Module], value: float
) -> None:
    """Even with a matching hash, such weights are not used."""
    weights = learner_weights(untrained())  # type: ignore[arg-type]
    next(iter(weights.values())).fill_(value)
    replace_weights(export, save(weights))

    with pytest.raises(UserError, match="must be finite numbers"):
        read_export(export)


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.canary,)


def test_a_pickle_in_place_of_the_weights_is_never_run(export: Path, tmp_path: Path) -> None:
    """A pickle is no safetensors file, whatever its name and hash."""
    canary = tmp_path / "canary"
    replace_weights(export, pickle.dumps(Malicious(canary)))

    with pytest.raises(UserError, match="must be a safetensors file"):
        read_export(export)

    assert not canary.exists()


def test_code_in_the_configuration_is_never_run(export: Path, tmp_path: Path) -> None:
    """Tags that make Python objects are refused."""
    canary = tmp_path / "canary"
    edit(export, "study: small", f"study: !!python/object/apply:os.mkdir [{canary}]")

    with pytest.raises(UserError, match="damaged"):
        read_export(export)

    assert not canary.exists()


def test_loading_checks_at_once_and_constructing_does_not(tmp_path: Path) -> None:
    """``load`` fails early; an estimator is free to construct, as scikit-learn demands."""
    FewShotClassifier(export=tmp_path / "nowhere")

    with pytest.raises(UserError, match="existing folder"):
        load(tmp_path / "nowhere")


def test_the_pretrained_export_is_the_default(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path, the export of the package is used."""
    monkeypatch.setattr("autometa.export._read.PRETRAINED", export)

    classifier = FewShotClassifier().fit([[0.0], [1.0]], ["a", "b"])

    assert read_export().path == export
    assert classifier.predict([[0.9]]).tolist() == ["b"]


def test_a_missing_pretrained_export_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An installation without package data says what to do."""
    monkeypatch.setattr("autometa.export._read.PRETRAINED", tmp_path / "pretrained")

    with pytest.raises(UserError, match="pretrained export must be part of the package"):
        FewShotClassifier().fit([[0.0], [1.0]], ["a", "b"])


def test_what_is_done_to_an_export_stays_with_it(export: Path) -> None:
    """A document is parsed once, and every reader has a copy of its own."""
    first = read_export(export)
    families = first.families_seen()
    first.provenance["families_seen"].clear()
    first.spec["learner"]["inner_steps"] = 99

    again = read_export(export)

    assert again.families_seen() == families
    assert again.config.inner_steps != 99
