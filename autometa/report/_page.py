"""The report of a study: what was asked, what was found, and how far it can be trusted."""

from __future__ import annotations

from html import escape
from pathlib import Path

from autometa.atomic import write_atomically
from autometa.evaluation import verdicts
from autometa.export import drawing
from autometa.report._evidence import Evidence
from autometa.report._figures import pictures
from autometa.report._html import bullets, commands, document, paragraph, section
from autometa.report._search_page import search_sections
from autometa.report._winner_page import winner_sections
from autometa.report._words import dimension, listed, pairs
from autometa.search import LEARNER_METHOD


def write_report(evidence: Evidence, path: str | Path) -> Path:
    """Writes a study's report as one HTML file, wholly or not at all.

    Args:
        evidence: what ``gather`` returned.
        path: the file.

    Raises:
        OSError: it cannot be written.
    """
    target = Path(path)
    text = report_html(evidence)
    write_atomically(target, lambda file: file.write(text.encode()))
    return target


def report_html(evidence: Evidence) -> str:
    """Returns a study's report as an HTML page that needs no network."""
    figures = pictures(evidence)
    sections = [
        f"<h1>{escape(evidence.name)}</h1>",
        paragraph(_lead(evidence), style="lead"),
        _asked(evidence),
        *([] if evidence.winner is None else winner_sections(evidence.winner, figures)),
        *search_sections(evidence, figures),
        _reproduce(evidence),
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


def _asked(evidence: Evidence) -> str:
    spec = evidence.spec
    lines = [
        f"Search space of {learner}: "
        + "; ".join(f"{field} {dimension(item)}" for field, item in branch.items())
        for learner, branch in spec.space.branches.items()
    ]
    episodes = spec.episodes
    lines += [
        f"Episodes: {listed(episodes.shots)} labelled rows per class, up to {episodes.ways} "
        f"classes, {episodes.per_table} per table, {' and '.join(episodes.settings)}.",
        f"Training: {spec.training.outer_steps} outer steps, scored at "
        f"{listed(spec.training.rungs)}.",
        f"Budget: {spec.search.trials} trials, {spec.search.seconds:g} seconds; sampler "
        f"{spec.search.sampler}, pruner {spec.search.pruner}, seed {spec.search.seed}.",
    ]
    return section("What was asked", bullets(lines))


def _reproduce(evidence: Evidence) -> str:
    lines = [f"autometa show {evidence.name}", f"autometa dashboard {evidence.name}"]
    parts = []
    if evidence.winner is not None:
        provenance = evidence.winner.provenance
        lines.append(f"autometa export {evidence.name} -o my_classifier")
        versions = ", ".join(f"{name} {value}" for name, value in provenance["versions"].items())
        parts = [
            paragraph(f"Versions: {versions}."),
            paragraph(f"Seeds: {pairs(provenance['seeds'])}. Made {provenance['created']}."),
        ]
    return section("How to go on, and how to reproduce it", commands(lines), *parts)
