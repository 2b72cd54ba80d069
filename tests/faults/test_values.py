"""Trials without a value: how a search ends, and what a command says of it."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from autometa.config import StudySpec
from autometa.errors import RunError
from autometa.learners import OuterLoop
from autometa.search import finalists
from autometa.search._memory import own_mib
from autometa.storages import REASON, trials_done

Run = Callable[..., Any]


def _diverge(monkeypatch: pytest.MonkeyPatch, *, width: int, step: int) -> None:
    """Lets the losses of learners of a width be NaN from an outer step on."""
    train_step = OuterLoop._train_step

    def diverging(loop: OuterLoop) -> None:
        outer_loss = loop.learner.outer_loss
        if loop.learner.config.width == width and loop.step >= step:
            loop.learner.outer_loss = lambda batch: outer_loss(batch) * torch.nan  # type: ignore[method-assign]
        train_step(loop)

    monkeypatch.setattr(OuterLoop, "_train_step", diverging)


def test_trials_whose_training_diverges_end_early(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reason tells the step; the others complete, and one of them is the best."""
    spec = little_study(
        search={"trials": 4, "pruner": "none"},
        space={"inner_lr": {"low": 0.01, "high": 1.0}, "width": {"choices": [8, 16]}},
        training={"outer_steps": 64, "rungs": [64]},
    )
    study = study_of(spec)
    _diverge(monkeypatch, width=16, step=3)

    study.work()

    lost = [trial for trial in study.trials if trial.params["width"] == 16]
    others = [trial for trial in study.trials if trial.params["width"] == 8]
    assert lost
    assert others
    assert {trial.user_attrs[REASON] for trial in lost} == {
        "DivergedError: meta-training diverged: 21 of 24 outer steps gave a loss or gradient that "
        "is not finite; lower inner_lr, inner_steps or outer_lr"
    }
    assert {trial.state.name for trial in others} == {"COMPLETE"}
    assert trials_done(study.study) == 4
    assert finalists(study.study, count=1)[0].number in [trial.number for trial in others]
    assert len(study.checkpoints()) == len(others)


@pytest.mark.slow
def test_command_whose_every_trial_fails_says_why(
    run: Run,
    study_file: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line with the number of failures and the commonest reason; there is no export."""
    monkeypatch.setenv("AUTOMETA_CACHE", environment["AUTOMETA_CACHE"])

    def fail(_loop: OuterLoop) -> None:
        raise MemoryError

    monkeypatch.setattr(OuterLoop, "_train_step", fail)

    tuned = run("tune", study_file.name)
    exported = run("export", "tiny", "-o", "out")
    shown = run("show", "tiny")

    last = tuned.err.splitlines()[-1]
    assert tuned.code == 1
    assert re.match(r"autometa: .*no finished trial; 2 failed, most often: CandidateFailed", last)
    assert "Traceback" not in tuned.err
    assert (exported.code, exported.err) == (1, last + "\n")
    assert (shown.code, "CandidateFailed" in shown.out) == (0, True)
    assert not Path("out").exists()


needs_limit = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="Linux alone limits the memory of a process"
)


@needs_limit
def test_trial_that_needs_too_much_memory_fails_alone(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    tmp_path: Path,
) -> None:
    """The kernel refuses the memory; the worker says why, and goes on with the other trials."""
    spec = little_study(search={"trials": 4, "pruner": "none"})
    study = study_of(spec)
    worker = spawn(
        spec,
        """
        import torch
        from autometa.learners import OuterLoop
        from autometa.search import _worker
        from autometa.search._memory import own_mib
        train_step = OuterLoop._train_step
        limit = _worker.memory_limit

        def hungry(loop):
            if loop.learner.config.width == 16:
                [torch.ones(16, 1 << 18) for _ in range(100)]  # 16 MiB each
            train_step(loop)

        def with_little_room(_mib):
            return limit(int(own_mib()) + 400)

        OuterLoop._train_step = hungry
        _worker.memory_limit = with_little_room
        work()
        peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
        Path(folder, "peak").write_text(peak[0].split()[1])
        torch.ones(600 << 18)  # the limit is that of a trial
        """,
    )
    worker.join(120)

    assert worker.exitcode == 0
    lost = [trial for trial in study.trials if trial.params["width"] == 16]
    others = [trial for trial in study.trials if trial.params["width"] == 8]
    assert lost
    assert all(
        re.fullmatch(
            r"TrialOverMemoryError: a worker may have search.memory_mib = \d+ MiB, and this trial "
            "needs more; raise it or narrow the space",
            trial.user_attrs[REASON],
        )
        for trial in lost
    )
    assert {trial.state.name for trial in others} == {"COMPLETE"}
    assert trials_done(study.study) == 4
    assert int((tmp_path / "peak").read_text()) / 1024 < 1200


@needs_limit
def test_limit_without_room_for_any_trial_is_told(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """The worker ends with one sentence before it trains; no trial is charged for it."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    assert own_mib() > 20
    study = study_of(little_study(search={"trials": 1, "memory_mib": 20}))

    with pytest.raises(
        RunError, match=r"memory_mib = 20 must leave room .* has \d+ MiB .*raise it"
    ):
        study.work()

    assert study.steps == []
    assert trials_done(study.study) == 0
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
