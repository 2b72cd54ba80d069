"""A study as JSON, for programs: where it stands, what won, what that is worth and where it is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from autometa.cli._printing import one_line, say
from autometa.errors import UserError

if TYPE_CHECKING:
    import optuna

    from autometa.evaluation import ScoreSheet
    from autometa.report import Winner


def study_json(study: optuna.Study, *, top: int | None = None) -> dict[str, Any]:
    """Returns everything that is known of a study, in plain values.

    Args:
        study: a study that autometa made.
        top: so many trials; all where None.
    """
    from autometa.search import leaderboard, load_spec, rung_correlations, snapshot
    from autometa.storages import WINNER

    spec = load_spec(study)
    progress = snapshot(study, spec)
    rungs = rung_correlations(study.get_trials(deepcopy=False), rungs=spec.training.rungs)
    frame = leaderboard(study)
    winner = _exported(study)
    return {
        "study": study.study_name,
        "done": progress.done,
        "budget": progress.budget,
        "states": progress.states,
        "failures": progress.reasons,
        "winner": study.user_attrs.get(WINNER),
        "scores": None if winner is None else _scores(winner),
        "export": None if winner is None else winner.folder.as_posix(),
        "rung_correlations": [dataclasses.asdict(rung) for rung in rungs],
        "trials": (frame if top is None else frame.head(top)).to_dict("records"),
    }


def _exported(study: optuna.Study) -> Winner | None:
    from autometa.report import exported_winner
    from autometa.storages import run_folder_of

    try:
        return exported_winner(study, run_folder_of(study.study_name) / "export")
    except UserError as error:
        # What the storage knows is told all the same.
        say(f"warning: {one_line(str(error))}")
        return None


def _scores(winner: Winner) -> dict[str, Any]:
    """Returns the scores that are quoted, and the role of the tables that they are of."""
    cells = [
        {"setting": setting, "shot": shot} | _cell(winner.sheet.select(setting=setting, shot=shot))
        for setting, shot in winner.sheet.cells()
    ]
    return {"trial": winner.trial, "role": winner.role, "cells": cells}


def _cell(part: ScoreSheet) -> dict[str, Any]:
    """Returns accuracies of the winner and the best baseline at one setting and shot."""
    from autometa.cli._sheet import LEARNER

    best = part.best_baseline(exclude=(LEARNER,))
    advantage = part.advantage(LEARNER, best)
    return {
        "accuracy": part.mean("accuracy", LEARNER),
        "best_baseline": best,
        "best_baseline_accuracy": part.mean("accuracy", best),
        "advantage": {
            "mean": advantage.mean,
            "low": advantage.low,
            "high": advantage.high,
            "unit": advantage.unit,
            "n": advantage.n,
        },
    }
