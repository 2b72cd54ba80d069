"""``autometa archive`` and ``autometa delete``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.artifacts import get_all_artifact_meta

from autometa.storages import load_study, open_storage, stamp_trial

Run = Callable[..., Any]

pytestmark = pytest.mark.slow


def test_an_archive_is_read_where_it_is_unpacked(
    in_finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials, export and report are in it, checkpoints only where they are asked for."""
    before = json.loads(in_finished("show", "tiny", "--json").out)
    assert in_finished("archive", "tiny", "-o", str(tmp_path / "tiny.zip")).code == 0
    whole = in_finished("archive", "tiny", "-o", str(tmp_path / "whole.zip"), "--checkpoints")
    assert whole.code == 0, whole.err

    names = zipfile.ZipFile(tmp_path / "tiny.zip").namelist()
    assert not [name for name in names if "/checkpoints/" in name]
    more = set(zipfile.ZipFile(tmp_path / "whole.zip").namelist()) - set(names)
    assert more
    assert all("/checkpoints/" in name for name in more)
    elsewhere = tmp_path / "elsewhere"
    zipfile.ZipFile(tmp_path / "tiny.zip").extractall(elsewhere)
    monkeypatch.chdir(elsewhere)
    storage = ("--storage", "journal:studies.journal")
    after = json.loads(in_finished("show", "tiny", "--json", *storage).out)
    assert after == before
    assert in_finished("report", "tiny", *storage).out == "results/runs/tiny/report.html\n"


def test_an_archive_that_cannot_be_written_is_told(in_finished: Run, tmp_path: Path) -> None:
    """The place is named, and nothing is left there."""
    (tmp_path / "file").write_text("")

    result = in_finished("archive", "tiny", "-o", str(tmp_path / "file" / "tiny.zip"))

    assert result.code == 1
    assert "could not be written" in result.err


def test_deleting_asks_first_and_then_leaves_nothing(in_finished: Run) -> None:
    """Without --yes it says what would go; with it study, run folder and artifacts are gone."""
    study = load_study(open_storage(None, create=False), "tiny")
    artifacts = [meta.artifact_id for meta in get_all_artifact_meta(study)]
    folder = Path("results/runs")
    asked = in_finished("delete", "tiny")
    assert asked.code == 2
    assert "deleting needs --yes; it would delete 2 trials of 'tiny' and" in asked.err
    assert (folder / "tiny").is_dir()

    result = in_finished("delete", "tiny", "--yes")

    assert result.out == "deleted tiny: 2 trials\n", result.err
    assert not (folder / "tiny").exists()
    assert not any((folder / "artifacts" / name).exists() for name in artifacts)
    assert in_finished("show", "tiny").code == 2


def test_a_study_at_work_is_not_deleted(in_finished: Run) -> None:
    """A running trial whose worker lives keeps its study."""
    study = load_study(open_storage(None, create=False), "tiny")
    stamp_trial(study.ask())

    result = in_finished("delete", "tiny", "--yes")

    assert result.code == 2
    assert "workers run 1 trials of 'tiny': stop them first" in result.err
    assert Path("results/runs/tiny").is_dir()
