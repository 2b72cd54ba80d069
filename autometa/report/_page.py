"""The report of a study: what was asked, what was found, and how far it can be trusted."""

from __future__ import annotations

from html import escape
from pathlib import Path

from autometa.atomic import write_atomically
from autometa.evaluation import verdicts
from autometa.export import drawing
from autometa.report._asked import asked_section, reproduce_section
from autometa.report._evidence import Evidence
from autometa.report._figures import pictures
from autometa.report._html import document, paragraph
from autometa.report._search_page import search_sections
from autometa.report._winner_page import winner_sections
from autometa.search import LEARNER_METHOD


def write_report(evidence: Evidence, path: str | Path) -> Path:
    """Writes a study's report as one HTML file, wholly or not at all.

    Args:
        evidence: what ``gather`` returned.
        path: the file.

    Raises:
        OSError: it cannot be written.

    >>> from autometa.report import gather
    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> write_report(gather(study), "report.html").read_text().splitlines()[0]
    '<!doctype html>'
    """
    target = Path(path)
    text = report_html(evidence)
    write_atomically(target, lambda file: file.write(text.encode()))
    return target


def report_html(evidence: Evidence) -> str:
    """Returns a study's report as an HTML page that needs no network.

    >>> from autometa.report import gather
    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> report_html(gather(study)).partition('class="lead">')[2].partition("<")[0]
    '0 of 3 trials are done; there is no winner yet.'
    """
    figures = pictures(evidence)
    sections = [
        f"<h1>{escape(evidence.name)}</h1>",
        paragraph(_lead(evidence), style="lead"),
        asked_section(evidence),
        *([] if evidence.winner is None else winner_sections(evidence.winner, figures)),
        *search_sections(evidence, figures),
        reproduce_section(evidence),
    ]
    return document(f"autometa: {evidence.name}", sections)


def _lead(evidence: Evidence) -> str:
    progress, winner = evidence.progress, evidence.winner
    if winner is None:
        return f"{progress.done} of {progress.budget} trials are done; there is no winner yet."
    drawn = drawing(evidence.spec.episodes.model_dump(mode="json"))
    return f"Trial {winner.trial} won, of {progress.done}. " + " ".join(
        verdicts(winner.sheet, learner=LEARNER_METHOD, drawn=drawn)
    )
