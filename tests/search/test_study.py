from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autometa.config import StudySpec
from autometa.errors import UserError
from autometa.search import Objective, leaderboard, load_spec, set_deadline, snapshot
from autometa.search._study import deadline_of


def test_new_study_begins_with_the_learners_defaults(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """The defaults, moved into the space, wait as the first trial and say where they come from."""
    study = study_of(little_study())
    again = study_of(little_study())

    assert [trial.state.name for trial in again.trials] == ["WAITING"]
    assert study.trials[0].system_attrs["fixed_params"] == {"inner_lr": 1.0, "width": 16}
    assert study.trials[0].user_attrs == {"autometa:origin": "default"}


@pytest.mark.parametrize("kind", ["journal:{}", "sqlite:///{}"])
def test_storage_url_is_not_kept_in_the_study(
    kind: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    tmp_path: Path,
) -> None:
    """A URL may hold a password, so neither it nor its path is written anywhere."""
    path = tmp_path / "canary-s3cret"
    study = study_of(little_study(storage=kind.format(path), search={"trials": 1}))

    study.work()

    assert b"s3cret" not in path.read_bytes()
    assert load_spec(study.study).storage == "journal:results/runs/studies.journal"


def test_a_kernel_of_an_earlier_generation_stays_what_it_was(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
) -> None:
    """What a study left to the defaults of its day is read with them, not with today's."""
    rate = {"low": 0.1, "high": 1.0}
    spec = little_study(
        learner={"name": "column_kernel", "head": "descent"}, space={"inner_lr": rate}
    )
    study = study_of(spec).study
    for generation, fixed in (
        (3, {}),
        (2, {"adapt": "head+scales"}),
        (None, {"adapt": "head+scales", "gate": False}),
    ):
        values = {**study.user_attrs["autometa:fingerprint"], "column_kernel": generation}
        study.set_user_attr(
            "autometa:fingerprint", {key: value for key, value in values.items() if value}
        )
        assert load_spec(study).learner == {**spec.learner, **fixed}


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        (
            {
                "space": {
                    "inner_lr": {"low": 0.01, "high": 2.0, "log": True},
                    "width": {"choices": [8, 16]},
                }
            },
            "space[0].high: 1.0 -> 2.0",
        ),
        (
            {
                "space": {
                    "inner_lr": {"low": 0.01, "high": 1.0, "log": True},
                    "width": {"choices": [16, 8]},
                }
            },
            "space[1].choices: [8, 16] -> [16, 8]",
        ),
        (
            {
                "space": {
                    "inner_lr": {"low": 0.01, "high": 1.0, "log": True},
                    "width": {"choices": [8, 16, 32]},
                }
            },
            "space[1].choices: [8, 16] -> [8, 16, 32]",
        ),
        (
            {
                "space": {
                    "inner_lr": {"low": 0.01, "high": 1.0},
                    "width": {"choices": [8, 16]},
                }
            },
            "space[0].log: true -> false",
        ),
        (
            {
                "space": {
                    "inner_lr": {"low": 0.01, "high": 1.0, "log": True},
                    "width": {"low": 8, "high": 16},
                }
            },
            "space[1].choices: [8, 16] -> (absent)",
        ),
        (
            {
                "space": {
                    "inner_lr": {"low": 0.01, "high": 1.0, "log": True},
                    "width": {"choices": [8, 16]},
                    "depth": {"low": 1, "high": 2},
                }
            },
            'space[2].parameter: (absent) -> "depth"',
        ),
        (
            {"space": {"inner_lr": {"low": 0.01, "high": 1.0, "log": True}}},
            'space[1].parameter: "width" -> (absent)',
        ),
        ({"training": {"outer_lr": 0.01}}, "training.outer_lr: 0.002 -> 0.01"),
        ({"search": {"seed": 7}}, "seed: 0 -> 7"),
        ({"search": {"pruner": "none"}}, 'pruner: "halving" -> "none"'),
        ({"episodes": {"per_table": 3}}, "episodes.per_table: 2 -> 3"),
        ({"episodes": {"counts": "unequal"}}, 'episodes.counts: (absent) -> "unequal"'),
        ({"learner": {"name": "fomaml", "columns": 9}}, "fixed.columns: 8 -> 9"),
        (
            {"tables": {"validation": [{"source": "sklearn", "names": ["digits"]}]}},
            "table_hashes.validation.wine",
        ),
    ],
)
def test_changed_study_is_refused_with_a_difference(
    changes: dict[str, Any],
    difference: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
) -> None:
    """What changes a trial's value is not resumed with; nothing is written."""
    study_of(little_study())
    journal = Path("studies.journal")
    before = journal.read_bytes()

    with pytest.raises(UserError, match="another study name") as caught:
        study_of(little_study(**changes))

    assert difference in str(caught.value)
    assert journal.read_bytes() == before


def test_changed_contents_of_a_file_are_refused(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any], tmp_path: Path
) -> None:
    """A table's hash is part of what a study is: another row, another study."""
    path = tmp_path / "mine.csv"
    rows = [f"{i % 7},{i * i % 11},{'ab'[i % 2]}" for i in range(60)]
    path.write_text("\n".join(["x,y,label", *rows]) + "\n")
    tables = {"validation": [{"source": "files", "path": str(path), "target": "label"}]}
    study_of(little_study(tables=tables))
    path.write_text("\n".join(["x,y,label", *rows[:-1], "6,3,a"]) + "\n")

    with pytest.raises(UserError, match=r"table_hashes\.validation\.mine"):
        study_of(little_study(tables=tables))


def test_only_budget_workers_and_storage_may_change(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """The workers of a resumed study find the budget that it was last started with."""
    study_of(little_study())
    search = {"trials": 9, "seconds": 7, "seconds_per_trial": 3, "workers": 2, "finalists": 1}

    study = study_of(little_study(search=search))

    assert load_spec(study.study).search.trials == 9
    assert load_spec(study.study).search.seconds == 7


def test_deadline_is_a_time_of_day(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers on any machine compare it with their clock; a study without one has no end."""
    study = study_of(little_study())
    assert deadline_of(study.study) == float("inf")
    monkeypatch.setattr("autometa.search._study.time.time", lambda: 1000.0)

    set_deadline(study.study, seconds=5)

    assert deadline_of(study.study) == 1005.0


def test_snapshot_and_leaderboard_tell_the_same_story(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Best first, then pruned, then failed with reasons; rungs and parameters beside them."""
    study = study_of(little_study(search={"trials": 5}))
    summary = Objective._summary

    def fail_third(objective: Objective, sheet: Any) -> dict[str, Any]:
        if len(study.trials) == 3:
            raise UserError("no luck: try again")
        return summary(objective, sheet)

    monkeypatch.setattr(Objective, "_summary", fail_third)
    monkeypatch.setattr("autometa.search._samplers._HalvingPruner.prune", _prunes_the_last)
    study.work()

    progress, board = snapshot(study.study, study.spec), leaderboard(study.study)

    assert (progress.done, progress.budget) == (5, 5)
    assert progress.states == {"COMPLETE": 3, "FAIL": 1, "PRUNED": 1}
    assert progress.reasons == {"UserError: no luck: try again": 1}
    assert list(board["state"]) == ["COMPLETE"] * 3 + ["PRUNED", "FAIL"]
    assert list(board["value"][:3]) == sorted(board["value"][:3], reverse=True)
    assert progress.best is not None
    assert board["trial"][0] == progress.best.number
    assert list(board["rung"]) == [16, 16, 16, 2, 16]
    assert board["reason"][4] == "UserError: no luck: try again"
    assert board["origin"].value_counts().to_dict() == {"sampler": 4, "default": 1}
    columns = [column for column in board if re.match(r"accuracy|params", column)]
    assert columns == [
        "accuracy unlabelled/K=1",
        "accuracy unlabelled/K=5",
        "params.inner_lr",
        "params.width",
    ]
    assert progress.advantage is not None
    assert progress.advantage["low"] <= progress.advantage["mean"] <= progress.advantage["high"]


def _prunes_the_last(_pruner: object, _study: object, trial: Any) -> bool:
    return bool(trial.number == 4)


def test_empty_study_has_an_empty_leaderboard(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """A study that waits for its first worker can be looked at."""
    study = study_of(little_study())

    board = leaderboard(study.study)

    assert list(board["state"]) == ["WAITING"]
    assert snapshot(study.study, study.spec).best is None
