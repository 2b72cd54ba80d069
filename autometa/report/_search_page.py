"""The part of a report on the search: its trials, rungs, meta-parameters and failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autometa.report._evidence import Evidence
from autometa.report._html import paragraph, picture_section, section, table
from autometa.report._importance import FEWEST_TRIALS
from autometa.report._parallel import drawn_learner
from autometa.report._past import past_words
from autometa.report._words import interval, is_gap, listed, shown

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_TOP_TRIALS = 15
_PICTURES = {
    "rungs": ("Rungs", "The value of every trial at its rungs. Trials that end early were pruned."),
    "importance": (
        "Which meta-parameters matter",
        "Share of the variance of the value at the first rung that a meta-parameter explains alone "
        "(fANOVA).",
    ),
    "parallel": (
        "All trials",
        "Every trial{} that reached the first rung, through its meta-parameters to its value "
        "there; the darker, the better.",
    ),
}


def search_sections(evidence: Evidence, figures: Mapping[str, Figure]) -> list[str]:
    """Returns the sections on the search, HTML.

    Args:
        evidence: what is known of the study.
        figures: its pictures by name.
    """
    progress = evidence.progress
    states = ", ".join(
        f"{count} {state.lower()}" for state, count in sorted(progress.states.items())
    )
    parts = [
        paragraph(
            f"Trials: {states or 'none'}. The study has taken {evidence.seconds:.0f} seconds."
            + _memory(evidence)
        ),
        _leaderboard(evidence),
    ]
    known = [rung for rung in evidence.rungs if rung.correlation is not None]
    if known:
        rows = [[str(rung.step), str(rung.trials), f"{rung.correlation:+.2f}"] for rung in known]
        parts += [
            paragraph("Rank correlation of each rung with the end, over completed trials:"),
            table(["outer steps", "trials", "correlation"], rows),
        ]
    if progress.reasons:
        rows = [[reason, str(count)] for reason, count in progress.reasons.items()]
        parts += [paragraph("Failures:"), table(["reason", "trials"], rows)]
    return [
        section("The search", *parts),
        *(
            picture_section(
                title, _caption(name, evidence), figures[name], name, is_wide=name == "parallel"
            )
            for name, (title, _) in _PICTURES.items()
            if name in figures
        ),
        *_past(evidence, figures),
    ]


def _caption(name: str, evidence: Evidence) -> str:
    """Returns what a picture shows, with what of this study it leaves out."""
    caption = _PICTURES[name][1]
    if name == "parallel":
        is_one_of_many = evidence.spec.space.is_conditional
        return caption.format(f" of {drawn_learner(evidence)}" if is_one_of_many else "")
    if name == "importance":
        few = [
            f"{learner} ({len(evidence.reached(learner))})"
            for learner, branch in evidence.spec.space.branches.items()
            if branch and len(evidence.reached(learner)) < FEWEST_TRIALS
        ]
        if few:
            caption += (
                f" Too few trials reached it, less than {FEWEST_TRIALS}, to tell for {listed(few)}."
            )
    return caption


def _memory(evidence: Evidence) -> str:
    if evidence.peak_mib is None:
        return ""
    return f" A worker has held {evidence.peak_mib:.0f} MiB of memory at most."


def _past(evidence: Evidence, figures: Mapping[str, Figure]) -> list[str]:
    """Returns the section on the past studies that the study began with."""
    past = evidence.past
    if past is None:
        return []
    return [
        picture_section(
            "What past studies had to do with it",
            " ".join(past_words(past)) + " Above: every trial's value at the first rung. Below: "
            "how well the opinions of each past study are expected to rank the trials; one below 0 "
            "ranks them upside down, and is believed the other way round.",
            figures["trust"],
            "trust",
        )
    ]


def _leaderboard(evidence: Evidence) -> str:
    frame = evidence.trials
    if frame.empty:
        return paragraph("No trials yet.")
    parameters = [name for name in frame.columns if name.startswith("params.")]
    header = ["trial", "state", "origin", "value", "points over the best baseline", "seconds"]
    header += [name.removeprefix("params.") for name in parameters]
    rows = [
        [
            str(row["trial"]),
            str(row["state"]).lower(),
            str(row["origin"]),
            shown(row["value"], "{:+.4f}"),
            "-"
            if is_gap(row["advantage"])
            else interval(*(100 * row[name] for name in ("advantage", "low", "high"))),
            shown(row["seconds"], "{:.0f}"),
            *(shown(row[name]) for name in parameters),
        ]
        for row in frame.head(_TOP_TRIALS).to_dict("records")
    ]
    won = None if evidence.winner is None else evidence.winner.trial
    ours = [place for place, row in enumerate(rows) if row[0] == str(won)]
    more = len(frame) - len(rows)
    note = f"The first {len(rows)} of {len(frame)} trials." if more > 0 else ""
    return "\n".join([table(header, rows, ours=ours), *([paragraph(note)] if note else [])])
