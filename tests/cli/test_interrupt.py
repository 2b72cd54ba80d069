"""A search that is interrupted and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("finished")  # its baseline scores are in the cache then
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_study_is_gone_on_with(
    workers: int,
    study_file: Path,
    environment: dict[str, str],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C in a trial ends with 130 and one line; the same command then finishes the study."""
    monkeypatch.setenv("AUTOMETA_CACHE", environment["AUTOMETA_CACHE"])
    steps = ["--set", "training.outer_steps=80", "--set", "training.rungs=[80]"]
    arguments = ["tune", "tiny.yaml", *steps, "--trials", str(workers)]
    process = subprocess.Popen(
        [sys.executable, "-m", "autometa", *arguments, "--workers", str(workers)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _wait_for_a_running_trial(study_file.parent)

    # As a terminal does, to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1].startswith("autometa: stopped ")
    assert "run the same command to go on" in err.splitlines()[-1]
    assert "Traceback" not in err
    states = json.loads(run("show", "tiny", "--json").out)["states"]
    assert "RUNNING" not in states

    assert run(*arguments).code == 0
    shown = json.loads(run("show", "tiny", "--json").out)
    assert shown["done"] == workers
    assert shown["winner"] is not None


def _wait_for_a_running_trial(folder: Path) -> None:
    from autometa.storages import list_studies, open_storage

    journal = folder / "results" / "runs" / "studies.journal"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if journal.exists():
            studies = list_studies(open_storage(f"journal:{journal}"))
            if any("RUNNING" in study.trials for study in studies):
                return
        time.sleep(0.05)
    raise AssertionError("no trial was started")
