"""The benchmark of faults, for five seconds on each storage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import autometa

_SCRIPT = Path(autometa.__file__).parents[1] / "studies" / "benchmarks" / "faults.py"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("storage", ["journal", "sqlite", "postgresql"])
def test_storm_of_faults_loses_nothing(
    storage: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Kills, freezes and restarts: all told trials are there, once, and the budget is met."""
    if storage == "postgresql":
        request.getfixturevalue("postgres_cluster")  # or the test is skipped
    command = [sys.executable, str(_SCRIPT), "--quick", "--check", "--storage", storage]

    with subprocess.Popen(
        [*command, "--json", str(tmp_path / "found.json")],
        env=os.environ | {"PYTHONPATH": str(_SCRIPT.parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=600)
        finally:
            process.terminate()  # it takes its workers and its server with it

    assert process.returncode == 0, output
    found = json.loads((tmp_path / "found.json").read_text())["storages"][storage]
    assert found["told"] <= 30
    assert found["lost"] == found["repeated"] == found["errors"] == 0
