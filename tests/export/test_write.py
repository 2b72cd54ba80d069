"""Writing an export: complete or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autometa.config import ColumnKernelConfig, parse_yaml
from autometa.errors import RunError, UserError
from autometa.export import read_export
from autometa.learners import AbstractLearner, learner_weights

WriteExport = Callable[..., Path]
Untrained = Callable[..., AbstractLearner]


class FullDisk:
    """Stands for a score sheet whose file does not fit on the disk any more."""

    def to_parquet(self, path: Path) -> None:
        """Writes half a file and fails."""
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def contents(folder: Path) -> dict[str, bytes]:
    """Returns every file below a folder with its bytes."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_export_has_the_four_files_of_its_schema(export: Path) -> None:
    """The folder holds configuration, weights, scores and card, and nothing else."""
    names = {path.name for path in export.iterdir()}

    assert names == {"meta_config.yaml", "weights.safetensors", "scores.parquet", "card.md"}


def test_the_configuration_can_be_pasted_into_a_study_file(export: Path) -> None:
    """The learner stands under its study-file name with every value, searched or default."""
    document = parse_yaml((export / "meta_config.yaml").read_text())

    assert document["schema_version"] == 3
    assert next(iter(document["learner"])) == "name"
    assert ColumnKernelConfig(**document["learner"]) == ColumnKernelConfig(
        inner_steps=2, width=8, depth=2
    )
    assert document["episodes"] == {"ways": 5, "shots": [1, 5], "queries": 15}
    assert document["tables"]["train"] == ["wine"]


def test_the_configuration_holds_the_hashes_of_weights_and_scores(export: Path) -> None:
    """Each hash is that of the file as it lies there."""
    files = parse_yaml((export / "meta_config.yaml").read_text())["files"]

    assert set(files) == {"weights.safetensors", "scores.parquet"}
    for name, sha256 in files.items():
        assert hashlib.sha256((export / name).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("name", ["maml", "fomaml", "in_context", "column_kernel"])
def test_weights_and_provenance_survive(
    write: WriteExport, untrained: Untrained, name: str
) -> None:
    """Reading gives the configuration, the weights and the provenance that were written."""
    learner = untrained(name)

    export = read_export(write(learner=learner))

    assert export.config == learner.config
    written = learner_weights(learner)
    assert export.weights.keys() == written.keys()
    assert all(torch.equal(export.weights[key], written[key]) for key in written)
    assert export.provenance["fingerprint"] == "1e5"
    assert export.families_seen() == {"wine", "iris"}
    assert next(export.learner().parameters()).dtype == torch.float64


def test_numpy_values_are_written_as_plain_numbers(write: WriteExport) -> None:
    """Scalars of NumPy, tuples and paths have a YAML form."""
    folder = write(
        provenance={
            "trial": np.int64(3),
            "budget": {"seconds": np.float32(0.5)},
            "path": Path("a/b"),
        }
    )

    assert read_export(folder).provenance == {"trial": 3, "budget": {"seconds": 0.5}, "path": "a/b"}


def test_texts_that_look_like_values_stay_texts(write: WriteExport) -> None:
    """Quoting agrees with the reader of study files, whose numbers are those of YAML 1.2."""
    texts = [
        "1e5",
        "no",
        "012",
        "1:30",
        "2024-01-01",
        "null",
        "",
        "~",
        "*a",
        "1_000",
        "é\n",
        "0x1F",
    ]

    folder = write(provenance={"texts": texts})

    assert read_export(folder).provenance["texts"] == texts


def test_an_older_export_is_replaced(write: WriteExport, untrained: Untrained) -> None:
    """Writing to the folder of an export leaves the new one and no trace of the old."""
    old = contents(write())

    folder = write(learner=untrained(seed=1))

    assert contents(folder)["weights.safetensors"] != old["weights.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_full_disk_leaves_the_older_export(write: WriteExport) -> None:
    """When space runs out, the older export is as it was and no temporary file is left."""
    folder = write()
    old = contents(folder)

    with pytest.raises(RunError, match=r"No space left on device.*unchanged: free space"):
        write(sheet=FullDisk())

    assert contents(folder) == old
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("written", range(3))
def test_a_disk_that_is_full_at_any_file_leaves_the_older_export(
    write: WriteExport, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Whichever file does not fit any more, nothing changes."""
    folder = write()
    old = contents(folder)
    fsync, calls = os.fsync, []

    def fsync_until(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_until)
    with pytest.raises(RunError, match="No space left on device"):
        write()

    assert contents(folder) == old
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_rename_leaves_the_older_export(
    write: WriteExport, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Whichever of the two renames fails, the older export ends up in its place."""
    folder = write()
    old = contents(folder)
    rename, calls = Path.rename, []

    def rename_until(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == failing:
            raise OSError(errno.EIO, "I/O error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_until)
    with pytest.raises(RunError, match="I/O error"):
        write()

    assert contents(folder) == old
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_an_empty_folder_may_be_the_target(write: WriteExport, tmp_path: Path) -> None:
    """A folder that was made for the export is used."""
    target = tmp_path / "made" / "before"
    target.mkdir(parents=True)

    assert read_export(write(target)).path == target


@pytest.mark.parametrize("extra", [False, True])
def test_a_foreign_folder_is_never_replaced(
    write: WriteExport, tmp_path: Path, extra: bool
) -> None:
    """A folder with a file that no export has is refused, an export among them or not."""
    target = tmp_path / "precious"
    if extra:
        write(target)
    target.mkdir(exist_ok=True)
    (target / "thesis.txt").write_text("years of work")

    with pytest.raises(UserError, match=r"only an earlier export may be replaced.*thesis\.txt"):
        write(target)

    assert (target / "thesis.txt").read_text() == "years of work"


def test_a_file_is_never_replaced(write: WriteExport, tmp_path: Path) -> None:
    """A target that is a file is refused."""
    (tmp_path / "notes").write_text("x")

    with pytest.raises(UserError, match="an export is a folder"):
        write(tmp_path / "notes")


def test_weights_that_are_not_finite_are_not_exported(
    write: WriteExport, untrained: Untrained, tmp_path: Path
) -> None:
    """A diverged learner is refused before anything is written."""
    learner = untrained()
    with torch.no_grad():
        next(learner.parameters()).fill_(torch.nan)

    with pytest.raises(RunError, match="must be finite"):
        write(learner=learner)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stated", [{"inner_lr": 0.5}, {"momentum": 0.9}])
def test_a_configuration_of_another_learner_is_refused(
    write: WriteExport, stated: dict[str, Any]
) -> None:
    """The learner's section must agree with the learner whose weights are written."""
    with pytest.raises(UserError, match=next(iter(stated))):
        write(spec={"learner": stated})
