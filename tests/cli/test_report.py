"""``autometa report``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna_dashboard import get_note, save_note

from autometa.storages import load_study, open_storage

pytestmark = pytest.mark.slow


def test_the_page_is_written_and_the_notes_again(in_finished: Callable[..., Any]) -> None:
    """The file that was asked for holds the page; the dashboard's note is the study's again."""
    study = load_study(open_storage(None, create=False), "tiny")
    save_note(study, "an old note")

    result = in_finished("report", "tiny", "-o", "page.html")

    assert result.out == "page.html\n", result.err
    assert "What was asked" in Path("page.html").read_text()
    again = load_study(open_storage(None, create=False), "tiny")
    assert get_note(again).startswith("# tiny\n")
