"""``autometa doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import autometa

Run = Callable[..., Any]

pytestmark = pytest.mark.slow


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
