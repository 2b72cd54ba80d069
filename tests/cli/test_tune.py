"""``autometa tune`` from the study file to the export, resumed, stopped and gone on with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import autometa.tune  # noqa: F401 - the module is replaced below; the package's attribute hides it
from autometa.errors import StoppedError

Run = Callable[..., Any]
Finished = tuple[Path, str, str]

pytestmark = pytest.mark.slow


def test_the_summary_says_what_was_found_and_what_it_is_worth(finished: Finished) -> None:
    """Stdout holds the role, methods by shots, baselines with intervals and the next commands."""
    text = finished[1]

    for words in (
        "Study tiny: trial ",
        "There are neither test nor confirm tables",
        "setting unlabelled with up to 3 classes: mean over 1 family (1 table, 6 episodes)",
        "\nautometa ",
        "\nlogistic_regression ",
        "K=1: best baseline ",
        "95 % CI",
        "over 3 episodes",
        "log-loss ",
        "In the unlabelled setting with up to 3 classes the learner is ",
        "Meta-configuration: column_kernel with inner_lr ",
        "Export: results/runs/tiny/export\n",
        "  autometa dashboard tiny\n",
        "  autometa predict --export results/runs/tiny/export ",
    ):
        assert words in text


def test_progress_is_told_in_plain_lines(finished: Finished) -> None:
    """Without a terminal every stage and trial is a line on stderr, without control characters."""
    text = finished[2]

    for words in ("tables: ", "created", "scoring the baselines", "searching 2/2 trials", "wrote"):
        assert words in text
    assert [letter for letter in text if letter < " " and letter != "\n"] == []
    assert "Warning" not in text
    assert all(line.startswith("[") for line in text.splitlines())


def test_a_finished_study_is_not_searched_again(in_finished: Run) -> None:
    """The same command finds everything done, and tells the same."""
    before = json.loads(in_finished("show", "tiny", "--json").out)
    weights = Path("results/runs/tiny/export/weights.safetensors").read_bytes()

    result = in_finished("tune", "tiny.yaml")

    assert result.code == 0
    assert "resumed with 2 trials done" in result.err
    assert "searching" not in result.err
    assert json.loads(in_finished("show", "tiny", "--json").out) == before
    assert Path("results/runs/tiny/export/weights.safetensors").read_bytes() == weights


def test_options_raise_the_budget_of_a_study(in_finished: Run) -> None:
    """--trials counts in total, so that one more makes one more trial."""
    result = in_finished("tune", "tiny.yaml", "--trials", "3")

    assert result.code == 0
    assert "searching 3/3 trials" in result.err


def test_other_settings_are_refused_with_their_difference(in_finished: Run) -> None:
    """A study is resumed only as what it is; the message names the key that differs."""
    result = in_finished("tune", "tiny.yaml", "--set", "training.meta_batch=3")

    assert result.code == 2
    assert "training.meta_batch: 2 -> 3" in result.err
    assert result.out == ""


@pytest.mark.parametrize("storage", ["option", "file", "environment", "default"])
def test_the_storage_is_that_of_option_file_environment_or_default(
    storage: str, run: Run, study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them wins over those that come after it in this list."""
    seen = []

    def stopped(spec: Any, **_options: object) -> None:
        seen.append(spec.storage)
        raise StoppedError("stopped by hand")

    monkeypatch.setattr(sys.modules["autometa.tune"], "tune", stopped)
    if storage != "default":
        monkeypatch.setenv("AUTOMETA_STORAGE", "journal:environment.journal")
    if storage in {"option", "file"}:
        study_file.write_text(study_file.read_text() + "storage: journal:file.journal\n")
    options = ["--storage", "journal:option.journal"] if storage == "option" else []

    result = run("tune", study_file, *options)

    assert result.err.endswith("autometa: stopped by hand\n")
    assert seen == [
        "journal:results/runs/studies.journal"
        if storage == "default"
        else f"journal:{storage}.journal"
    ]


def test_the_next_commands_name_a_storage_of_ones_own(in_finished: Run) -> None:
    """What --storage was given has to be given again."""
    result = in_finished(
        "tune", "tiny.yaml", "--trials", "1", "--storage", "journal:my own.journal"
    )

    assert result.code == 0
    assert "  autometa show tiny --storage 'journal:my own.journal'\n" in result.out
