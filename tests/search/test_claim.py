"""Workers that ask for the last trial of a budget at one moment."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from autometa.config import StudySpec

# One process holds the server that these tests fork from, which costs seconds to start.
pytestmark = pytest.mark.xdist_group("forkserver")

_WORKERS = 3
_CLAIM = """
from autometa.search import _worker
from autometa.storages import load_study, open_storage

def gather(place, seconds):
    Path(f"{place}-{os.getpid()}").touch()
    deadline = time.monotonic() + seconds
    while len(list(Path().glob(f"{place}-*"))) < workers and time.monotonic() < deadline:
        time.sleep(0.002)

build_sampler = _worker.build_sampler

def build_sampler_when_all_have_counted(*arguments, **options):
    # Called after the trials are counted and before one is asked for. Whoever has the lock waits
    # here in vain; without a lock all of them would meet, each with a free trial in its count.
    gather("counted", 1)
    return build_sampler(*arguments, **options)

_worker.build_sampler = build_sampler_when_all_have_counted
study = load_study(open_storage(url, create=False), name)
spec = search.load_spec(study)
gather("ready", 60)
trial = _worker._claim(study, spec, worker=index)
if trial is not None:
    Path(f"claimed-{os.getpid()}").touch()
"""


def test_last_trial_is_claimed_by_one_worker_alone(
    url: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
) -> None:
    """Between a worker's counting and its asking no other worker counts the same free trial."""
    study = study_of(little_study(storage=url, search={"trials": 1}))

    processes = [
        spawn(study.spec, _CLAIM, workers=_WORKERS, index=index) for index in range(_WORKERS)
    ]
    for process in processes:
        process.join(90)

    assert [process.exitcode for process in processes] == [0] * _WORKERS
    assert len(list(Path().glob("ready-*"))) == _WORKERS
    assert len(list(Path().glob("claimed-*"))) == 1
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]
