"""From a study to an export: the confirmed winner, tested once, or any trial the user picks."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import TrialState

from autometa.config import StudySpec
from autometa.errors import UserError
from autometa.evaluation import EvaluationTask, ScoreSheet, adaptation_curve, score_learner
from autometa.export import (
    Export,
    Provenance,
    read_export,
    seen_figures,
    write_card,
    write_export,
)
from autometa.learners import AbstractLearner
from autometa.search import (
    LEARNER_METHOD,
    Confirmed,
    Objective,
    StudyData,
    candidate_config,
    fresh_seed,
    load_spec,
    one_thread,
    require_same_tables,
    run_folder_of,
    train_candidate,
)
from autometa.storages import spent_seconds, trials_done

TEST_READS = "autometa:test_reads"
"""User attribute of a study: which weights the test tables were read with, in order."""

_PACKAGES = ("autometa", "torch", "optuna", "scikit-learn", "numpy")


def export_confirmed(
    winner: Confirmed,
    confirmed: Sequence[Confirmed],
    *,
    data: StudyData,
    study: optuna.Study,
    target: Path,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Export:
    """Tests the winner's weights on the test tables and writes them with their scores.

    The scores are those of exactly the exported weights. An export of the same weights that is
    there already is returned as it is, so that the test tables are not read again.

    Args:
        winner: the run whose weights are exported.
        confirmed: all confirmation runs.
        data: the study's tables.
        study: the study.
        target: folder to write.
        workers: processes for baseline scores.
        on_progress: called with (baseline units done, units).

    Raises:
        UserError: the target exists and is no export.
        RunError: the disk is full or not writable.
    """
    provenance = provenance_of(study, data, trial=winner.trial)
    provenance["seeds"] |= {"winner": fresh_seed(data.spec.search.seed, winner.seed_index)}
    provenance["confirmed"] = [
        {"trial": run.trial, "seed_index": run.seed_index, "value": run.value} for run in confirmed
    ]
    identity = f"{data.identity()[:16]}/{winner.folder.name}"
    provenance["weights_of"] = identity
    existing = _existing(target, identity)
    if existing is not None:
        return existing
    confirm_tasks = data.confirm_tasks()
    sheets = [data.baselines(confirm_tasks, workers=workers), winner.sheet()]
    tasks = data.test_tasks()
    learner = winner.learner()
    with one_thread():
        curve = adaptation_curve(learner, confirm_tasks)
    provenance["adaptation"] = [dataclasses.asdict(point) for point in curve]
    if tasks:
        reads = [*study.user_attrs.get(TEST_READS, []), identity]
        # Written before the tables are read: an interrupted test has been a test all the same.
        study.set_user_attr(TEST_READS, list(dict.fromkeys(reads)))
        sheets += [
            data.baselines(tasks, workers=workers, on_progress=on_progress),
            _scored(learner, tasks),
        ]
    provenance["test_reads"] = len(study.user_attrs.get(TEST_READS, []))
    return _write(target, learner, data, ScoreSheet.concat(sheets), provenance)


def export_trial(study: optuna.Study, number: int, target: Path) -> Export:
    """Exports a completed trial of one's own choice, with its validation scores.

    Its weights come from the checkpoint that the trial left, or are trained again, which gives
    the same ones. Test tables are not read: the card says "not tested".

    Args:
        study: a study that autometa made.
        number: the trial's number.
        target: folder to write.

    Raises:
        UserError: there is no such trial, or it did not complete.
        RunError: the tables have changed since, or the disk is full or not writable.
    """
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise UserError(
            f"--trial must name a trial of {study.study_name!r} (0 to {len(trials) - 1}); got "
            f"{number}: see `autometa show {study.study_name}`"
        )
    trial = trials[number]
    if trial.state != TrialState.COMPLETE:
        raise UserError(
            f"--trial must name a completed trial; trial {number} is {trial.state.name}: see "
            f"`autometa show {study.study_name}`"
        )
    spec = load_spec(study)
    data = StudyData.load(spec)
    require_same_tables(study, data)
    objective = Objective(spec, data=data, run_folder=run_folder_of(spec.name))
    config = candidate_config(spec, trial.params)
    tasks = data.search_tasks()
    last = train_candidate(
        config,
        data,
        tasks,
        seed=spec.search.seed,
        rungs=spec.training.rungs[-1:],
        checkpoints=objective.checkpoints_of(config),
        on_rung=lambda _rung: None,
    )
    assert last.learner is not None
    assert last.sheet is not None
    provenance = provenance_of(study, data, trial=number)
    sheet = ScoreSheet.concat([data.baselines(tasks), last.sheet])
    return _write(target, last.learner, data, sheet, provenance)


def _scored(learner: AbstractLearner, tasks: Sequence[EvaluationTask]) -> ScoreSheet:
    """Scores as the exported classifier computes: in float64."""
    learner = copy.deepcopy(learner).double()
    with one_thread():
        return score_learner(learner, tasks, method=LEARNER_METHOD, dtype=torch.float64)


def _existing(target: Path, identity: str) -> Export | None:
    """Returns the export at the target if it holds the very weights that would be written."""
    try:
        export = read_export(target)
    except UserError:
        return None
    return export if export.provenance.get("weights_of") == identity else None


def _write(
    target: Path,
    learner: AbstractLearner,
    data: StudyData,
    sheet: ScoreSheet,
    provenance: Provenance,
) -> Export:
    sections = exported_sections(data)
    card = write_card(
        learner=learner,
        spec=sections,
        sheet=sheet,
        provenance=provenance,
        method=LEARNER_METHOD,
    )
    write_export(
        target, learner=learner, spec=sections, sheet=sheet, card=card, provenance=provenance
    )
    return read_export(target)


def exported_sections(data: StudyData) -> dict[str, Any]:
    """Returns the sections of the study file that an export keeps, tables by name."""
    spec = data.spec
    return {
        "episodes": spec.episodes.model_dump(mode="json"),
        "training": spec.training.model_dump(mode="json"),
        "tables": {
            role: sorted(table.name for table in tables if not table.source.startswith("synthetic"))
            + _synthetic_summary(spec, role)
            for role, tables in data.tables_by_role().items()
        },
    }


def _synthetic_summary(spec: StudySpec, role: str) -> list[str]:
    return [
        f"{source.count} synthetic tables, seed {source.seed}"
        for source in getattr(spec.tables, role)
        if source.source == "synthetic"
    ]


def provenance_of(study: optuna.Study, data: StudyData, *, trial: int) -> Provenance:
    """Returns where an export of a trial comes from: tables, budget, seeds and versions."""
    spec = data.spec
    families: dict[tuple[str, str], dict[str, list[str]]] = {}
    for role, tables in data.tables_by_role().items():
        for table in tables:
            if table.source.startswith("synthetic"):
                continue
            seen = families.setdefault((role, table.family), {"tables": [], "sha256": []})
            seen["tables"].append(table.name)
            seen["sha256"].append(table.sha256[:16])
    text = json.dumps(data.fingerprint(), sort_keys=True, default=str)
    provenance: dict[str, Any] = {
        "study": study.study_name,
        "trial": trial,
        "seeds": {"study": spec.search.seed},
        "families_seen": [
            {"family": family, "role": role, **seen}
            for (role, family), seen in sorted(families.items())
        ],
        "figures_seen": seen_figures(data.tables_by_role()["train"]),
        "budget": {
            "trials": trials_done(study),
            "seconds": round(spent_seconds(study)),
            "outer_steps": spec.training.outer_steps,
        },
        "versions": {package: version(package) for package in _PACKAGES}
        | {"python": platform.python_version()},
        "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return provenance  # type: ignore[return-value]
