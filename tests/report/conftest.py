"""A finished study, made once and copied into the folder of each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from earlier_study import earlier_study

from autometa.config import StudySpec
from autometa.report import Evidence, gather
from autometa.search import prior_file_of
from autometa.storages import load_study, open_storage
from autometa.study_result import TuneResult
from autometa.tune import tune


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that keeps the study as it was made."""
    return tmp_path_factory.mktemp("nine")


@pytest.fixture(scope="module")
def made() -> list[TuneResult]:
    """The end of the study, once it is made."""
    return []


@pytest.fixture
def result(
    made: list[TuneResult],
    shelf: Path,
    little_study: Callable[..., StudySpec],
    tmp_path: Path,
) -> TuneResult:
    """The end of a study of nine trials that began with a past one."""
    spec = little_study(
        name="nine",
        tables={"validation": [{"source": "sklearn", "names": ["wine", "breast_cancer"]}]},
        search={"trials": 9, "pruner": "none"},
    )
    if made:
        # Its paths are relative to the current folder, which is the test's own.
        shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    else:
        earlier_study(spec).save(prior_file_of("earlier"))
        made.append(tune(spec))
        shutil.copytree(tmp_path, shelf, dirs_exist_ok=True)
    return made[0]


@pytest.fixture
def study(result: TuneResult, tmp_path: Path) -> optuna.Study:
    """The finished study in its storage."""
    return load_study(open_storage(f"journal:{tmp_path}/studies.journal"), result.study)


@pytest.fixture
def evidence(study: optuna.Study) -> Evidence:
    """What is known of the finished study."""
    return gather(study)
