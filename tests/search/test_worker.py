from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autometa.config import StudySpec
from autometa.errors import RunError
from autometa.evaluation import ScoreSheet, _baseline_cache
from autometa.learners import OuterLoop
from autometa.search import PEAK_MIB, Objective, _objective, finalists, set_deadline
from autometa.search._checkpoints import Checkpoints
from autometa.storages import REASON, RETRY_OF, trials_done

_URLS = ["journal:studies.journal", "sqlite:///studies.db"]


def reasons(study: Any) -> list[str]:
    """The reasons of the failed trials."""
    return [trial.user_attrs[REASON] for trial in study.trials if trial.state.name == "FAIL"]


@pytest.mark.parametrize("url", _URLS, ids=["journal", "sqlite"])
def test_same_seed_gives_identical_trials_at_once_or_in_pieces(
    url: str, little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """Proposals, values, intermediate values and states repeat, also when trials are raised."""
    once = study_of(little_study(search={"trials": 5}))
    once.work()

    pieces = little_study(name="pieces", storage=url, search={"trials": 2})
    study_of(pieces).work()
    pieces = pieces.model_copy(update={"search": pieces.search.model_copy(update={"trials": 5})})
    resumed = study_of(pieces)
    report = resumed.work()

    assert report.finished == 3
    assert report.reason == "budget"
    assert once.results() == resumed.results()
    assert len(once.results()) == 5


def test_a_worker_that_is_stopped_while_baselines_are_scored_asks_for_no_trial(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """With a cold cache they take minutes: no trial runs meanwhile, and a signal ends them."""
    monkeypatch.setenv("AUTOMETA_CACHE", str(tmp_path / "cold"))
    study = study_of(little_study(search={"trials": 2}))
    stop = threading.Event()
    scored: list[str] = []
    score = _baseline_cache._score

    def stopping(data: Any, names: Any) -> Any:
        scored.append("a task")
        stop.set()
        return score(data, names)

    monkeypatch.setattr(_baseline_cache, "_score", stopping)
    stopped = study.work(stop=stop)
    states = [trial.state.name for trial in study.trials]
    monkeypatch.setattr(_baseline_cache, "_score", score)

    assert (stopped.reason, stopped.finished, len(scored)) == ("stopped", 0, 1)
    assert states == ["WAITING"]
    assert study.work().reason == "budget"


def test_scoring_a_rung_is_watched_like_an_outer_step(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stop that comes while a rung is scored ends the worker before the next batch."""
    study = study_of(little_study(search={"trials": 2, "pruner": "none"}))
    stop = threading.Event()
    score = _objective.score_learner

    def stopping(*arguments: Any, **options: Any) -> Any:
        stop.set()
        return score(*arguments, **options)

    monkeypatch.setattr(_objective, "score_learner", stopping)
    report = study.work(stop=stop)

    assert report.reason == "stopped"
    assert reasons(study) == ["interrupted"]
    assert study.trials[0].intermediate_values == {}


def test_pruned_trials_end_at_a_rung_and_leave_no_checkpoint(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """Rungs and memory are told of every trial; only completed ones keep their weights."""
    study = study_of(little_study(search={"trials": 6}))

    study.work()

    states = {trial.state.name: trial for trial in study.trials}
    assert set(states) == {"COMPLETE", "PRUNED"}
    assert list(states["COMPLETE"].intermediate_values) == [2, 4, 8, 16]
    assert all(trial.user_attrs[PEAK_MIB] > 0 for trial in study.trials)
    pruned_at = list(states["PRUNED"].intermediate_values)
    assert pruned_at == [2, 4, 8][: len(pruned_at)]
    assert len(study.steps) == sum(trial.last_step for trial in study.trials)
    complete = sum(trial.state.name == "COMPLETE" for trial in study.trials)
    assert len(study.checkpoints()) == complete
    for folder in study.checkpoints():
        assert sorted(path.name for path in folder.iterdir()) == [
            "progress.json",
            "rung-00000016.safetensors",
        ]


def test_without_pruner_every_trial_completes(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """``pruner: none`` runs every trial to the last rung."""
    study = study_of(little_study(search={"trials": 4, "pruner": "none"}))

    study.work()

    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}


def test_checkpoint_of_a_completed_twin_survives_a_pruned_trial(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """A pruned trial with the parameters of a completed one leaves its weights alone."""
    study = study_of(little_study(search={"trials": 5, "pruner": "none"}))
    study.work()
    worst = min(study.trials, key=lambda trial: trial.value)
    kept = study.checkpoints()
    study.study.enqueue_trial(worst.params)
    pruner = {"trials": 6, "pruner": "none"}
    again = study_of(little_study(search=pruner))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optuna.pruners.NopPruner.prune", lambda *_: True)
        again.work()

    assert again.trials[5].state.name == "PRUNED"
    assert again.checkpoints() == kept


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_value_that_is_not_finite_fails_the_trial_and_the_search_goes_on(
    value: float,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The failed trial has a reason, counts, is never the best, and leaves no checkpoint."""
    study = study_of(little_study(search={"trials": 3}))
    honest, calls = ScoreSheet.value, []

    def value_of(sheet: ScoreSheet, *arguments: Any, **options: Any) -> float:
        calls.append(1)
        return value if len(calls) == 2 else honest(sheet, *arguments, **options)

    monkeypatch.setattr(ScoreSheet, "value", value_of)
    report = study.work()

    assert report.finished == 3
    first, *others = study.trials
    assert first.state.name == "FAIL"
    assert first.user_attrs[REASON] == f"NonFiniteValueError: the score at outer step 4 is {value}"
    assert first.user_attrs[PEAK_MIB] > 0
    assert len(others) == 2
    assert first.number not in [trial.number for trial in finalists(study.study, count=3)]
    assert len(study.checkpoints()) == sum(trial.state.name == "COMPLETE" for trial in others)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "CandidateFailedError: .* got MemoryError: narrow"),
        (RuntimeError("not enough memory\nat line 1"), "got RuntimeError: not enough memory: narr"),
        (torch.OutOfMemoryError("CUDA out of memory"), "OutOfMemoryError: CUDA out of memory"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (torch.linalg.LinAlgError("singular"), "LinAlgError: singular"),
    ],
)
def test_failures_of_a_candidate_fail_its_trial_alone(
    error: Exception,
    reason: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exhausted memory and failed arithmetic end one trial with a one-line reason."""
    import re

    study = study_of(little_study(search={"trials": 1}))

    def fail(_loop: OuterLoop) -> None:
        raise error

    monkeypatch.setattr(OuterLoop, "_train_step", fail)
    report = study.work()

    assert report.reason == "budget"
    (found,) = reasons(study)
    assert re.search(reason, found)
    assert "\n" not in found


def test_search_in_which_every_trial_fails_names_the_top_reason(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Failures use up the budget, so that the search ends; the error tells the commonest one."""
    study = study_of(little_study(search={"trials": 3}))
    values = iter([float("nan")] * 2)

    def value_of(*_arguments: Any, **_options: Any) -> float:
        try:
            return next(values)
        except StopIteration:
            raise MemoryError from None

    monkeypatch.setattr(ScoreSheet, "value", value_of)
    study.work()

    with pytest.raises(RunError, match="no finished trial; 3 failed, most often: NonFiniteValue"):
        finalists(study.study, count=1)


def test_trial_that_takes_too_long_is_given_up_within_a_step(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """``seconds_per_trial`` holds inside a trial, whose reason does not depend on the clock."""
    study = study_of(little_study(search={"trials": 2, "seconds_per_trial": 1e-6}))

    study.work()

    assert study.steps == [0, 0]
    assert len(set(reasons(study))) == 1
    assert "search.seconds_per_trial = 1e-06 s" in reasons(study)[0]
    assert study.checkpoints() == []


def test_deadline_stops_inside_a_trial_that_is_finished_later(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The trial at the deadline is queued again, and the study goes on as if undisturbed."""
    undisturbed = study_of(little_study(name="undisturbed", search={"trials": 4}))
    undisturbed.work()
    study = study_of(little_study(search={"trials": 4}))
    set_deadline(study.study, seconds=1000)
    clock = [0.0]
    monkeypatch.setattr("autometa.search._watch.time.time", lambda: clock[0])
    on_step = study.steps
    while_trial_1 = 16 + 5

    class Steps(list[int]):
        def append(self, step: int) -> None:
            super().append(step)
            if len(self) == while_trial_1:
                clock[0] = float("inf")

    study.steps = Steps(on_step)
    report = study.work()
    assert report.reason == "time"
    assert trials_done(study.study) == 1
    clock[0] = 0.0
    study.steps = []

    report = study.work()

    assert report.reason == "budget"
    assert study.steps[0] == 4
    assert study.results() == undisturbed.results()
    retries = [t.user_attrs[RETRY_OF] for t in study.trials if RETRY_OF in t.user_attrs]
    assert retries == [1]


def test_stop_ends_within_a_step_and_nothing_is_lost(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """A stop flag requeues the running trial; stopped again and again, the result is the same."""
    undisturbed = study_of(little_study(name="undisturbed", search={"trials": 4}))
    undisturbed.work()
    study = study_of(little_study(search={"trials": 4}))
    rounds = 0

    while True:
        stop = threading.Event()

        class Steps(list[int]):
            def append(self, step: int) -> None:
                super().append(step)
                if len(self) == 9:
                    stop.set()  # noqa: B023 - the worker of this round asks it

        study.steps = Steps()
        if study.work(stop=stop).reason == "budget":
            break
        assert len(study.steps) == 9
        rounds += 1

    assert rounds >= 3
    assert study.results() == undisturbed.results()
    assert trials_done(study.study) == 4


def test_error_of_the_program_gives_the_trial_back_a_few_times(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that nobody foresaw is raised, and treated as the death of the trial's worker."""
    study = study_of(little_study(search={"trials": 2}))
    monkeypatch.setattr(Objective, "_summary", lambda *_: {}["missing"])

    for _ in range(3):
        with pytest.raises(KeyError, match="missing"):
            study.work()
    monkeypatch.undo()
    monkeypatch.chdir(study.spec.storage.removeprefix("journal:").rpartition("/")[0])
    study.work()

    assert reasons(study)[:2] == ["worker died", "worker died"]
    assert trials_done(study.study) == 2
    assert not [trial for trial in study.trials if trial.state.name in ("RUNNING", "WAITING")]


def test_ctrl_c_in_a_notebook_gives_the_trial_back(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process lives on, so no reaper would find the trial; it is queued at once."""
    study = study_of(little_study(search={"trials": 1}))
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            study.work()

    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    study.work()
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_storage_failure_is_not_the_trials_fault(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A storage error ends the worker with its cause, and the trial is run again."""
    study = study_of(little_study(search={"trials": 1}))

    def full(*_arguments: object, **_options: object) -> None:
        raise RunError("the journal cannot be used (no space left)")

    with monkeypatch.context() as patch:
        patch.setattr("optuna.Trial.report", full)
        with pytest.raises(RunError, match="no space left"):
            study.work()
    study.work()

    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    assert reasons(study) == ["worker died"]


def test_result_of_a_worker_that_was_taken_for_dead_is_dropped(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A late worker warns and goes on; its trial's parameters count once."""
    study = study_of(little_study(search={"trials": 2}))

    class Steps(list[int]):
        def append(self, step: int) -> None:
            super().append(step)
            if len(self) == 5:
                _lose(study.study)

    study.steps = Steps()
    report = study.work()

    assert report.finished == 2
    assert "trial 0 was taken over meanwhile" in caplog.text
    assert trials_done(study.study) == 2
    assert [trial.user_attrs.get(RETRY_OF) for trial in study.trials] == [None, 0, None]


def _lose(study: Any) -> None:
    """Does what a reaper on another host does to a worker that was silent for too long."""
    from autometa.storages import fail_and_requeue

    fail_and_requeue(study, study.trials[0], reason="worker died")


def test_worker_refuses_tables_that_have_changed(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """A worker that finds other tables than the study was started with does no trial."""
    study = study_of(little_study())
    other = study_of(
        little_study(
            name="other", tables={"validation": [{"source": "sklearn", "names": ["digits"]}]}
        )
    )

    with pytest.raises(RunError, match="different here: validation: digits, validation: wine"):
        study.work(data=other.data)

    assert trials_done(study.study) == 0
