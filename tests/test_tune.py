from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

import autometa.tune
from autometa.config import StudySpec
from autometa.errors import RunError, StoppedError, UserError
from autometa.evaluation import ScoreSheet, score_learner
from autometa.search import StudyData, _finalists
from autometa.storages import load_study, open_storage, trials_done

workflow = sys.modules["autometa.tune"]
tune, Event = workflow.tune, workflow.Event


@pytest.fixture
def little_study(little_study: Callable[..., StudySpec]) -> Callable[..., StudySpec]:
    """Makes the little studies with one fresh seed of each finalist, unless a test has more."""

    def make(**sections: Any) -> StudySpec:
        return little_study(**sections | {"search": {"confirm": 1} | sections.get("search", {})})

    return make


def study_of(spec: StudySpec) -> optuna.Study:
    """Returns the study of a specification."""
    return load_study(open_storage(spec.storage), spec.name)


def files_of(folder: Path) -> dict[str, bytes]:
    """Returns the contents of a folder's files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_tune_searches_confirms_tests_and_exports(little_study: Callable[..., StudySpec]) -> None:
    """The whole workflow gives an export with a test score, and tells its stages in order."""
    spec = little_study()
    events: list[Any] = []

    result = tune(spec, on_event=events.append)

    stages = list(dict.fromkeys(event.stage for event in events))
    searched = ["tables", "study", "baselines", "search", "confirm"]
    assert stages == [*searched, "test", "export", "report"]
    assert result.role == "test"
    assert result.folder == Path("results/runs/little/export")
    assert {"autometa", "logistic_regression"} <= set(result.sheet.methods())
    provenance = result.export.provenance
    assert (provenance["test_reads"], provenance["trial"]) == (1, result.trial)
    assert provenance["budget"]["trials"] == 3
    study = study_of(spec)
    assert trials_done(study) == 3
    assert study.user_attrs["autometa:winner"]["trial"] == result.trial
    searching = [event for event in events if event.stage == "search"]
    assert searching[-1].done == searching[-1].total == 3
    assert 0 < searching[-1].seconds_left <= 400


@pytest.mark.parametrize(
    "learner", [{"name": "fomaml"}, {"name": "column_kernel", "head": "descent"}]
)
def test_export_holds_exactly_the_weights_that_were_scored(
    learner: dict[str, str], little_study: Callable[..., StudySpec]
) -> None:
    """Scoring the export again gives the log-losses of its sheet, on every role of it."""
    spec = little_study(learner=learner, search={"trials": 1, "finalists": 1, "confirm": 1})
    result = tune(spec)
    data = StudyData.load(spec)
    exported = result.export.learner().double()
    sheet = result.export.sheet()

    for role, tasks in (("test", data.test_tasks()), ("validation", data.confirm_tasks())):
        again = score_learner(exported, tasks, method="autometa", dtype=torch.float64).frame
        stored = sheet.select(role=role, methods=["autometa"]).frame
        keys = ["table", "setting", "shot", "episode"]
        joined = stored.merge(again, on=keys, suffixes=("", "_again"))
        assert len(joined) == len(stored) == len(again) > 0
        np.testing.assert_allclose(joined["log_loss"], joined["log_loss_again"], atol=1e-6, rtol=0)


def test_second_run_changes_nothing(
    little_study: Callable[..., StudySpec],
    steps: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same command again trains nothing, does not read the test tables, writes nothing."""
    spec = little_study()
    first = tune(spec)
    before = files_of(first.folder)
    trials = study_of(spec).get_trials()
    steps.clear()
    monkeypatch.setattr(StudyData, "test_tasks", lambda _: pytest.fail("read the test tables"))

    second = tune(spec)

    assert steps == []
    assert files_of(second.folder) == before
    assert study_of(spec).get_trials() == trials
    assert study_of(spec).user_attrs["autometa:test_reads"] == [
        first.export.provenance["weights_of"]
    ]
    assert second.trial == first.trial
    assert second.sheet.frame.equals(first.sheet.frame)


def test_second_run_confirms_the_same_finalists_with_less_time_left(
    little_study: Callable[..., StudySpec], steps: list[int]
) -> None:
    """The number of finalists is decided once, or a repeated command would test another winner."""
    spec = little_study(search={"trials": 4, "pruner": "none", "confirm": 2})
    first = tune(spec)
    study = study_of(spec)
    study.set_user_attr("autometa:spent:elsewhere", 1e6)
    steps.clear()

    messages: list[str] = []
    second = tune(spec, on_event=lambda event: messages.append(event.message))

    assert steps == []
    assert second.trial == first.trial
    assert "finalists: 2, fresh seeds of each: 2" in messages


def test_raised_trials_continue_the_study(
    little_study: Callable[..., StudySpec], steps: list[int]
) -> None:
    """Trials of the first run stay; the result is that of one run with all the trials."""
    search = {"pruner": "none", "finalists": 1, "confirm": 1}
    tune(little_study(search=search | {"trials": 2}))
    done = len(steps)
    raised = little_study(search=search | {"trials": 4})

    resumed = tune(raised)

    at_once = tune(little_study(name="at-once", search=search | {"trials": 4}))
    pairs = [[(t.params, t.value) for t in study_of(raised).trials]]
    pairs.append([(t.params, t.value) for t in study_of(little_study(name="at-once")).trials])
    assert done == 3 * 16
    assert trials_done(study_of(raised)) == 4
    assert pairs[0] == pairs[1]
    assert resumed.trial == at_once.trial
    weights = [
        (result.folder / "weights.safetensors").read_bytes() for result in (resumed, at_once)
    ]
    assert weights[0] == weights[1]
    reads = study_of(raised).user_attrs["autometa:test_reads"]
    assert resumed.export.provenance["test_reads"] == len(reads) <= 2


def test_changed_space_is_refused_before_anything_is_made(
    little_study: Callable[..., StudySpec],
) -> None:
    """The refusal names each difference; no trial and no file is made."""
    tune(little_study(search={"trials": 1, "finalists": 1, "confirm": 1}))
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    changed = little_study(space={"width": {"choices": [8, 16, 32]}}, search={"trials": 9})

    with pytest.raises(UserError, match="started with other settings") as caught:
        tune(changed)

    assert "space[0].parameter" in str(caught.value)
    assert {p: p.stat().st_mtime_ns for p in Path().rglob("*") if p.is_file()} == before


_UNDISTURBED: dict[str, bytes] = {}
"""Files of the export of a study that was not stopped; made by the first test that needs them."""


@pytest.mark.parametrize("stage", ["baselines", "search", "confirm"])
def test_stopped_command_goes_on_where_it_was(
    stage: str,
    little_study: Callable[..., StudySpec],
    steps: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped in any stage, the same command ends with the export of an undisturbed one."""
    if stage == "baselines":
        monkeypatch.setenv("AUTOMETA_CACHE", str(tmp_path / "cold"))
    spec = little_study()
    stop = threading.Event()
    monkeypatch.setattr(workflow, "_TICK_SECONDS", 0.01)

    def on_event(event: Any) -> None:
        if event.stage == stage and (stage == "baselines" or event.done >= 1):
            stop.set()

    with pytest.raises(StoppedError, match="run the same command to go on"):
        tune(spec, stop=stop, on_event=on_event)
    if stage == "baselines":
        assert steps == []
    states = {trial.state.name for trial in study_of(spec).trials}
    assert "RUNNING" not in states
    result = tune(spec)

    if not _UNDISTURBED:
        _UNDISTURBED.update(files_of(tune(little_study(name="undisturbed")).folder))
    for name in ("weights.safetensors", "scores.parquet"):
        assert files_of(result.folder)[name] == _UNDISTURBED[name]
    assert result.export.provenance["test_reads"] == 1


def test_seconds_are_for_the_whole_command(
    little_study: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fifth is kept: the search ends at four fifths, inside a trial, and an export follows."""
    spec = little_study(search={"trials": 10_000, "seconds": 4, "finalists": 1, "confirm": 1})
    tune(little_study(name="warm", search={"trials": 1, "finalists": 1, "confirm": 1}))
    searched: list[float] = []
    started = time.monotonic()

    def on_event(event: Any) -> None:
        if event.stage == "search":
            searched.append(time.monotonic() - started)

    result = tune(spec, on_event=on_event)

    assert 2.4 < max(searched) < 3.7
    study = study_of(spec)
    assert 1 <= trials_done(study) < 10_000
    assert "RUNNING" not in {trial.state.name for trial in study.trials}
    assert result.export.provenance["budget"]["seconds"] >= 3


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_changed_clock_does_not_change_the_budget(
    jump: float, little_study: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is set during the search neither ends it nor lets it go on for ever."""
    seconds = 400 if jump > 0 else 4
    trials = 3 if jump > 0 else 10_000
    spec = little_study(search={"trials": trials, "seconds": seconds, "finalists": 1, "confirm": 1})
    tune(little_study(name="warm", search={"trials": 1, "finalists": 1, "confirm": 1}))
    honest, shift = time.time, [0.0]
    monkeypatch.setattr("autometa.search._watch._RENEW_SECONDS", 0.0)
    monkeypatch.setattr(workflow, "_TICK_SECONDS", 0.05)
    monkeypatch.setattr(time, "time", lambda: honest() + shift[0])

    def on_event(event: Any) -> None:
        if event.stage == "search" and event.progress and event.progress.running:
            shift[0] = jump

    stop = threading.Event()
    guard = threading.Timer(30, stop.set)
    guard.start()
    tune(spec, on_event=on_event, stop=stop)
    guard.cancel()

    assert shift == [jump]
    if jump > 0:
        assert trials_done(study_of(spec)) == 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The study's seconds, which only a test moves on."""
    seconds = [0.0]
    ledger = workflow.SpentSeconds
    monkeypatch.setattr(
        workflow, "SpentSeconds", lambda study, since: ledger(study, clock=lambda: seconds[0])
    )
    return seconds


def test_baselines_of_every_role_are_paid_before_the_search(
    little_study: Callable[..., StudySpec], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test tables' baselines cost is neither searched away nor given to finalists."""
    costs = {("validation", 0): 10.0, ("validation", 0x5EED): 20.0, ("test", 0): 300.0}
    score, afford = StudyData.baselines, _finalists.affordable
    offered: list[float] = []

    def baselines(data: StudyData, tasks: Any, **options: Any) -> ScoreSheet:
        clock[0] += costs.pop((tasks[0].role, tasks[0].seed), 0.0)
        return score(data, tasks, **options)

    def affordable(*arguments: Any, seconds: float, **options: Any) -> tuple[int, int]:
        offered.append(seconds)
        count, seeds = afford(*arguments, seconds=seconds, **options)
        return count, seeds

    monkeypatch.setattr(StudyData, "baselines", baselines)
    monkeypatch.setattr(_finalists, "affordable", affordable)
    events: list[Any] = []

    tune(little_study(search={"seconds": 500}), on_event=events.append)

    left = {event.seconds_left for event in events if event.stage == "search"}
    assert left == {0.8 * 500 - 330}
    assert offered == [500 - 330]
    scored = [(event.done, event.total) for event in events if event.stage == "baselines"]
    assert scored[0][1] == scored[-1][0] == 3 * 2
    assert scored == sorted(scored)


def test_baselines_that_take_all_the_time_leave_none_for_the_search(
    little_study: Callable[..., StudySpec], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trial is begun that the seconds do not allow, and the remedy is named."""
    score = StudyData.baselines

    def baselines(data: StudyData, tasks: Any, **options: Any) -> ScoreSheet:
        clock[0] += 450.0 if tasks[0].role == "test" else 0.0
        return score(data, tasks, **options)

    monkeypatch.setattr(StudyData, "baselines", baselines)
    spec = little_study(search={"seconds": 500})

    with pytest.raises(RunError, match=r"give it more time \(search.seconds\)"):
        tune(spec)

    assert trials_done(study_of(spec)) == 0


def test_search_without_time_says_so(little_study: Callable[..., StudySpec]) -> None:
    """Where the baselines took all the time, the remedy is named."""
    with pytest.raises(RunError, match=r"no finished trial; give it more time \(search.seconds\)"):
        tune(little_study(search={"seconds": 1e-6}))


def test_study_without_test_tables_quotes_the_confirmation(
    little_study: Callable[..., StudySpec],
) -> None:
    """The card says "not tested", and the result names the role of its scores."""
    spec = little_study(tables={"test": []}, search={"trials": 1, "finalists": 1, "confirm": 1})

    result = tune(spec)

    assert result.role == "validation"
    assert result.export.provenance["test_reads"] == 0
    assert "not tested" in (result.folder / "card.md").read_text().lower()


def test_interrupted_test_is_one_reading(
    little_study: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that dies while the test tables are scored has read them; with the same weights."""
    spec = little_study()
    with monkeypatch.context() as patch:
        patch.setattr("autometa.study_export.write_export", _die)
        with pytest.raises(KeyboardInterrupt):
            tune(spec)

    result = tune(spec)

    assert result.export.provenance["test_reads"] == 1
    assert len(study_of(spec).user_attrs["autometa:test_reads"]) == 1


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_error_of_a_display_is_raised_in_the_end(
    little_study: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in ``on_event`` is not swallowed with its thread."""

    def on_event(event: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError

    monkeypatch.setattr(workflow, "_TICK_SECONDS", 0.01)

    with pytest.raises(ZeroDivisionError):
        tune(little_study(), on_event=on_event)


def test_two_commands_at_once_share_the_budget(little_study: Callable[..., StudySpec]) -> None:
    """Two parents on one study do its trials once, and both end with the same export."""
    spec = little_study(search={"trials": 4, "pruner": "none"})
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(tune(spec))
        except BaseException as error:
            ended.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert [getattr(result, "study", result) for result in ended] == ["little", "little"]
    study = study_of(spec)
    assert trials_done(study) == 4
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert len({trial.params["inner_lr"] for trial in study.trials}) == 4
    assert ended[0].export.provenance["weights_of"] == ended[1].export.provenance["weights_of"]
    assert len(study.user_attrs["autometa:test_reads"]) == 1


def test_a_mapping_is_a_specification_too(little_study: Callable[..., StudySpec]) -> None:
    """``autometa.tune`` takes a study file's content and refuses impossible workers."""
    content: dict[str, Any] = json.loads(little_study().model_dump_json())
    content["search"] |= {"trials": 1, "finalists": 1, "confirm": 1}

    assert autometa.tune(content).study == "little"
    with pytest.raises(UserError, match="workers must be at least 1; got 0"):
        autometa.tune(content, workers=0)


def test_sheet_is_of_one_role_and_its_value_can_be_computed(
    little_study: Callable[..., StudySpec],
) -> None:
    """The quoted score is computed from the result's sheet alone."""
    result = tune(little_study(search={"trials": 1, "finalists": 1, "confirm": 1}))

    assert isinstance(result.sheet, ScoreSheet)
    assert set(result.sheet.frame["role"]) == {"test"}
    assert np.isfinite(result.sheet.value("autometa"))
