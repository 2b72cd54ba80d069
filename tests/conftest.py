"""What every test stands on: fixed seeds, own caches, one thread. The order is random."""

from __future__ import annotations

import os
import signal

# Before anything imports torch, which reads it once: two test processes share two cores.
os.environ["OMP_NUM_THREADS"] = "1"

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from postgres_cluster import Cluster

    from autometa.config import StudySpec


# A shell that starts the tests in the background lets them, and every process they start, ignore
# SIGINT; tests that interrupt a process need what a terminal gives.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Gives each test the same seeds and a cache of its own, and hides the user's storage."""
    random.seed(0)
    if "numpy" in sys.modules:
        # The legacy generator, because libraries under test may still draw from it.
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    monkeypatch.setenv("AUTOMETA_CACHE", str(tmp_path / "cache"))
    storage = ("AUTOMETA_STORAGE", "AUTOMETA_STORAGE_PASSWORD_FILE", "PGPASSWORD", "PGPASSFILE")
    for variable in storage:
        monkeypatch.delenv(variable, raising=False)
    for variable in ("OFFLINE", "OPENML_DEADLINE"):
        # Set, so that what a command puts there is taken back.
        monkeypatch.setenv(f"AUTOMETA_{variable}", "")
    # A port that nobody listens on: no test asks the real server, even from another process.
    monkeypatch.setenv("AUTOMETA_OPENML_SERVER", "http://127.0.0.1:9/api/v1/xml")
    monkeypatch.delenv("OPENML_API_KEY", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for this process's tests; skips them where there is none."""
    from postgres_cluster import NoClusterError, running_cluster

    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(running_cluster())
        except NoClusterError as error:
            pytest.skip(str(error))
        yield cluster


@pytest.fixture(scope="session")
def study_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encoded tables and baseline scores of the little studies, shared by all test processes."""
    root = tmp_path_factory.getbasetemp()
    return (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "study-cache"


@pytest.fixture
def little_study(
    study_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _isolated: None
) -> Callable[..., StudySpec]:
    """Makes specifications of studies of a second or two, and works in the test's own folder.

    Sections given by name replace the keys that they hold, as in ``search={"trials": 3}``.
    """
    import optuna

    from autometa.config import spec_from_dict

    monkeypatch.setenv("AUTOMETA_CACHE", str(study_cache))
    monkeypatch.chdir(tmp_path)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def make(**sections: Any) -> StudySpec:
        study: dict[str, Any] = {
            "name": "little",
            "tables": {
                "train": [{"source": "synthetic", "count": 20}],
                "validation": [{"source": "sklearn", "names": ["wine"]}],
                "test": [{"source": "sklearn", "names": ["iris"]}],
            },
            "episodes": {"shots": [1, 5], "per_table": 2, "queries": 5},
            "learner": {"name": "fomaml", "columns": 8, "inner_steps": 2},
            "space": {
                "inner_lr": {"low": 0.01, "high": 1.0, "log": True},
                "width": {"choices": [8, 16]},
            },
            "training": {
                "outer_steps": 16,
                "rungs": [2, 4, 8, 16],
                "meta_batch": 2,
                "device": "cpu",
            },
            "search": {"trials": 3, "seconds": 500, "confirm": 2, "finalists": 2},
            "storage": f"journal:{tmp_path}/studies.journal",
        }
        for name, section in sections.items():
            replaces = not isinstance(section, dict) or name in ("space", "learner")
            study[name] = section if replaces else study[name] | section
        return spec_from_dict(study)

    return make


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The outer steps that were trained in this process."""
    from autometa.learners import OuterLoop

    trained: list[int] = []
    train_step = OuterLoop._train_step

    def counted(loop: OuterLoop) -> None:
        trained.append(loop.step)
        train_step(loop)

    monkeypatch.setattr(OuterLoop, "_train_step", counted)
    return trained
