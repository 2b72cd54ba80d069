"""The page about a study, its pictures and figures."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest

from autometa.config import StudySpec, parse_yaml, spec_from_dict
from autometa.errors import UserError
from autometa.priors import TRUST
from autometa.report import Evidence, gather, importances, pictures, report_html, write_report
from autometa.report._asked import study_file
from autometa.report._per_table import per_table, table_advantages
from autometa.search import LEARNER_METHOD, StudyData, prepare_study
from autometa.storages import ORIGIN
from autometa.study_result import TuneResult


def test_evidence_is_what_study_and_export_say(evidence: Evidence, result: TuneResult) -> None:
    """Winner, confirmed values, rungs and scores are those of the study."""
    assert evidence.winner is not None
    assert evidence.winner.trial == result.trial
    assert evidence.winner.role == "test"
    assert set(evidence.curves) == set(range(9))
    assert list(evidence.curves[0]) == [2, 4, 8, 16]
    confirmed = evidence.confirmed_values()
    assert len(confirmed) == 2
    assert all(len(values) == 2 for values in confirmed.values())
    assert evidence.seconds > 0


def test_every_picture_is_drawn_with_the_figures_of_the_study(evidence: Evidence) -> None:
    """Nothing is missing, and points are where the evidence has them."""
    figures = pictures(evidence)

    assert list(figures) == [
        "per_table",
        "adaptation",
        "rungs",
        "first_and_confirmed",
        "importance",
        "parallel",
        "trust",
        "calibration",
    ]
    assert evidence.winner is not None
    drawn = {tuple(trace.y) for trace in figures["rungs"].data}
    assert drawn == {tuple(curve.values()) for curve in evidence.curves.values()}
    points = evidence.winner.provenance["adaptation"]
    assert [point["inner_steps"] for point in points] == [0, 1, 2, 4]
    accuracy, log_loss = figures["adaptation"].data
    assert list(accuracy.y) == [100 * point["accuracy"] for point in points]
    assert list(log_loss.y) == [point["log_loss"] for point in points]
    assert (accuracy.yaxis, log_loss.yaxis) == ("y", "y2")
    assert len(figures["parallel"].data) == 9


def test_the_past_is_told_as_the_trials_have_it(evidence: Evidence, study: optuna.Study) -> None:
    """Who led a trial, the trust at its time, and how the wagers went are those of the storage."""
    past = evidence.past
    assert past is not None
    assert past.sources == ("earlier",)
    origins = {trial.number: str(trial.user_attrs.get(ORIGIN, "")) for trial in study.trials}
    led = {number for number, name in origins.items() if name.startswith(("portfolio", "prior"))}
    assert past.led == led
    assert led
    assert past.purse.won + past.purse.lost + past.purse.open == len(led)
    told = {trial.number: trial.user_attrs.get(TRUST) for trial in study.trials}
    assert past.trust == {number: item["sources"] for number, item in told.items() if item}
    assert past.trust
    figure = pictures(evidence)["trust"]
    assert set(figure.data[0].x) == led
    assert dict(zip(figure.data[2].x, figure.data[2].y, strict=True)) == {
        number: trusts["earlier"] for number, trusts in past.trust.items()
    }
    page = report_html(evidence)
    assert f"what 1 past study taught (earlier), which led {len(led)} trials" in page
    assert f"Of these, {past.purse.won} have beaten the running median" in page
    assert f"and {past.purse.lost} have not" in page
    assert ("cannot be told yet" in page) == (past.purse.open > 0)


def test_a_study_without_a_past_says_nothing_of_one(evidence: Evidence) -> None:
    """Neither section nor picture is there."""
    without = dataclasses.replace(evidence, past=None)

    assert "trust" not in pictures(without)
    assert "past studies" not in report_html(without)


def test_memory_is_told_where_it_is_known(evidence: Evidence) -> None:
    """The most that a worker has held; studies of before have no such figure."""
    assert evidence.peak_mib is not None
    assert 50 < evidence.peak_mib < 20_000
    assert f"held {evidence.peak_mib:.0f} MiB" in report_html(evidence)
    assert "MiB" not in report_html(dataclasses.replace(evidence, peak_mib=None))


def test_advantages_by_table_are_those_of_the_sheet(evidence: Evidence) -> None:
    """Each table is compared with the single best baseline of each setting and shot."""
    assert evidence.winner is not None
    sheet = evidence.winner.sheet
    rows = table_advantages(evidence.winner)

    cells = {
        (setting, shot): sheet.advantage(
            LEARNER_METHOD,
            sheet.best_baseline(setting=setting, shot=shot, exclude=(LEARNER_METHOD,)),
            setting=setting,
            shot=shot,
        ).mean
        for setting, shot in sheet.cells()
    }
    assert [row.table for row in rows] == ["iris"]
    assert rows[0].mean == pytest.approx(np.mean(list(cells.values())))
    assert {cell: own.mean for cell, own in rows[0].cells.items()} == pytest.approx(cells)
    assert all(own.low <= own.mean <= own.high for own in rows[0].cells.values())


def test_shots_are_drawn_apart_within_the_frame(evidence: Evidence) -> None:
    """Each shot has its points, none on the frame, and the mean is beside the name."""
    assert evidence.winner is not None
    [row] = table_advantages(evidence.winner)

    figure = per_table(evidence.winner)

    first, fifth, mean = figure.data
    assert [first.name, fifth.name, mean.name] == ["K=1", "K=5", "mean"]
    assert first.x[0] == pytest.approx(100 * row.cells[evidence.winner.sheet.cells()[0]].mean)
    low, high = figure.layout.yaxis.range
    assert low < fifth.y[0] < mean.y[0] < first.y[0] < high
    assert figure.layout.yaxis.ticktext == (f"iris  {100 * row.mean:+.1f}",)


def test_the_page_tells_the_scores_and_asks_nothing_of_a_network(evidence: Evidence) -> None:
    """Accuracy of the winner is in the text, and nothing is loaded from elsewhere."""
    assert evidence.winner is not None
    page = report_html(evidence)
    text = html.unescape(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))

    sheet = evidence.winner.sheet
    for setting, shot in sheet.cells():
        accuracy = sheet.mean("accuracy", LEARNER_METHOD, setting=setting, shot=shot)
        assert f"<td>{100 * accuracy:.1f} %</td>" in text
    assert f"Trial {evidence.winner.trial} won, of 9." in text
    assert "autometa export nine -o my_classifier" in text
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", page)
    assert "default-src 'none'" in page


def test_the_page_says_what_was_asked_and_how_to_ask_again(evidence: Evidence) -> None:
    """Tables, families, fixed values and origins are in the text, and the study file is whole."""
    text = html.unescape(report_html(evidence))

    assert "Tables for validation: wine, breast_cancer of scikit-learn (2 families)." in text
    assert "Tables for train: 20 random tables (seed 0)." in text
    assert "Fixed for all trials: columns 8, inner_steps 2." in text
    assert "Tried first, the defaults of fomaml: inner_lr " in text
    assert "<td>default</td>" in text
    assert "autometa tune nine.yaml" in text
    again = spec_from_dict(parse_yaml(study_file(evidence.spec)))
    assert again == evidence.spec
    # Its address may hold a password.
    assert "journal:" not in text


def test_names_from_outside_are_text_and_not_markup(evidence: Evidence) -> None:
    """A failure's reason or a table's name cannot put a script into the page."""
    hostile = "<script>alert(1)</script>"
    evidence.progress.reasons[hostile] = 1
    assert evidence.winner is not None
    frame = evidence.winner.sheet._frame
    frame["table"] = hostile

    page = report_html(evidence)

    assert hostile not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_study_that_has_just_begun_has_a_page(little_study: Callable[..., StudySpec]) -> None:
    """Without trials there is nothing to draw, and the page says so."""
    spec = little_study()
    study, _ = prepare_study(spec, StudyData.load(spec))

    evidence = gather(study)

    assert pictures(evidence) == {}
    page = report_html(evidence)
    assert "0 of 3 trials are done; there is no winner yet." in page
    assert "waiting" in page


def test_importances_need_trials_and_sum_to_one(
    evidence: Evidence, study: optuna.Study, little_study: Callable[..., StudySpec]
) -> None:
    """Of a learner with enough trials every searched meta-parameter has its share."""
    assert evidence.importances.keys() == {"fomaml"}
    shares = evidence.importances["fomaml"]
    assert shares.keys() == {"inner_lr", "width"}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert importances(optuna.create_study(), evidence.spec) == {}


def test_a_report_is_written_wholly_or_not_at_all(evidence: Evidence, tmp_path: Path) -> None:
    """The file holds the page; an old one stays where the new one cannot be written."""
    path = write_report(evidence, tmp_path / "deep" / "report.html")
    assert path.read_text() == report_html(evidence)

    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_report(evidence, tmp_path / "file" / "report.html")


def test_a_damaged_export_is_told(study: optuna.Study, result: TuneResult) -> None:
    """The page is not made of half of an export."""
    (result.folder / "scores.parquet").write_bytes(b"")

    with pytest.raises(UserError, match=r"scores\.parquet"):
        gather(study)


def test_tune_writes_the_report(result: TuneResult) -> None:
    """It lies beside the export."""
    assert result.report.name == "report.html"
    assert result.report.parent == result.folder.parent
    assert "Trial" in result.report.read_text()
