"""What the dashboard shows of a study beside its own pages."""

from __future__ import annotations

import dataclasses
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import optuna_dashboard
import pandas as pd
import pytest
from chromium import rendered_text
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna_dashboard import get_note

from autometa.config import StudySpec
from autometa.errors import StoppedError
from autometa.evaluation import ScoreSheet
from autometa.report import Evidence, annotate, publish_notes
from autometa.report._cards import cards
from autometa.report._per_table import table_advantages
from autometa.search import LEARNER_METHOD
from autometa.storages import ARTIFACTS_FOLDER, load_study, open_storage
from autometa.study_result import TuneResult
from autometa.tune import tune


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address(study: optuna.Study) -> Iterator[str]:
    """A dashboard on the finished study."""
    store = FileSystemArtifactStore(ARTIFACTS_FOLDER)
    app = optuna_dashboard.wsgi(study._storage, artifact_store=store)
    server = make_server("127.0.0.1", 0, app, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_note_has_the_scores_of_the_sheet(study: optuna.Study, evidence: Evidence) -> None:
    """Every cell's accuracy is in the note, and how to use the winner."""
    assert evidence.winner is not None
    note = get_note(study)

    for setting, shot in evidence.winner.sheet.cells():
        accuracy = evidence.winner.sheet.mean(
            "accuracy", LEARNER_METHOD, setting=setting, shot=shot
        )
        assert f"| {setting}, K={shot} | {100 * accuracy:.1f} |" in note
    assert f"## Trial {evidence.winner.trial} won" in note
    assert "autometa export nine -o my_classifier" in note


def test_confirmed_trials_have_notes(study: optuna.Study, evidence: Evidence) -> None:
    """The values with fresh seeds are there, and the winner is named."""
    confirmed = evidence.confirmed_values()
    assert evidence.winner is not None
    for number, values in confirmed.items():
        trial = optuna.trial.Trial(study, study.trials[number]._trial_id)
        note = get_note(trial)
        assert all(f"{value:+.4f}" in note for value in values)
        assert ("This trial won" in note) == (number == evidence.winner.trial)


def test_artifacts_are_there_once(
    study: optuna.Study, evidence: Evidence, result: TuneResult
) -> None:
    """Annotating again replaces nothing that is the same, and mends what is gone."""
    folder = ARTIFACTS_FOLDER
    names = ["card.md", "meta_config.yaml", "scores.csv"]
    assert sorted(meta.filename for meta in get_all_artifact_meta(study)) == names

    annotate(study, evidence, artifacts=folder)
    assert sorted(meta.filename for meta in get_all_artifact_meta(study)) == names

    [card] = [meta for meta in get_all_artifact_meta(study) if meta.filename == "card.md"]
    assert (folder / card.artifact_id).read_bytes() == (result.folder / "card.md").read_bytes()
    (folder / card.artifact_id).unlink()
    annotate(study, evidence, artifacts=folder)
    assert len(get_all_artifact_meta(study)) == len(names) + 1


def test_a_card_of_many_tables_has_the_ends_alone(evidence: Evidence) -> None:
    """Above sixteen tables it shows the eight best and the eight worst, and says so."""
    assert evidence.winner is not None
    sheet = evidence.winner.sheet
    tables = [sheet.frame.assign(table=f"table {number}") for number in range(17)]
    many = ScoreSheet.from_rows(pd.concat(tables).to_dict("records"))

    one = cards(evidence)["per_table"]
    winner = dataclasses.replace(evidence.winner, sheet=many)
    card = cards(dataclasses.replace(evidence, winner=winner))["per_table"]

    assert one.layout.title.text == "Points over the best baseline, by table"
    assert card.layout.title.text.endswith("by table: the 8 best and the 8 worst of 17")
    assert len(card.layout.yaxis.ticktext) == 16


def test_notes_that_cannot_be_written_are_a_warning(
    study: optuna.Study, evidence: Evidence, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A study does not end for want of its notes."""
    (tmp_path / "artifacts").write_text("")

    publish_notes(study, tmp_path / "nine", evidence=evidence)

    assert "the dashboard shows no new notes of nine" in caplog.text


def test_the_search_is_shown_before_its_finalists_are_trained(
    little_study: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that is stopped in the confirmation has a note and cards without a winner."""
    spec = little_study()

    def stop(*_: object, **__: object) -> None:
        raise StoppedError("stopped")

    monkeypatch.setattr(sys.modules["autometa.tune"], "confirm", stop)
    with pytest.raises(StoppedError):
        tune(spec)

    study = load_study(open_storage(spec.storage), "little")
    note = get_note(study)
    assert "3 of 3 trials are done" in note
    assert "There is no winner yet." in note
    stored = study._storage.get_study_system_attrs(study._study_id)
    assert any(key.startswith("dashboard:plot_data:rungs") for key in stored)


def test_a_browser_shows_note_and_cards(
    address: str, study: optuna.Study, evidence: Evidence
) -> None:
    """The page of the study, as Chromium renders it, has the note's scores and the pictures."""
    page = f"{address}/dashboard/studies/{study._study_id}"
    text = " ".join(rendered_text(page).split())

    assert "Hyperparameter Importance" in text
    assert "points over the best baseline" in text
    assert evidence.winner is not None
    for row in table_advantages(evidence.winner):
        assert f"{row.table} {100 * row.mean:+.1f}" in text
    for title in ("Values at the rungs", "Trials led by past studies, and trust in these"):
        assert title in text
    note = " ".join(rendered_text(f"{page}/note").split())
    assert "autometa export nine -o my_classifier" in note
    sheet = evidence.winner.sheet
    for setting, shot in sheet.cells():
        accuracy = sheet.mean("accuracy", LEARNER_METHOD, setting=setting, shot=shot)
        assert f" {setting}, K={shot} {100 * accuracy:.1f} " in note


def test_a_browser_shows_the_report(result: TuneResult, evidence: Evidence) -> None:
    """The self-contained page draws all of its pictures without an error."""
    text = rendered_text(Path(result.report).resolve().as_uri())

    assert "What was found" in text
    for axis in ("outer steps", "mean confidence (%)", "share of the variance (%)", "inner steps"):
        assert axis in text
    assert "WebGL" not in text


def test_the_address_answers(address: str) -> None:
    """The little server of these tests is a dashboard."""
    with urllib.request.urlopen(f"{address}/api/studies", timeout=30) as answer:
        assert answer.status == 200
