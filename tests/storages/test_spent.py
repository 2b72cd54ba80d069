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
    with SpentSeconds(study, clock=clock, time_of_day=clock):
        clock.seconds += 30
    clock.seconds += 500
    second = SpentSeconds(study, clock=clock, time_of_day=clock)
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
    """Each run has attributes of its own, also when both hold their own handle."""
    clock = Clock()
    other = load_study(opened(url), "toy")
    runs = [SpentSeconds(handle, clock=clock) for handle in (study, other)]
    clock.seconds += 7
    for run in runs:
        run.close()
        run.close()

    keys = [key for key in study.user_attrs if key.startswith("autometa:spent:")]
    assert len(keys) == 2
    assert runs[0].run_id != runs[1].run_id


def test_seconds_of_runs_at_one_time_count_once(
    url: str, study: optuna.Study, opened: Callable[[str], BaseStorage]
) -> None:
    """The study's seconds are those during which any run was at work, for each run to see."""
    clock = Clock()
    other = load_study(opened(url), "toy")
    first = SpentSeconds(study, clock=clock, time_of_day=clock)
    clock.seconds += 10
    second = SpentSeconds(other, clock=clock, time_of_day=clock, since=clock.seconds - 3)
    clock.seconds += 20
    first.close()
    clock.seconds += 5
    second.close()
    clock.seconds += 100
    third = SpentSeconds(study, clock=clock, time_of_day=clock)
    clock.seconds += 1
    third.close()

    assert spent_seconds(study) == 10 + 20 + 5 + 1
    assert [run.total() for run in (second, third)] == [136, 36]


def test_runs_without_a_beginning_are_added(study: optuna.Study) -> None:
    """Seconds of which nothing but their number was written overlap with no other run."""
    clock = Clock()
    for name, seconds in (("a", 20), ("b", 30.5)):
        study.set_user_attr(f"autometa:spent:{name}", seconds)
    run = SpentSeconds(study, clock=clock, time_of_day=clock)
    clock.seconds += 4

    assert run.total() == 54.5
    run.close()
    assert spent_seconds(study) == 54.5


def test_changed_clock_does_not_stretch_a_run(study: optuna.Study) -> None:
    """The time of day says when a run began, and nothing of how long it took."""
    steady, day = Clock(), Clock()
    with SpentSeconds(study, clock=steady, time_of_day=day):
        steady.seconds += 6
        day.seconds += 3600
    with SpentSeconds(study, clock=steady, time_of_day=day):
        steady.seconds += 2

    assert spent_seconds(study) == 8
