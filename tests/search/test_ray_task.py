"""What runs on a node of a Ray cluster; no cluster is needed for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autometa.config import StudySpec
from autometa.errors import UserError
from autometa.search import RayCluster, WorkerReport, _ray_task
from autometa.search._ray_cluster import ADDRESS_VARIABLE
from autometa.search._ray_task import work_in_task
from autometa.storages import trials_done


def test_task_works_on_the_study_and_logs_into_its_run_folder(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    tmp_path: Path,
) -> None:
    """It uses up the budget, says nothing, and leaves what it did in a log of its own."""
    study = study_of(little_study(search={"trials": 1}))

    said = work_in_task(study.spec.storage, "little", run_folder=str(tmp_path / "run"), worker=3)

    assert said == ""
    assert trials_done(study.study) == 1
    log = (tmp_path / "run" / "logs" / "worker-3.log").read_text().splitlines()
    assert "INFO trial 0 complete: " in log[0]
    assert log[-1].endswith("INFO ended after 1 trials: budget")


def test_error_of_a_task_comes_back_as_its_sentence(tmp_path: Path) -> None:
    """No exception is pickled; the log has the sentence too."""
    url = f"journal:{tmp_path}/none.journal"

    said = work_in_task(url, "little", run_folder=str(tmp_path / "run"), worker=0)

    assert said.startswith(f"there is no storage at {tmp_path}/none.journal; ")
    assert said in (tmp_path / "run" / "logs" / "worker-0.log").read_text()


def test_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A node without the driver's folders says so in one sentence."""
    (tmp_path / "file").touch()

    said = work_in_task("journal:/x.journal", "little", run_folder=f"{tmp_path}/file", worker=0)

    assert said.startswith(f"{tmp_path}/file must be a folder that can be written to, but: ")


def test_cancelled_task_sets_the_stop_of_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray cancels by SIGINT, which raises nothing; the handler of before is put back."""
    before = signal.getsignal(signal.SIGINT)

    def worker(*_arguments: Any, stop: Any, **_options: Any) -> WorkerReport:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        return WorkerReport(0, "stopped")

    monkeypatch.setattr(_ray_task, "run_worker", worker)

    assert work_in_task("journal:/x.journal", "s", run_folder=str(tmp_path), worker=0) == ""
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("own", "used"),
    [
        ("postgresql://ann:hush@db/studies", "postgresql://ann:hush@db/studies"),
        ("postgresql://ann:hush@other/studies", "postgresql://ann@db/studies"),
        ("", "postgresql://ann@db/studies"),
    ],
)
def test_password_is_that_of_the_nodes_environment(
    own: str, used: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument has none; where the environment names the same database, its URL is used."""
    opened: list[str] = []

    def worker(url: str, *_arguments: Any, **_options: Any) -> WorkerReport:
        opened.append(url)
        return WorkerReport(0, "budget")

    monkeypatch.setattr(_ray_task, "run_worker", worker)
    monkeypatch.setenv("AUTOMETA_STORAGE", own)

    work_in_task("postgresql://ann@db/studies", "s", run_folder=str(tmp_path), worker=0)

    assert opened == [used]


def test_cluster_is_that_of_the_option_the_environment_or_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray's own variable is honoured."""
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    assert RayCluster().place == "local"
    monkeypatch.setenv(ADDRESS_VARIABLE, "head:6379")
    assert RayCluster().place == "head:6379"
    assert RayCluster("auto").place == "auto"


def test_address_of_a_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client outside of the cluster has no storage in common with it by itself."""
    monkeypatch.setattr("autometa.search._ray_cluster.find_spec", lambda _name: object())

    with pytest.raises(UserError, match=r"HOST:PORT, auto or local; got ray://head:10001: "):
        RayCluster("ray://head:10001").check("journal:/x.journal")
