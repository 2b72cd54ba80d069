"""Studies that begin with what earlier ones say."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from earlier_study import earlier_study
from optuna.trial import TrialState

from autometa.config import StudySpec, fingerprint
from autometa.errors import UserError
from autometa.priors import PURSE, PriorSampler, is_wager
from autometa.search import (
    load_spec,
    prior_file_of,
    warm_start_for,
    warm_start_of,
    write_prior,
)
from autometa.search._samplers import build_sampler
from autometa.search._worker import _claim
from autometa.storages import ORIGIN, open_storage

Make = Callable[..., StudySpec]


@pytest.fixture
def earlier(little_study: Make) -> Path:
    """A prior file where finished studies leave theirs."""
    path = prior_file_of("earlier")
    earlier_study(little_study()).save(path)
    return path


def _claimed(study: Any, count: int) -> list[Any]:
    return [_claim(study.study, study.spec, worker=worker) for worker in range(count)]


def test_without_prior_files_the_sampler_is_as_before(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """Nothing is kept with the study, and nothing wraps Optuna's sampler."""
    study = study_of(little_study())

    assert warm_start_of(study.study, study.spec) is None
    sampler = build_sampler(study.spec, worker=0, proposals=1, warm_start=None)
    assert isinstance(sampler, optuna.samplers.TPESampler)


@pytest.mark.usefixtures("earlier")
def test_a_new_study_begins_with_the_default_and_a_portfolio(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """Eight workers that ask at one moment get one default and four different entries."""
    study = study_of(little_study(search={"trials": 20}))

    trials = _claimed(study, 8)

    origins = [trial.user_attrs[ORIGIN] for trial in study.trials]
    assert origins[:5] == ["default", *(f"portfolio {place}" for place in range(1, 5))]
    assert set(origins[5:]) <= {"prior", "base"}
    assert sum(is_wager(trial) for trial in study.trials) <= PURSE
    assert isinstance(study.study.sampler, PriorSampler)
    assert len(trials) == 8


@pytest.mark.usefixtures("earlier")
def test_the_first_entry_is_near_the_best_of_the_past(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """A worker trains what the past study found, and the leaderboard says so."""
    study = study_of(little_study(search={"trials": 2, "pruner": "none"}))

    study.work()

    first = study.trials[1]
    assert first.user_attrs[ORIGIN] == "portfolio 1"
    assert first.params["inner_lr"] < 0.2
    assert first.state == TrialState.COMPLETE


def test_a_study_keeps_the_prior_that_it_began_with(
    earlier: Path, little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """Neither a removed file nor another setting changes what a resumed study is led by."""
    before = warm_start_of(study_of(little_study()).study, little_study())
    earlier.unlink()

    resumed = study_of(little_study(search={"warm_start": "off"}))

    after = warm_start_of(resumed.study, resumed.spec)
    assert before is not None
    assert after is not None
    assert after.prior.sources == before.prior.sources


def test_a_file_that_comes_later_does_not_join_a_started_study(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """Its first trials were proposed without it."""
    study_of(little_study())
    earlier_study(little_study()).save(prior_file_of("earlier"))

    resumed = study_of(little_study())

    assert warm_start_of(resumed.study, resumed.spec) is None


@pytest.mark.usefixtures("earlier")
def test_off_begins_without_the_past(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """Files are there, and are left alone."""
    study = study_of(little_study(search={"warm_start": "off"}))

    assert warm_start_of(study.study, study.spec) is None


def test_a_named_file_that_is_missing_leaves_no_study_behind(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """The study file is wrong, and the storage is as it was."""
    spec = little_study(search={"warm_start": ["nowhere.json"]})

    with pytest.raises(UserError, match=r"nowhere\.json cannot be read"):
        study_of(spec)

    assert open_storage(spec.storage).get_all_studies() == []


def test_named_files_are_used(
    earlier: Path, little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """A file from elsewhere serves as well as those of the folder."""
    moved = Path(shutil.move(earlier, "moved.json"))

    study = study_of(little_study(search={"warm_start": [str(moved)]}))

    start = warm_start_of(study.study, study.spec)
    assert start is not None
    assert str(start).startswith("warm start from earlier;")


def test_a_damaged_file_of_the_folder_is_told_and_left_out(
    earlier: Path,
    little_study: Make,
    study_of: Callable[[StudySpec], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody has named it, so that it stops nothing."""
    earlier.write_text(earlier.read_text()[:50])

    with caplog.at_level(logging.WARNING, logger="autometa"):
        study = study_of(little_study())

    assert warm_start_of(study.study, study.spec) is None
    assert "earlier.json" in caplog.text


def test_the_warm_start_is_no_part_of_the_fingerprint(little_study: Make) -> None:
    """It changes which trials there are, and no trial's value."""
    assert fingerprint(little_study(search={"warm_start": "off"})) == fingerprint(little_study())


def test_meta_parameters_of_another_learner_are_not_mixed_up(little_study: Make) -> None:
    """An inner rate of maml is none of column_kernel's; in a conditional space each has its own."""
    spec = little_study()
    prior = earlier_study(spec)
    rate = {"low": 0.01, "high": 1.0, "log": True}
    other = little_study(
        learner={"name": "column_kernel", "head": "descent"}, space={"inner_lr": rate}
    )
    both = little_study(
        learner={},
        space={
            "learner": {
                "choices": {
                    "fomaml": {"inner_lr": rate},
                    "column_kernel": {"width": {"choices": [8, 16]}},
                }
            }
        },
    )

    assert warm_start_for(other, prior).suggest(1) == []
    assert set(warm_start_for(both, prior).suggest(1)[0]) >= {"fomaml.inner_lr"}


def test_a_finished_study_speaks_to_later_ones(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """Its file holds its trials by learner and field, what was fixed, and its tables in numbers."""
    study = study_of(little_study(search={"trials": 6}))
    study.work()

    path = write_prior(study.study, load_spec(study.study), study.data)

    assert path == prior_file_of("little")
    source = json.loads(path.read_text())["sources"][0]
    names = {parameter["name"] for parameter in source["parameters"]}
    assert names >= {"learner", "fomaml.inner_lr", "fomaml.width", "fomaml.columns"}
    assert source["meta_features"]["log10 rows"] > 2
    assert source["trials"] == 6


def test_a_study_of_few_trials_writes_nothing(
    little_study: Make, study_of: Callable[[StudySpec], Any]
) -> None:
    """Two trials say nothing."""
    study = study_of(little_study(search={"trials": 2}))
    study.work()

    assert write_prior(study.study, study.spec, study.data) is None
    assert not prior_file_of("little").exists()
