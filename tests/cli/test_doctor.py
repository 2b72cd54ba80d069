"""``autometa doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openml_stand_in import Fault, StandIn

import autometa

Run = Callable[..., Any]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked, unless a test says so."""
    monkeypatch.setenv("AUTOMETA_OFFLINE", "1")


def test_doctor_tells_what_is_here(in_finished: Run) -> None:
    """Versions, storage, cache and speed are found, in words and as JSON."""
    text = in_finished("doctor")
    data = json.loads(in_finished("doctor", "--json").out)

    assert text.code == 0
    assert data["installed"]["autometa"] == autometa.__version__
    assert data["storage"]["state"].startswith("1 studies, read in")
    assert data["speed"]["an outer step of the default learner"].endswith("ms on one core")
    for part in data:
        assert part in text.out


def test_a_first_user_has_nothing_to_mend(run: Run) -> None:
    """That there is no storage yet is no failure."""
    result = run("doctor", "--json")

    assert result.code == 0
    assert json.loads(result.out)["storage"]["state"] == "none yet"


def test_a_storage_that_cannot_be_used_is_the_exit_code(run: Run) -> None:
    """The reason stands in the table."""
    result = run("doctor", "--storage", "journal:gone.journal")

    assert result.code == 1
    assert "there is no storage at" in result.out


def test_openml_is_asked_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers is reachable, also where it does not know the task."""
    server = StandIn([]).start()
    monkeypatch.setenv("AUTOMETA_OFFLINE", "")
    monkeypatch.setenv("AUTOMETA_OPENML_SERVER", server.url)

    result = run("doctor", "--json")
    server.stop()

    assert result.code == 0
    assert json.loads(result.out)["network"]["OpenML"] == "reachable"
    assert server.requests == ["GET /api/v1/xml/task/31"]


@pytest.mark.parametrize("fault", ["silent", "gone"])
def test_that_openml_is_not_reachable_is_no_failure(
    fault: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason stands in the table, within the deadline, and the exit code stays 0."""
    server = StandIn([], faults=[Fault("task", "silent")]).start()
    monkeypatch.setattr("autometa.cli._doctor._DEADLINE_SECONDS", 0.5)
    monkeypatch.setenv("AUTOMETA_OFFLINE", "")
    monkeypatch.setenv("AUTOMETA_OPENML_SERVER", server.url)
    if fault == "gone":
        server.stop()

    result = run("doctor")
    server.stop()

    reasons = {"silent": "no answer within 0.5 seconds", "gone": "the connection to the server"}
    assert result.code == 0
    assert "not reachable (" in result.out
    assert reasons[fault] in result.out


def test_offline_asks_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --offline the row says so."""
    monkeypatch.setenv("AUTOMETA_OFFLINE", "")

    found = json.loads(run("doctor", "--json", "--offline").out)

    assert found["network"]["OpenML"].startswith("switched off")
