"""Everything that a report says about a study, gathered once from its storage and its export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from autometa.config import LEARNER_PARAMETER, LearnerConfig, StudySpec
from autometa.errors import UserError
from autometa.evaluation import ScoreSheet
from autometa.export import read_export
from autometa.report._importance import importances
from autometa.report._past import Past, past_of
from autometa.search import (
    LEARNER_METHOD,
    PEAK_MIB,
    Progress,
    RungCorrelation,
    leaderboard,
    load_spec,
    run_folder_of,
    rung_correlations,
    snapshot,
)
from autometa.storages import WINNER, spent_seconds

if TYPE_CHECKING:
    import pandas as pd

_ROLES = ("test", "confirm", "validation")


@dataclass(frozen=True)
class Winner:
    """The exported winner of a study.

    Attributes:
        trial: number of its trial.
        config: its meta-configuration.
        sheet: scores of its weights and of the baselines, on the tables of ``role``.
        role: ``test``, or where there are no such tables ``confirm`` or ``validation``.
        provenance: what its export says of where it comes from.
        folder: its export.

    >>> from autometa.export import PRETRAINED
    >>> export = read_export(PRETRAINED)
    >>> winner = Winner(
    ...     trial=3,
    ...     config=export.config,
    ...     sheet=export.sheet(),
    ...     role="test",
    ...     provenance=export.provenance,
    ...     folder=PRETRAINED,
    ... )
    >>> winner.config.name, winner.sheet.cells()[0]
    ('column_kernel', ('inductive', 1))
    """

    trial: int
    config: LearnerConfig
    sheet: ScoreSheet
    role: str
    provenance: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True)
class Evidence:
    """What is known of a study.

    Attributes:
        name: the study.
        spec: its specification.
        progress: where it stands.
        trials: its leaderboard, a row per trial.
        curves: trial -> rung in outer steps -> value in nats.
        rungs: how well each rung foretells the end.
        importances: learner -> meta-parameter -> importance.
        seconds: what the study has taken.
        peak_mib: most memory that a worker has had by the end of a trial; None where it is not
            known.
        past: what earlier studies had to do with it; None where it began without.
        winner: None before the end.

    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> trial = study.ask()
    >>> trial.report(0.02, step=spec.training.rungs[0])
    >>> evidence = gather(study)
    >>> evidence.first_values(), evidence.confirmed_values()
    ({0: 0.02}, {})
    """

    name: str
    spec: StudySpec
    progress: Progress
    trials: pd.DataFrame
    curves: Mapping[int, Mapping[int, float]]
    rungs: list[RungCorrelation]
    importances: Mapping[str, Mapping[str, float]]
    seconds: float
    peak_mib: float | None
    past: Past | None
    winner: Winner | None

    def first_values(self) -> dict[int, float]:
        """Returns the value at the first rung, in nats, of each trial that reached it."""
        rung = self.spec.training.rungs[0]
        return {number: curve[rung] for number, curve in self.curves.items() if rung in curve}

    def reached(self, learner: str) -> pd.DataFrame:
        """Returns the rows of a learner's trials that reached the first rung."""
        if self.trials.empty:
            return self.trials
        frame = self.trials[self.trials["trial"].isin(self.first_values())]
        if frame.empty or not self.spec.space.is_conditional:
            return frame
        return frame[frame[f"params.{LEARNER_PARAMETER}"] == learner]

    def confirmed_values(self) -> dict[int, list[float]]:
        """Returns the values of each finalist with fresh seeds, in nats; empty before the end."""
        found: dict[int, list[float]] = {}
        if self.winner is not None:
            for run in self.winner.provenance.get("confirmed", []):
                found.setdefault(int(run["trial"]), []).append(float(run["value"]))
        return found


def gather(study: optuna.Study, *, run_folder: Path | None = None) -> Evidence:
    """Returns what is known of a study that autometa made.

    Args:
        study: the study.
        run_folder: where its export is; the usual place below the current folder where None.

    Raises:
        UserError: the export is damaged.

    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> study.optimize(lambda trial: trial.suggest_int("width", 8, 64) / 100, n_trials=3)
    >>> evidence = gather(study)
    >>> evidence.name, evidence.progress.done, evidence.winner
    ('tiny', 3, None)
    """
    spec = load_spec(study)
    trials = study.get_trials(deepcopy=False)
    folder = run_folder_of(study.study_name) if run_folder is None else run_folder
    return Evidence(
        name=study.study_name,
        spec=spec,
        progress=snapshot(study, spec),
        trials=leaderboard(study),
        curves={
            trial.number: dict(sorted(trial.intermediate_values.items()))
            for trial in trials
            if trial.intermediate_values
        },
        rungs=rung_correlations(trials, rungs=spec.training.rungs),
        importances=importances(study, spec),
        seconds=spent_seconds(study),
        peak_mib=max((trial.user_attrs.get(PEAK_MIB, 0.0) for trial in trials), default=0) or None,
        past=past_of(study, spec),
        winner=exported_winner(study, folder / "export"),
    )


def exported_winner(study: optuna.Study, folder: Path) -> Winner | None:
    """Returns what a study has exported; None where there is no export, or it is of another study.

    Args:
        study: the study; another storage may have one of the same name.
        folder: the export.

    Raises:
        UserError: the export is damaged.

    >>> from autometa.export import PRETRAINED
    >>> provenance = read_export(PRETRAINED).provenance
    >>> study = optuna.create_study(study_name=provenance["study"])
    >>> study.set_user_attr(WINNER, {"trial": provenance["trial"]})
    >>> exported_winner(study, PRETRAINED).role
    'test'
    """
    won = study.user_attrs.get(WINNER)
    if won is None or not folder.is_dir():
        return None
    export = read_export(folder)
    found = (export.provenance.get("study"), export.provenance.get("trial"))
    if found != (study.study_name, won["trial"]):
        return None
    sheet = export.sheet()
    roles = set(sheet.frame["role"])
    role = next((role for role in _ROLES if role in roles), None)
    if role is None or LEARNER_METHOD not in sheet.select(role=role).methods():
        raise UserError(
            f"an export must hold the scores of its learner; that in {folder} does not: export "
            "the study again"
        )
    return Winner(
        trial=int(export.provenance["trial"]),
        config=export.config,
        sheet=sheet.select(role=role),
        role=role,
        provenance=export.provenance,
        folder=folder,
    )
