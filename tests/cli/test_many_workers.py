"""``autometa tune`` with several workers on a server, while workers and the server fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import optuna
    from postgres_cluster import Cluster

    from autometa.config import StudySpec

pytestmark = pytest.mark.slow

_CONFIGURATIONS = 12
_SETTINGS = [
    f"search.trials={_CONFIGURATIONS}",
    "search.pruner=none",
    "search.seconds=500",
    "training.outer_steps=160",
    "training.rungs=[20, 40, 80, 160]",
]


@pytest.fixture
def queued(
    study_file: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], tuple[StudySpec, optuna.Study]]]:
    """Makes the tiny study in a storage, with twelve configurations that wait in its queue."""
    from autometa.config import read_spec
    from autometa.search import StudyData, prepare_study
    from autometa.storages import close_storage

    monkeypatch.setenv("AUTOMETA_CACHE", environment["AUTOMETA_CACHE"])
    made: list[optuna.Study] = []

    def make(url: str) -> tuple[StudySpec, optuna.Study]:
        spec = read_spec(study_file, [*_SETTINGS, f"storage={url}"])
        study, _ = prepare_study(spec, StudyData.load(spec))  # queues the default too
        for number in range(1, _CONFIGURATIONS):
            rate = 0.1 + 0.07 * number
            study.enqueue_trial({"inner_lr": rate, "inner_steps": 1 + number % 2})
        made.append(study)
        return spec, study

    yield make
    for study in made:
        close_storage(study._storage)


def _results(study: optuna.Study) -> dict[str, tuple[Any, ...]]:
    """Values and rungs of the complete trials, by their parameters."""
    found = [
        (str(sorted(trial.params.items())), (trial.value, trial.intermediate_values))
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name == "COMPLETE"
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


_AT_WORK = """
select value_json from trials join trial_user_attributes attribute using (trial_id)
where state = 'RUNNING' and key = 'autometa:worker' and exists (
  select 1 from trial_intermediate_values report where report.trial_id = attribute.trial_id
)
"""


def _pids_at_work(cluster: Cluster, url: str) -> set[int]:
    """The workers that have reported a rung of a trial that is still running.

    One statement: reading all trials through Optuna takes longer than the trials do.
    """
    return {json.loads(str(stamp))["pid"] for (stamp,) in cluster.execute(_AT_WORK, url=url)}


def test_restarted_server_and_killed_workers_change_no_value(
    queued: Callable[[str], tuple[StudySpec, optuna.Study]],
    study_file: Path,
    environment: dict[str, str],
    postgres_cluster: Cluster,
) -> None:
    """Three of four workers are killed and the server restarts; twelve values are bit-equal."""
    from autometa.search import run_folder_of, run_worker

    spec, undisturbed = queued(postgres_cluster.new_storage())
    run_worker(spec.storage, spec.name, run_folder=run_folder_of("undisturbed"))
    url = postgres_cluster.new_storage()
    _, study = queued(url)
    command = [sys.executable, "-m", "autometa", "tune", study_file.name, "--workers", "4"]
    killed: set[int] = set()

    with subprocess.Popen(
        [*command, *(word for setting in _SETTINGS for word in ("--set", setting))],
        cwd=study_file.parent,
        env=environment | {"AUTOMETA_STORAGE": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while process.poll() is None and len(killed) < 3:
            for pid in sorted(_pids_at_work(postgres_cluster, url) - killed)[:1]:
                # Stopped first, so that it cannot finish its trial between the look and the kill.
                os.kill(pid, signal.SIGSTOP)
                if pid not in _pids_at_work(postgres_cluster, url):
                    os.kill(pid, signal.SIGCONT)
                    continue
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.02)
        assert process.poll() is None
        # While the last of them is reaped, and others take their places.
        postgres_cluster.restart()
        output = process.communicate(timeout=400)[0]

    assert process.returncode == 0, output
    assert len(killed) == 3
    assert len(_results(undisturbed)) == _CONFIGURATIONS
    assert _results(study) == _results(undisturbed)
    lost = [
        trial.user_attrs["autometa:reason"]
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name != "COMPLETE"
    ]
    # One more where the restart came between asking for a trial and marking it as one's own.
    assert set(lost) == {"worker died"}
    assert 3 <= len(lost) <= 5
    assert output.count("was killed (code -9); starting another") == 3
