from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.storages import BaseStorage

from autometa.storages import SpentSeconds, load_study, spent_seconds


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


def test_runs_add_up(study: optuna.Study) -> None:
    """The total is that of all runs, and the present one counts up to now."""
    clock = Clock()
    with SpentSeconds(study, clock=clock):
        clock.seconds += 30
    second = SpentSeconds(study, clock=clock)
    clock.seconds += 12

    assert spent_seconds(study) == 30
    assert second.total() == 42


def test_killed_run_loses_at_most_one_interval(study: optuna.Study) -> None:
    """What was written by beat() stays when the process is gone without a word."""
    clock = Clock()
    run = SpentSeconds(study, every_seconds=5, clock=clock)
    written = []
    for _ in range(13):
        clock.seconds += 1
        written.append(run.beat())

    assert [number for number, did in enumerate(written, 1) if did] == [5, 10]
    assert spent_seconds(study) == 10
    assert run.total() == 13


def test_two_runs_at_once_do_not_overwrite_each_other(
    url: str, study: optuna.Study, opened: Callable[[str], BaseStorage]
) -> None:
    """Each run has an attribute of its own, also when both hold their own handle."""
    clock = Clock()
    other = load_study(opened(url), "toy")
    runs = [SpentSeconds(study, clock=clock), SpentSeconds(other, clock=clock)]
    clock.seconds += 7
    for run in runs:
        run.close()
        run.close()

    assert spent_seconds(study) == 14
    assert runs[0].run_id != runs[1].run_id
    assert [run.total() for run in runs] == [14, 14]
