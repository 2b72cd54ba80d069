"""Real kill -9 at chosen lines, and several commands at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from autometa.config import StudySpec
from autometa.storages import REASON, RETRY_OF, trials_done

# One process holds the server that these tests fork from, which costs seconds to start.
pytestmark = pytest.mark.xdist_group("forkserver")

_URLS = ["journal:studies.journal", "sqlite:///studies.db"]


# Where a worker dies, in its second trial: the code that arranges it, the outer steps that the
# trial's next worker trains first, and whether the parameters are known.
_LINES = {
    "before the first rung is kept": (
        "kill_at(search._checkpoints.Checkpoints, 'save', lambda _, step, *__: step == 2)",
        0,
    ),
    "between tensors and progress": (
        "kill_at(search._checkpoints, 'write_file', lambda path, _: "
        "path.name == 'progress.json' and (path.parent / 'rung-00000004.safetensors').exists())",
        2,
    ),
    "between keeping and reporting a rung": (
        "kill_at(optuna.Trial, 'report', lambda _, __, step: step == 8)",
        8,
    ),
    "between the last rung and telling": (
        "kill_at(optuna.Study, 'tell', lambda *_, **__: True)",
        16,
    ),
}


_UNDISTURBED: list[dict[str, Any]] = []
"""Results of the same study without a kill; computed by the first test that needs them."""


@pytest.mark.parametrize(
    ("line", "url"),
    [*((line, _URLS[0]) for line in _LINES), ("between keeping and reporting a rung", _URLS[1])],
)
def test_killed_trial_goes_on_from_its_last_rung(
    line: str,
    url: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
) -> None:
    """The orphan is reaped, resumed, and the study ends as if nobody had been killed."""
    search = {"trials": 3, "pruner": "none"}
    code, first_step = _LINES[line]
    if not _UNDISTURBED:
        undisturbed = study_of(little_study(name="undisturbed", search=search))
        undisturbed.work()
        _UNDISTURBED.extend(undisturbed.results())
    study = study_of(little_study(storage=url, search=search))

    worker = spawn(study.spec, f"{code}\nwork(on_trial=told.append)\n")
    worker.join(60)
    before = [trial.state.name for trial in study.trials]
    report = study.work()

    assert worker.exitcode == -signal.SIGKILL
    assert before == ["COMPLETE", "RUNNING"]
    assert report.finished == 2
    assert trials_done(study.study) == 3
    assert study.results() == _UNDISTURBED
    assert study.steps == [*range(first_step, 16), *range(16)]
    lost, retry = study.trials[1:3]
    assert lost.user_attrs[REASON] == "worker died"
    assert retry.user_attrs[RETRY_OF] == 1
    assert retry.params == lost.params


@pytest.mark.parametrize(
    "line",
    ["search._worker.stamp_trial = die", "search._worker._clean_up = die"],
    ids=["between asking and stamping", "between telling and cleaning up"],
)
def test_worker_killed_around_a_trial_leaves_nothing_behind(
    line: str,
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trial without a stamp is reaped by its age; a leftover checkpoint is swept."""
    study = study_of(little_study(search={"trials": 2}))
    monkeypatch.setattr("autometa.storages._reaper._STAMP_GRACE_SECONDS", 0.0)

    worker = spawn(
        study.spec,
        f"""
        search._samplers._HalvingPruner.prune = lambda *_: True
        {line}
        work()
        """,
    )
    worker.join(60)
    before = [trial.state.name for trial in study.trials]
    left = len(study.checkpoints())
    study.work()

    assert worker.exitcode == -signal.SIGKILL
    assert (before, left) == ((["PRUNED"], 1) if "clean_up" in line else (["RUNNING"], 0))
    assert trials_done(study.study) == 2
    assert not [trial for trial in study.trials if trial.state.name in ("RUNNING", "WAITING")]
    assert len(study.checkpoints()) == sum(t.state.name == "COMPLETE" for t in study.trials)
    # The first trial is the learner's default, which a lost ask must not lose.
    assert any(trial.params == {"inner_lr": 1.0, "width": 16} for trial in study.trials)


def test_parameters_that_kill_every_worker_are_given_up(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
) -> None:
    """After three deaths the parameters count as failed, and the search goes on."""
    study = study_of(little_study(search={"trials": 2}))
    for _ in range(3):
        worker = spawn(study.spec, "search._objective.build_learner = die\nwork()")
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL

    study.work()

    assert [t.user_attrs.get(REASON) for t in study.trials[:3]] == [
        "worker died",
        "worker died",
        "poisoned",
    ]
    assert trials_done(study.study) == 2


def test_storm_of_kills_loses_no_finished_trial(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    tmp_path: Path,
) -> None:
    """Workers that die again and again at random moments acknowledge what the study keeps."""
    study = study_of(little_study(search={"trials": 5, "pruner": "none"}))
    acknowledged = tmp_path / "acknowledged"
    code = """
        def acknowledge(trial):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(descriptor, f"{trial.number} {trial.value!r}\\n".encode())
            os.fsync(descriptor)

        threading.Timer(delay, die).start()
        work(worker=index, on_trial=acknowledge)
        """
    for delay in (0.5, 0.8):
        workers = [
            spawn(study.spec, code, index=i, path=str(acknowledged), delay=delay + i / 9)
            for i in range(2)
        ]
        for worker in workers:
            worker.join(60)

    study.work()

    kept = {str(trial.number): repr(trial.value) for trial in study.trials}
    lines = acknowledged.read_text().splitlines() if acknowledged.exists() else []
    assert all(kept[number] == value for number, value in map(str.split, lines))
    assert trials_done(study.study) == 5
    assert not [trial for trial in study.trials if trial.state.name in ("RUNNING", "WAITING")]


def test_workers_of_a_dead_command_end_and_give_their_trials_back(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker whose parent is killed -9 stops within a step, its trial queued again."""
    study = study_of(little_study(search={"trials": 1}))

    # Its parent is the fork server, so that this one has lost its parent from the start.
    worker = spawn(
        study.spec,
        """
        parent = search._watch.has_lost_parent
        calls = []
        search._watch.has_lost_parent = lambda: calls.append(1) or len(calls) > 3 and parent()
        os.environ["AUTOMETA_PARENT"] = "1"
        search._worker.has_lost_parent = lambda: len(calls) > 3 and parent()
        result = work()
        assert result.reason == "stopped", result
        """,
    )
    worker.join(60)

    assert worker.exitcode == 0
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[0].user_attrs[REASON] == "interrupted"


def test_commands_that_start_at_once_make_one_study_with_each_default_once(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    spawn: Callable[..., BaseProcess],
) -> None:
    """Of several commands on a new study, no two queue the same first trials."""
    rate = {"low": 0.01, "high": 1.0}
    branches = {name: {"inner_lr": rate} for name in ("fomaml", "maml", "anil")}
    spec = little_study(learner={}, space={"learner": {"choices": branches}})
    code = """
        from autometa.config import spec_from_dict
        spec = spec_from_dict(study_file)
        search.prepare_study(spec, search.StudyData.load(spec))
        """
    processes = [spawn(spec, code, study_file=spec.model_dump(mode="json")) for _ in range(3)]
    for process in processes:
        process.join(60)

    study = study_of(spec)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    waiting = [trial.system_attrs["fixed_params"]["learner"] for trial in study.trials]
    assert waiting == ["fomaml", "maml", "anil"]


def test_command_killed_between_its_first_trials_is_made_good(
    little_study: Callable[..., StudySpec],
    study_of: Callable[[StudySpec], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Defaults that were not queued yet are queued by the next command, the others only once."""
    import optuna

    rate = {"low": 0.01, "high": 1.0}
    branches = {name: {"inner_lr": rate} for name in ("fomaml", "maml")}
    spec = little_study(learner={}, space={"learner": {"choices": branches}})
    enqueue = optuna.Study.enqueue_trial

    def once(study: optuna.Study, params: dict[str, Any], **options: Any) -> None:
        if params["learner"] == "maml":
            raise KeyboardInterrupt
        enqueue(study, params, **options)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "enqueue_trial", once)
        with pytest.raises(KeyboardInterrupt):
            study_of(spec)
    study = study_of(spec)

    waiting = [trial.system_attrs["fixed_params"]["learner"] for trial in study.trials]
    assert waiting == ["fomaml", "maml"]
