"""What must never run, be shown or be reached, although a folder or a study holds it."""

from __future__ import annotations

import ast
import pickle
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autometa
from autometa.config import StudySpec
from autometa.storages import create_or_load_study, open_storage

_SCRIPT = "<script>document.title='EXECUTED'</script><img src=x onerror=document.title='EXECUTED'>"


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.canary,)


def _poison(folder: Path, canary: Path) -> int:
    """Puts a pickle that runs code into the place of every file; returns how many there were."""
    raw = pickle.dumps(Malicious(canary))
    objects = np.array([Malicious(canary)], dtype=object)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    for path in paths:
        path.chmod(0o600)
        if path.suffix == ".npz":
            np.savez(path, **{name: objects for name in _names_of(path)})
        elif path.suffix == ".npy":
            np.save(path, objects, allow_pickle=True)
        else:
            path.write_bytes(raw)
    return len(paths)


def _names_of(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def test_no_code_of_a_cache_or_a_run_folder_is_run(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Pickles in the place of tables, scores and checkpoints cost a training and nothing else."""
    monkeypatch.setenv("AUTOMETA_CACHE", str(tmp_path / "own-cache"))
    canary = tmp_path / "canary"
    search = {"trials": 1, "pruner": "none"}
    honest = study_of(little_study(search=search))
    honest.work()
    again = little_study(name="again", search=search)
    shutil.copytree(honest.folder, Path("results/runs/again"))

    poisoned = _poison(tmp_path / "own-cache", canary) + _poison(tmp_path / "results", canary)
    study = study_of(again)
    study.work()

    assert poisoned > 10
    assert not canary.exists()
    assert study.trials[0].value == honest.trials[0].value
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        np.load(_object_array(tmp_path, canary))


def _object_array(folder: Path, canary: Path) -> Path:
    """An array that would run code, so that the test is known to test something."""
    path = folder / "objects.npy"
    np.save(path, np.array([Malicious(canary)], dtype=object), allow_pickle=True)
    return path


def test_no_archive_is_unpacked() -> None:
    """No file of the package unpacks archives, so that none can reach out of its folder."""
    calls = {"extract", "extractall", "unpack_archive"}
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(autometa.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in calls
    ]

    assert found == []


def test_scripts_in_a_study_are_inert_in_the_dashboard(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A browser shows notes, attributes and reasons that came from elsewhere without running them.

    Skipped where there is no Chromium.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("Chromium is not installed")
    storage = open_storage(f"journal:{tmp_path}/results/runs/studies.journal")
    study, _ = create_or_load_study(storage, "tiny", spec={}, fingerprint={})
    study.set_user_attr("remark", _SCRIPT)
    # Where the dashboard keeps a study's note.
    study._storage.set_study_system_attr(study._study_id, "dashboard:note_ver", 1)
    study._storage.set_study_system_attr(study._study_id, "dashboard:note_str:0", _SCRIPT)
    trial = study.ask()
    trial.set_user_attr("autometa:reason", _SCRIPT)
    study.tell(trial, 0.5)
    server = subprocess.Popen(
        [sys.executable, "-m", "autometa", "dashboard", "tiny", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        shown = subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
                *("--virtual-time-budget=15000", f"--user-data-dir={tmp_path / 'browser'}"),
                address,
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        ).stdout
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        server.stdout.close()

    assert "tiny" in shown, "the page must be drawn, or it proves nothing"
    assert "<title>EXECUTED" not in shown
