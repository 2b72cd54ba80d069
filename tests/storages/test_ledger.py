from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from autometa.errors import UserError
from autometa.storages import (
    check_study_name,
    create_or_load_study,
    list_studies,
    load_study,
    run_folder_of,
    study_fingerprint,
    study_spec,
)

FINGERPRINT = {
    "space": {"inner_lr": {"low": 0.01, "high": 10.0, "log": True}, "width": [16, 32]},
    "tables": [{"name": "iris", "sha256": "ab"}],
    "order": ["inner_lr", "width"],
}


def state(storage: BaseStorage) -> list[tuple[str, dict[str, Any]]]:
    """Everything that is kept with the studies."""
    return [(study.study_name, study.user_attrs) for study in storage.get_all_studies()]


@pytest.fixture
def storage(url: str, opened: Callable[[str], BaseStorage]) -> BaseStorage:
    """An empty storage of each kind."""
    return opened(url)


def test_processes_that_start_at_once_get_one_study(
    url: str, together: Callable[..., list[str]], opened: Callable[[str], BaseStorage]
) -> None:
    """Four commands on a storage that does not exist yet: one makes the study, all run."""
    outputs = together(
        4,
        """
        from autometa.storages import create_or_load_study, open_storage
        start()
        storage = open_storage(sys.argv[1])
        study, created = create_or_load_study(storage, "toy", spec={"a": 1}, fingerprint={"b": 2})
        study.tell(study.ask(), 1.0)
        print(created)
        """,
        url,
    )

    assert sorted(outputs) == ["False", "False", "False", "True"]
    (summary,) = list_studies(opened(url))
    assert (summary.name, summary.trials, summary.trials_done) == ("toy", {"COMPLETE": 4}, 4)


def test_study_is_resumed_with_an_equal_fingerprint(storage: BaseStorage) -> None:
    """Key order, tuples and whole floats make no difference; the newest spec is kept."""
    create_or_load_study(storage, "toy", spec={"trials": 3}, fingerprint=FINGERPRINT)
    again = {**FINGERPRINT, "order": ("inner_lr", "width")}
    again["space"] = {"width": [16.0, 32], "inner_lr": {"high": 10, "log": True, "low": 0.01}}

    study, created = create_or_load_study(storage, "toy", spec={"trials": 9}, fingerprint=again)

    assert not created
    assert study_spec(study) == {"trials": 9}
    assert study_fingerprint(study)["order"] == ["inner_lr", "width"]
    assert study.direction.name == "MAXIMIZE"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"order": ["width", "inner_lr"]}, 'order: ["inner_lr", "width"] -> ["width", "inner_lr"]'),
        ({"space": {}}, "space.inner_lr.low: 0.01 -> (absent)"),
        ({"space": {}}, "space: (absent) -> {}"),
        ({"metric": "log_loss"}, 'metric: (absent) -> "log_loss"'),
        ({"tables": [{"name": "iris", "sha256": "cd"}]}, 'tables[0].sha256: "ab" -> "cd"'),
        ({"tables": []}, 'tables[0].name: "iris" -> (absent)'),
        (
            {"space": {**FINGERPRINT["space"], "width": [True, 32]}},  # type: ignore[dict-item]
            "space.width: [16, 32] -> [true, 32]",
        ),
    ],
)
def test_changed_fingerprint_is_refused_with_a_line_per_key(
    storage: BaseStorage, change: dict[str, Any], line: str
) -> None:
    """The difference is readable, the remedy is named, and the storage stays as it was."""
    create_or_load_study(storage, "toy", spec={"trials": 3}, fingerprint=FINGERPRINT)
    before = state(storage)

    with pytest.raises(UserError, match="restore them or choose another study name") as caught:
        create_or_load_study(storage, "toy", spec={"n": 1}, fingerprint={**FINGERPRINT, **change})

    assert f"\n  {line}" in str(caught.value)
    assert "restore" in str(caught.value).splitlines()[0]
    assert state(storage) == before


def test_long_differences_are_cut(storage: BaseStorage) -> None:
    """A hundred changed keys and a long text do not flood the terminal."""
    old = {f"k{number}": "a" * 500 for number in range(100)}
    create_or_load_study(storage, "toy", spec={}, fingerprint=old)

    with pytest.raises(UserError, match="and 70 more") as caught:
        create_or_load_study(storage, "toy", spec={}, fingerprint={})

    assert max(len(line) for line in str(caught.value).splitlines()[1:]) < 200


def test_other_direction_is_refused(storage: BaseStorage) -> None:
    """Optuna would keep the old direction without a word."""
    create_or_load_study(storage, "toy", spec={}, fingerprint={})

    with pytest.raises(UserError, match="direction: maximize -> minimize"):
        create_or_load_study(storage, "toy", spec={}, fingerprint={}, direction="minimize")


def test_study_of_another_program_is_refused(storage: BaseStorage) -> None:
    """Neither resumed nor loaded, and nothing is written into it."""
    theirs = optuna.create_study(study_name="theirs", storage=storage, direction="maximize")
    theirs.add_trial(optuna.trial.create_trial(state=TrialState.PRUNED))

    for call in (
        lambda: create_or_load_study(storage, "theirs", spec={}, fingerprint={}),
        lambda: load_study(storage, "theirs"),
    ):
        with pytest.raises(UserError, match="not made by autometa; choose another study name"):
            call()

    assert state(storage) == [("theirs", {})]
    assert [summary.is_autometa for summary in list_studies(storage)] == [False]


def test_study_whose_maker_was_killed_at_birth_is_completed(storage: BaseStorage) -> None:
    """A study without trials and attributes belongs to nobody yet."""
    storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "toy")

    study, created = create_or_load_study(storage, "toy", spec={"a": 1}, fingerprint={})

    assert not created
    assert study.user_attrs["autometa:spec"] == {"a": 1}


def test_study_of_a_newer_autometa_is_refused(storage: BaseStorage) -> None:
    """A schema from the future is not guessed at."""
    study, _ = create_or_load_study(storage, "toy", spec={}, fingerprint={})
    study.set_user_attr("autometa:schema", 2)

    with pytest.raises(UserError, match=r"schema version 2.*install the newer autometa"):
        create_or_load_study(storage, "toy", spec={}, fingerprint={})


def test_study_killed_while_it_was_made_is_completed(storage: BaseStorage) -> None:
    """The next start writes what is missing; until then it cannot be loaded."""
    study = optuna.create_study(study_name="toy", storage=storage, direction="maximize")
    study.set_user_attr("autometa:schema", 1)

    with pytest.raises(UserError, match="interrupted while it was made"):
        load_study(storage, "toy")
    create_or_load_study(storage, "toy", spec={"a": 1}, fingerprint={"b": 2})

    assert study_fingerprint(load_study(storage, "toy")) == {"b": 2}


def test_unknown_study_names_the_known_ones(storage: BaseStorage) -> None:
    """A mistyped name is corrected without another command."""
    with pytest.raises(UserError, match=r"no study 'toi' .*known studies: none yet"):
        load_study(storage, "toi")
    create_or_load_study(storage, "toy", spec={}, fingerprint={})
    create_or_load_study(storage, "ball", spec={}, fingerprint={})

    with pytest.raises(UserError, match=r"known studies: ball, toy\."):
        load_study(storage, "toi")

    assert [summary.name for summary in list_studies(storage)] == ["ball", "toy"]
    assert list_studies(storage)[0].last_activity is None


def test_large_attributes_come_back_whole(
    url: str, storage: BaseStorage, opened: Callable[[str], BaseStorage]
) -> None:
    """Hashes of hundreds of tables are no problem: columns have no size limit."""
    large = {"hashes": ["f" * 64] * 10_000}
    create_or_load_study(storage, "toy", spec=large, fingerprint=large)

    study = load_study(opened(url), "toy")

    assert study_spec(study) == study_fingerprint(study) == large


@pytest.mark.parametrize("value", [math.nan, math.inf, object()])
def test_fingerprint_that_is_no_json_is_refused(storage: BaseStorage, value: object) -> None:
    """Nothing is created for it."""
    with pytest.raises(UserError, match="finite numbers, text, lists and dictionaries"):
        create_or_load_study(storage, "toy", spec={}, fingerprint={"a": value})

    assert state(storage) == []


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-x", "a/../b", "a b", "a\0", "é", "a\n", "x" * 101, "../x"]
)
def test_unsafe_names_are_refused(name: str) -> None:
    """A name becomes a folder, so it holds nothing that a path could misread."""
    with pytest.raises(UserError, match="choose another name"):
        check_study_name(name)

    # Studies of others may have such names, and folders are deleted with studies.
    with pytest.raises(UserError, match="choose another name"):
        run_folder_of(name)


@pytest.mark.parametrize("name", ["priors", "Artifacts", "studies.journal", "studies.journal.bak"])
def test_names_of_shared_files_are_refused(name: str) -> None:
    """A study named like what all studies share in results/runs would write into it."""
    with pytest.raises(UserError, match=f"{name}.*choose another name"):
        check_study_name(name)


@pytest.mark.parametrize("name", ["a", "0", "Quick.start_2-b", "prior", "x" * 100])
def test_plain_names_are_accepted(name: str) -> None:
    """Letters, digits, dots, underscores and hyphens up to a hundred."""
    assert check_study_name(name) == name


def test_studies_of_one_storage_do_not_mix(storage: BaseStorage) -> None:
    """Each study keeps its own fingerprint."""
    for name in ("a", "b"):
        create_or_load_study(storage, name, spec={}, fingerprint={"name": name})

    assert study_fingerprint(load_study(storage, "a")) == {"name": "a"}
    assert study_fingerprint(load_study(storage, "b")) == {"name": "b"}
