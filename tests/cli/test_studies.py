"""``autometa studies`` and ``autometa show``."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from autometa.storages import create_or_load_study, open_storage

Run = Callable[..., Any]

pytestmark = pytest.mark.slow


def test_studies_are_listed(in_finished: Run) -> None:
    """One line per study with its trials, in words and as JSON."""
    text = in_finished("studies").out
    data = json.loads(in_finished("studies", "--json").out)

    assert text.splitlines()[0].split("  ")[-1].strip() == "on disk"
    assert text.splitlines()[1].rstrip().endswith("iB")
    assert data[0]["bytes"] > 1000
    assert text.splitlines()[1].startswith("tiny ")
    assert [(study["name"], study["trials_done"]) for study in data] == [("tiny", 2)]


def test_an_empty_storage_has_no_studies(run: Run) -> None:
    """A storage without studies is no error."""
    open_storage("journal:empty.journal")

    assert run("studies", "--storage", "journal:empty.journal").out == "no studies\n"
    assert json.loads(run("studies", "--storage", "journal:empty.journal", "--json").out) == []


def test_foreign_studies_are_marked(run: Run) -> None:
    """A study of another program in the same storage is shown as such and not opened."""
    storage = open_storage("journal:mixed.journal")
    optuna.create_study(storage=storage, study_name="foreign")

    listed = run("studies", "--storage", "journal:mixed.journal")
    shown = run("show", "foreign", "--storage", "journal:mixed.journal")

    assert "foreign (not made by autometa)" in listed.out
    assert shown.code == 2
    assert "not made by autometa" in shown.err


def test_the_leaderboard_is_shown(in_finished: Run) -> None:
    """The best trial stands first, with value, interval, baseline and parameters."""
    lines = in_finished("show", "tiny").out.splitlines()

    assert lines[0] == "study tiny: 2 of 2 trials done"
    assert lines[2].split()[:3] == ["trial", "state", "value"]
    assert lines[2].split()[-2:] == ["inner_lr", "inner_steps"]
    assert " complete " in lines[3]
    assert lines[-1].startswith("winner: trial ")


def test_csv_and_json_hold_every_column(in_finished: Run) -> None:
    """Numbers are whole in CSV and JSON; what is missing is empty or null, never NaN."""
    rows = list(csv.DictReader(io.StringIO(in_finished("show", "tiny", "--csv").out)))
    data = json.loads(in_finished("show", "tiny", "--json").out, parse_constant=_refuse)

    assert len(rows) == len(data["trials"]) == 2
    assert list(rows[0]) == list(data["trials"][0])
    assert {"trial", "value", "low", "high", "params.inner_lr"} <= set(rows[0])
    assert float(rows[0]["value"]) == data["trials"][0]["value"]
    assert data["winner"]["trial"] in {trial["trial"] for trial in data["trials"]}


def test_json_says_what_the_winner_is_worth_and_where_it_is(in_finished: Run) -> None:
    """Accuracy by setting and shot beside the best baseline, as ``tune`` prints it."""
    data = json.loads(in_finished("show", "tiny", "--json").out, parse_constant=_refuse)
    again = in_finished("tune", "tiny.yaml", "--json")

    scores = data["scores"]
    assert data["export"] == "results/runs/tiny/export"
    assert (scores["trial"], scores["role"]) == (data["winner"]["trial"], "validation")
    assert [(cell["setting"], cell["shot"]) for cell in scores["cells"]] == [
        ("unlabelled", 1),
        ("unlabelled", 3),
    ]
    for cell in scores["cells"]:
        advantage = cell["advantage"]
        difference = cell["accuracy"] - cell["best_baseline_accuracy"]
        assert advantage["mean"] == pytest.approx(difference)
        assert advantage["low"] <= advantage["mean"] <= advantage["high"]
        assert (advantage["unit"], advantage["n"]) == ("episodes", 3)
    assert json.loads(again.out) == data
    assert "resumed" in again.err


@pytest.mark.parametrize("state", ["gone", "damaged"])
def test_json_without_an_export_has_no_scores(state: str, in_finished: Run) -> None:
    """What the storage knows is told all the same."""
    if state == "gone":
        shutil.rmtree("results/runs/tiny/export")
    else:
        Path("results/runs/tiny/export/scores.parquet").write_bytes(b"no")

    result = in_finished("show", "tiny", "--json")
    data = json.loads(result.out)

    assert result.code == 0
    assert data["scores"] is data["export"] is None
    assert data["winner"] is not None
    assert ("damaged" in result.err) is (state == "damaged")


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_top_cuts_the_list(form: list[str], in_finished: Run) -> None:
    """--top N shows the first N trials in every form."""
    out = in_finished("show", "tiny", "--top", "1", *form).out

    if form == ["--json"]:
        assert len(json.loads(out)["trials"]) == 1
    elif form == ["--csv"]:
        assert len(out.splitlines()) == 2
    else:
        assert "... and 1 more" in out


def test_rungs_are_compared_with_the_end(in_finished: Run, study_file: Path) -> None:
    """From five completed trials on, each rung is shown with its rank correlation."""
    study = _fresh_study(study_file)
    for trial, rung in enumerate([0.1, 0.2, 0.3, 0.5, 0.4]):
        if trial == 4:
            early = in_finished("show", "fresh").out
            early_json = json.loads(in_finished("show", "fresh", "--json").out)
        study.add_trial(create_trial(value=trial, intermediate_values={10: rung, 20: trial}))

    lines = in_finished("show", "fresh").out.splitlines()
    data = json.loads(in_finished("show", "fresh", "--json").out)

    title = "rank correlation of rungs with the final value"
    assert f"{title}: needs 5 completed trials, there are 4\n" in early
    assert early_json["rung_correlations"] == [{"step": 10, "trials": 4, "correlation": None}]
    start = lines.index(f"{title}, over 5 completed trials")
    assert lines[start + 1 : start + 4] == ["step  correlation", "  10        +0.90", ""]
    assert data["rung_correlations"] == [
        {"step": 10, "trials": 5, "correlation": pytest.approx(0.9)}
    ]


def test_failures_are_counted_with_their_reasons(in_finished: Run) -> None:
    """Each reason of failure is a line, and control characters in it are not printed."""
    from autometa.storages import load_study

    study = load_study(open_storage("journal:results/runs/studies.journal"), "tiny")
    for reason in ("DivergedError: loss \x1b[31mnan", "DivergedError: loss \x1b[31mnan", "other"):
        trial = study.ask()
        trial.set_user_attr("autometa:reason", reason)
        study.tell(trial, state=TrialState.FAIL)

    lines = in_finished("show", "tiny").out.splitlines()

    start = lines.index("failed  reason")
    assert lines[start + 1 : start + 3] == ["2       DivergedError: loss ?[31mnan", "1       other"]


def test_a_study_without_trials_can_be_shown(
    in_finished: Run, folder: Path, study_file: Path
) -> None:
    """A study that was just made has no trials and no winner yet."""
    _fresh_study(study_file)

    out = in_finished("show", "fresh").out

    assert "study fresh: 0 of 2 trials done" in out
    assert "no trials yet" in out
    assert "no winner yet" in out
    assert in_finished("show", "fresh", "--csv").code == 0
    assert json.loads(in_finished("show", "fresh", "--json").out)["trials"] == []


def _fresh_study(study_file: Path) -> optuna.Study:
    """Makes the study ``fresh``, without trials, beside the finished one."""
    from autometa.config import read_spec, spec_to_dict

    spec = read_spec(study_file, ["name=fresh"])
    storage = open_storage("journal:results/runs/studies.journal")
    return create_or_load_study(storage, "fresh", spec=spec_to_dict(spec), fingerprint={})[0]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
