"""``autometa export``: the confirmed winner, or a trial of one's choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autometa.export import read_export

Run = Callable[..., Any]
WINNER = Path("results/runs/tiny/export")

pytestmark = pytest.mark.slow


def _complete_trial(run: Run) -> int:
    import json

    return int(json.loads(run("show", "tiny", "--json").out)["trials"][0]["trial"])


def test_the_winner_is_copied(in_finished: Run) -> None:
    """The copy is byte for byte the export that was tested, and nothing else is left behind."""
    result = in_finished("export", "tiny", "-o", "deep/er/copy")

    assert result.code == 0, result.err
    copy = Path("deep/er/copy")
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == {
        path.name: path.read_bytes() for path in WINNER.iterdir()
    }
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
    assert result.out.startswith("deep/er/copy: column_kernel of trial ")


def test_an_earlier_export_is_replaced(in_finished: Run) -> None:
    """Exporting twice to one folder gives the later export."""
    in_finished("export", "tiny", "-o", "copy")
    Path("copy/card.md").write_text("changed")

    result = in_finished("export", "tiny", "-o", "copy")

    assert result.code == 0
    assert Path("copy/card.md").read_bytes() == (WINNER / "card.md").read_bytes()


def test_a_chosen_trial_is_exported(in_finished: Run) -> None:
    """--trial writes an export of that trial, which can be read."""
    number = _complete_trial(in_finished)

    result = in_finished("export", "tiny", "-o", "chosen", "--trial", number)

    assert result.code == 0, result.err
    assert read_export("chosen").provenance["trial"] == number


def test_the_winner_is_trained_again_on_all_tables(in_finished: Run) -> None:
    """--refit has other weights, has seen every family, and says that its scores are older."""
    result = in_finished("export", "tiny", "-o", "refit", "--refit", "--outer-steps", "6")

    assert result.code == 0, result.err
    assert "trained 6/6 outer steps" in result.err
    winner, again = read_export(WINNER), read_export("refit")
    assert again.config == winner.config
    assert again.sha256["weights.safetensors"] != winner.sha256["weights.safetensors"]
    seen = {entry["family"] for entry in winner.provenance["families_seen"]}
    assert again.families_seen() == seen >= winner.families_seen()
    assert again.spec["training"]["outer_steps"] == 6
    assert again.provenance["refit_of"] == winner.sha256["weights.safetensors"]
    assert again.sheet().frame.equals(winner.sheet().frame)
    assert "Trained again on all tables" in Path("refit/card.md").read_text()
    assert "Trained again" not in (WINNER / "card.md").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--refit", "--trial", "0"], "leave out --refit or --trial"),
        (["--outer-steps", "5"], "--outer-steps belongs to --refit"),
        (["--refit", "--outer-steps", "0"], "--outer-steps"),
    ],
)
def test_options_that_contradict_are_refused(
    options: list[str], told: str, in_finished: Run
) -> None:
    """One sentence, exit code 2, nothing written."""
    result = in_finished("export", "tiny", "-o", "refit", *options)

    assert result.code == 2
    assert told in result.err
    assert not Path("refit").exists()


@pytest.mark.parametrize("options", [[], ["--trial", "0"], ["--refit"]])
def test_other_files_are_never_replaced(options: list[str], in_finished: Run) -> None:
    """A folder with anything else in it is refused and left as it was."""
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")

    result = in_finished("export", "tiny", "-o", "mine", *options)

    assert result.code == 2
    assert "(thesis.txt)" in result.err
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]


def test_a_file_is_never_replaced(in_finished: Run) -> None:
    """A file at the place of the folder is refused."""
    Path("mine").write_text("years of work")

    result = in_finished("export", "tiny", "-o", "mine")

    assert result.code == 2
    assert Path("mine").read_text() == "years of work"


def test_a_damaged_winner_is_not_copied(in_finished: Run) -> None:
    """What does not pass the checks of an export is not handed on."""
    (WINNER / "weights.safetensors").write_bytes(b"damaged")

    result = in_finished("export", "tiny", "-o", "copy")

    assert result.code == 2
    assert "damaged" in result.err
    assert not Path("copy").exists()


@pytest.mark.parametrize("number", ["99", "-1"])
def test_an_unknown_trial_is_refused(number: str, in_finished: Run) -> None:
    """Only trials that exist can be exported."""
    result = in_finished("export", "tiny", "-o", "copy", "--trial", number)

    assert result.code == 2
    assert "--trial" in result.err
    assert result.err.count("\n") == 1
    assert not Path("copy").exists()


def test_a_study_without_winner_is_refused(in_finished: Run) -> None:
    """Before `tune` has come to its end there is nothing confirmed to export."""
    from autometa.config import read_spec, spec_to_dict
    from autometa.storages import create_or_load_study, open_storage

    spec = read_spec("tiny.yaml", ["name=fresh"])
    storage = open_storage("journal:results/runs/studies.journal")
    create_or_load_study(storage, "fresh", spec=spec_to_dict(spec), fingerprint={})

    result = in_finished("export", "fresh", "-o", "copy")

    assert result.code == 2
    assert "no confirmed winner yet" in result.err
