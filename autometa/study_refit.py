"""The winner of a study trained once more, on the tables of every role.

Search and test need tables that a candidate has not trained on. Once the choice is made and its
score is known, these tables can teach as well. What comes of it cannot be tested any more on the
tables of the study: the card quotes the score of the winner as it was, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from autometa.errors import UserError
from autometa.export import (
    Export,
    Provenance,
    read_export,
    require_replaceable,
    write_card,
    write_export,
)
from autometa.learners import OuterLoop, build_learner
from autometa.search import (
    LEARNER_METHOD,
    StudyData,
    candidate_config,
    fresh_seed,
    load_spec,
    one_thread,
    require_same_tables,
    resolve_device,
    run_folder_of,
)
from autometa.storages import WINNER
from autometa.study_export import exported_sections, provenance_of
from autometa.tables import Roles


def export_refit(
    study: optuna.Study,
    target: Path,
    *,
    outer_steps: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Export:
    """Trains the winner's configuration on all tables of the study, and exports that.

    Args:
        study: a study with a confirmed winner.
        target: folder to write.
        outer_steps: of the training; those of the study where None.
        on_step: called with (outer steps done, outer steps).

    Returns:
        The export. Its scores are those of the winner before.

    Raises:
        UserError: the study has no confirmed winner, or the target is no export.
        RunError: the tables have changed since, or the disk is full or not writable.
        DivergedError: losses were not finite too often.
    """
    winner = study.user_attrs.get(WINNER)
    if winner is None:
        raise UserError(
            f"only a confirmed winner can be trained again; {study.study_name!r} has none yet: run "
            "`autometa tune` to its end"
        )
    # Before a training of minutes.
    require_replaceable(target.resolve())
    spec = load_spec(study)
    tested = read_export(run_folder_of(spec.name) / "export")
    data = StudyData.load(spec)
    require_same_tables(study, data)
    every = {table.sha256: table for _, tables in data.roles.items() for table in tables}
    everything = StudyData(spec, Roles(train=tuple(every.values())), data.cache)
    config = candidate_config(spec, study.trials[winner["trial"]].params)
    seed = fresh_seed(spec.search.seed, winner["seed_index"])
    steps = outer_steps or spec.training.outer_steps
    with one_thread():
        loop = OuterLoop(
            build_learner(config, seed=seed),
            everything.training_episodes(config, seed=seed).batch,
            outer_steps=steps,
            outer_lr=spec.training.outer_lr,
            device=resolve_device(spec.training.device),
        )
        loop.run_until(steps, on_step=None if on_step is None else lambda n: on_step(n, steps))
    provenance: Provenance = provenance_of(study, everything, trial=winner["trial"])
    provenance["budget"] |= {"outer_steps": steps}
    provenance["seeds"] |= {"winner": seed}
    provenance["refit_of"] = tested.sha256["weights.safetensors"]
    provenance["test_reads"] = tested.provenance.get("test_reads", 0)
    learner = loop.averaged().cpu()
    sections = exported_sections(everything)
    sections["training"] |= {"outer_steps": steps, "rungs": [steps]}
    # The card quotes these alone; what chose the winner stays in the study's own export.
    sheet = tested.sheet()
    if "test" in set(sheet.frame["role"]):
        sheet = sheet.select(role="test")
    parts: dict[str, Any] = {
        "learner": learner,
        "spec": sections,
        "sheet": sheet,
        "provenance": provenance,
    }
    write_export(target, card=write_card(method=LEARNER_METHOD, **parts), **parts)
    return read_export(target)
