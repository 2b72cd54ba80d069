"""``autometa worker``: one more process for a study."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

pytestmark = pytest.mark.slow


def _raise_budget(trials: int) -> None:
    """Lets the study of the working folder have more trials, as a second `tune` would do."""
    import time

    from autometa.search import set_deadline
    from autometa.storages import load_study, open_storage

    study = load_study(open_storage("journal:results/runs/studies.journal"), "tiny")
    spec = study.user_attrs["autometa:spec"]
    spec["search"]["trials"] = trials
    study.set_user_attr("autometa:spec", spec)
    set_deadline(study, seconds=60.0)
    assert study.user_attrs["autometa:deadline"] > time.time()


def test_a_worker_without_work_ends_at_once(in_finished: Run) -> None:
    """A study whose trials are used up needs no worker: exit code 0."""
    result = in_finished("worker", "tiny")

    assert result.code == 0
    assert result.err.splitlines()[-1].startswith("worker 0 ended after 0 trials: ")


def test_a_worker_does_the_trials_that_are_left(in_finished: Run) -> None:
    """Each of its trials is a line with its parameters; the storage comes from the environment."""
    _raise_budget(3)

    result = in_finished("worker", "tiny", "--index", "1")

    assert result.code == 0
    lines = result.err.splitlines()
    assert lines[0].startswith("trial 2 ")
    assert "inner_lr" in lines[0]
    assert lines[-1] == "worker 1 ended after 1 trials: the study's trials are used up"
    assert json.loads(in_finished("show", "tiny", "--json").out)["done"] == 3


def test_sigterm_ends_a_worker_and_frees_its_trial(
    in_finished: Run, environment: dict[str, str]
) -> None:
    """The running trial is told as interrupted and waits for another worker."""
    _raise_budget(10_000)
    with subprocess.Popen(
        [sys.executable, "-m", "autometa", "worker", "tiny"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()

        process.send_signal(signal.SIGTERM)
        err = process.stderr.read()

    assert first.startswith("trial 2 ")
    assert process.returncode == 143
    assert err.splitlines()[-1].startswith("autometa: worker 0 stopped after ")
    shown = json.loads(in_finished("show", "tiny", "--json").out)
    assert "RUNNING" not in shown["states"]
    # It may have come between two trials; else the interrupted one waits.
    interrupted = [t for t in shown["trials"] if t["reason"] == "interrupted"]
    assert len(interrupted) == shown["states"].get("WAITING", 0)


def test_an_unknown_study_is_refused(in_finished: Run) -> None:
    """The message lists the studies that there are."""
    result = in_finished("worker", "tyni")

    assert result.code == 2
    assert "known studies: tiny" in result.err
    assert not Path("results/runs/tyni").exists()
