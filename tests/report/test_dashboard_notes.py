"""What the dashboard shows of a study beside its own pages."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import optuna_dashboard
import pytest
from chromium import rendered_text
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna_dashboard import get_note

from autometa.report import Evidence, annotate
from autometa.search import LEARNER_METHOD
from autometa.storages import ARTIFACTS_FOLDER
from autometa.tune import TuneResult


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


def test_a_browser_shows_note_and_cards(address: str, study: optuna.Study) -> None:
    """The page of the study, as Chromium renders it, has the note's words and the pictures."""
    page = f"{address}/dashboard/studies/{study._study_id}"
    text = rendered_text(page)

    assert "Hyperparameter Importance" in text
    assert "points of accuracy over the best single baseline" in text
    for title in ("Values at the rungs", "Trials led by past studies, and trust in these"):
        assert title in text
    note = rendered_text(f"{page}/note")
    assert "autometa export nine -o my_classifier" in note


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
