"""The parts of a report on what was asked for, and on how to ask for it again."""

from __future__ import annotations

import yaml

from autometa.config import (
    LEARNER_PARAMETER,
    FilesSource,
    OpenmlSource,
    SklearnSource,
    SourceSpec,
    StudySpec,
    default_params,
)
from autometa.report._evidence import Evidence, Winner
from autometa.report._html import bullets, commands, folded, paragraph, section
from autometa.report._words import counted, dimension, listed, pairs
from autometa.search import spec_without_storage

_ROLES = ("train", "validation", "confirm", "test")
_MOST_NAMED = 8


def asked_section(evidence: Evidence) -> str:
    """Returns the section on tables, search space, training and budget; HTML."""
    spec = evidence.spec
    episodes, training, search = spec.episodes, spec.training, spec.search
    lines = [
        *_tables(evidence),
        *_learners(spec),
        f"Episodes: {listed(episodes.shots)} labelled rows per class, up to {episodes.ways} "
        f"classes, {episodes.per_table} per table, {' and '.join(episodes.settings)}.",
        f"Training: {training.outer_steps} outer steps, scored at {listed(training.rungs)}.",
        f"Budget: {search.trials} trials, {search.seconds:g} seconds; sampler {search.sampler}, "
        f"pruner {search.pruner}, seed {search.seed}.",
    ]
    return section("What was asked", bullets(lines))


def reproduce_section(evidence: Evidence) -> str:
    """Returns the section with commands, the study file, versions and seeds; HTML."""
    name = evidence.name
    lines = [f"autometa show {name}", f"autometa dashboard {name}"]
    parts = []
    if evidence.winner is not None:
        provenance = evidence.winner.provenance
        lines.append(f"autometa export {name} -o my_classifier")
        parts = [
            paragraph(f"Versions: {pairs(provenance['versions'])}."),
            paragraph(f"Seeds: {pairs(provenance['seeds'])}. Made {provenance['created']}."),
        ]
    return section(
        "How to go on, and how to reproduce it",
        commands(lines),
        paragraph(
            f"The study again, or on where it stopped: keep the study file below as {name}.yaml. "
            "It does not say where its storage is, which may need a password: where that is not "
            "the usual one, name it by $AUTOMETA_STORAGE."
        ),
        commands([f"autometa tune {name}.yaml"]),
        folded("The study file", commands(study_file(evidence.spec).splitlines())),
        *parts,
    )


def study_file(spec: StudySpec) -> str:
    """Returns a study file with every default, but without the storage; YAML."""
    text: str = yaml.safe_dump(
        spec_without_storage(spec), sort_keys=False, allow_unicode=True, default_flow_style=None
    )
    return text


def family_counts(winner: Winner) -> dict[str, int]:
    """Returns role -> number of its families, as the export has them."""
    counts: dict[str, int] = {}
    for entry in winner.provenance.get("families_seen", []):
        counts[entry["role"]] = counts.get(entry["role"], 0) + 1
    return counts


def _tables(evidence: Evidence) -> list[str]:
    tables = evidence.spec.tables
    counts = {} if evidence.winner is None else family_counts(evidence.winner)
    split = tables.split
    shares = {} if split is None else split.model_dump(include={"validation", "confirm", "test"})
    lines = []
    for role in _ROLES:
        words = [_source(source) for source in getattr(tables, role)]
        if shares.get(role):
            words.append(f"{100 * shares[role]:g} % of the families of train")
        if words:
            known = f" ({counted(counts[role], 'family', 'families')})" if role in counts else ""
            lines.append(f"Tables for {role}: {'; '.join(words)}{known}.")
    return lines


def _learners(spec: StudySpec) -> list[str]:
    fixed = {field: value for field, value in spec.learner.items() if field != "name"}
    lines = [f"Fixed for all trials: {pairs(fixed)}."] if fixed else []
    firsts = default_params(spec)
    for (learner, branch), first in zip(spec.space.branches.items(), firsts, strict=True):
        searched = "; ".join(f"{field} {dimension(item)}" for field, item in branch.items())
        lines.append(f"Search space of {learner}: {searched or 'its defaults alone'}.")
        tried = {
            name.removeprefix(f"{learner}."): value
            for name, value in first.items()
            if name != LEARNER_PARAMETER
        }
        if tried:
            lines.append(f"Tried first, the defaults of {learner}: {pairs(tried)}.")
    return lines


def _source(source: SourceSpec) -> str:
    """Returns where tables come from."""
    if isinstance(source, SklearnSource):
        return f"{listed(source.names)} of scikit-learn"
    if isinstance(source, OpenmlSource):
        return f"OpenML's {source}"
    if isinstance(source, FilesSource):
        names = source.names or ()
        more = "…" if len(names) > _MOST_NAMED else ""
        return source.path + (f" ({listed(names[:_MOST_NAMED])}{more})" if names else "")
    return f"{counted(source.count, 'random table', 'random tables')} (seed {source.seed})"
