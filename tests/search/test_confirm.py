from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from autometa.config import StudySpec
from autometa.errors import RunError, StoppedError
from autometa.evaluation import ScoreSheet
from autometa.search import Confirmed, StudyData, _confirm, confirm, fresh_seed

_FINALISTS = [(3, {"inner_lr": 0.2, "width": 8}), (1, {"inner_lr": 0.05, "width": 8})]


@pytest.fixture
def confirmed(
    little_study: Callable[..., StudySpec], tmp_path: Path
) -> Callable[..., list[Confirmed]]:
    """Confirms two finalists with two fresh seeds each."""
    spec = little_study()
    data = StudyData.load(spec)

    def run(**options: Any) -> list[Confirmed]:
        settings: dict[str, Any] = {"run_folder": tmp_path / "run", "workers": 1}
        return confirm(spec, data, _FINALISTS, **(settings | options))

    return run


def test_fresh_seeds_are_not_those_of_any_search() -> None:
    """Studies with small seeds, their own included, share no seed with the confirmations."""
    seeds = {fresh_seed(study, index) for study in range(20) for index in range(20)}

    assert len(seeds) == 400
    assert seeds.isdisjoint(range(1000))
    assert max(seeds) < 2**31


def test_every_finalist_runs_with_every_seed_in_order(
    confirmed: Callable[..., list[Confirmed]],
) -> None:
    """Results follow finalists and seeds, differ between seeds, and report progress."""
    progress: list[tuple[int, int]] = []

    runs = confirmed(on_progress=lambda done, total: progress.append((done, total)))

    assert [(run.trial, run.seed_index) for run in runs] == [(3, 0), (3, 1), (1, 0), (1, 1)]
    assert len({run.value for run in runs}) == 4
    assert progress == [(done, 4) for done in (1, 2, 3, 4)]


def test_weights_and_scores_are_kept_as_they_were_scored(
    confirmed: Callable[..., list[Confirmed]], little_study: Callable[..., StudySpec]
) -> None:
    """The kept weights give the kept value; the confirm episodes are not the search's."""
    from autometa.evaluation import score_learner

    data = StudyData.load(little_study())
    run = confirmed()[0]

    again = score_learner(run.learner(), data.confirm_tasks(), method="autometa")
    sheet = ScoreSheet.concat([data.baselines(data.confirm_tasks()), again])
    assert sheet.value("autometa") == pytest.approx(run.value, rel=1e-5)
    assert list(run.sheet().frame["log_loss"]) == list(again.frame["log_loss"])
    search_rows = [e.support_rows_S.tolist() for t in data.search_tasks() for e in t.episodes]
    confirm_rows = [e.support_rows_S.tolist() for t in data.confirm_tasks() for e in t.episodes]
    assert not [rows for rows in confirm_rows if rows in search_rows]


def test_runs_that_are_done_are_used_again_after_an_interruption(
    confirmed: Callable[..., list[Confirmed]], steps: list[int], tmp_path: Path
) -> None:
    """A stop keeps what is done; going on gives what an undisturbed confirmation gives."""
    undisturbed = confirmed(run_folder=tmp_path / "undisturbed")
    steps.clear()
    stop = threading.Event()

    with pytest.raises(StoppedError, match="run the same command to go on"):
        confirmed(stop=stop, on_progress=lambda done, _: done == 2 and stop.set())
    interrupted = len(steps)
    runs = confirmed()

    assert interrupted == 2 * 16 + 1
    assert len(steps) == interrupted + 2 * 16
    assert [run.value for run in runs] == [run.value for run in undisturbed]
    steps.clear()
    assert [run.value for run in confirmed()] == [run.value for run in runs]
    assert steps == []


def test_fewer_seeds_may_be_asked_for(confirmed: Callable[..., list[Confirmed]]) -> None:
    """Where time is short, each finalist is trained with the first of the seeds."""
    runs = confirmed(seeds=1)

    assert [(run.trial, run.seed_index) for run in runs] == [(3, 0), (1, 0)]
    assert runs == [run for run in confirmed() if run.seed_index == 0]


def _empty(folder: Path) -> None:
    (folder / "result.json").write_bytes(b"")


def _lose_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def _cut_scores(folder: Path) -> None:
    path = folder / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("damage", [_empty, _lose_weights, _cut_scores])
def test_damaged_run_is_done_again(
    damage: Callable[[Path], None], confirmed: Callable[..., list[Confirmed]], steps: list[int]
) -> None:
    """A power cut in the middle costs one run, and the folder is whole again."""
    first = confirmed()
    damage(first[1].folder)
    steps.clear()

    again = confirmed()

    assert [run.value for run in again] == [run.value for run in first]
    assert len(steps) == 16
    assert again[1].learner() is not None
    assert len(again[1].sheet().frame) == len(first[0].sheet().frame)


def test_processes_give_the_same_bits_as_one(
    confirmed: Callable[..., list[Confirmed]], tmp_path: Path
) -> None:
    """Two workers give the values, weights and scores of one, whatever its threads."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        alone = confirmed(run_folder=tmp_path / "alone")
    finally:
        torch.set_num_threads(before)

    together = confirmed(run_folder=tmp_path / "together", workers=2)

    for one, two in zip(alone, together, strict=True):
        assert (one.trial, one.seed_index, one.value) == (two.trial, two.seed_index, two.value)
        for name in ("weights.safetensors", "scores.parquet"):
            assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()


@pytest.mark.xdist_group("forkserver")
def test_stopped_and_killed_confirmations_leave_no_process_and_go_on(
    little_study: Callable[..., StudySpec],
    spawn: Callable[..., BaseProcess],
    steps: list[int],
    tmp_path: Path,
) -> None:
    """Children of a command that is killed -9 end by themselves, idle ones too."""
    spec = little_study()
    code = """
        from autometa.config import spec_from_dict
        spec = spec_from_dict(study_file)
        def note(done, total):
            import multiprocessing
            pids = [str(child.pid) for child in multiprocessing.active_children()]
            open(folder + "/children.tmp", "w").write(" ".join(pids))
            os.replace(folder + "/children.tmp", folder + "/children")
            time.sleep(60)
        search.confirm(spec, search.StudyData.load(spec), finalists,
            run_folder=Path(folder) / "run", workers=2, on_progress=note)
        """
    command = spawn(spec, code, study_file=spec.model_dump(mode="json"), finalists=_FINALISTS)
    path = tmp_path / "children"
    deadline = time.monotonic() + 90
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    children = [int(pid) for pid in path.read_text().split()]
    assert len(children) == 2

    command.kill()
    command.join(60)
    while any(map(_runs, children)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not any(map(_runs, children))
    done = len(list((tmp_path / "run" / "confirm").glob("*/result.json")))
    runs = confirm(spec, StudyData.load(spec), _FINALISTS, run_folder=tmp_path / "run", workers=1)
    assert done >= 1
    assert len(runs) == 4
    assert len(steps) == (4 - done) * 16


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_finalist_whose_training_fails_is_left_out(
    confirmed: Callable[..., list[Confirmed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other finalists are confirmed; where none is, the first reason is told."""
    honest = ScoreSheet.value
    calls: list[int] = []

    def value_of(sheet: ScoreSheet, *arguments: Any, **options: Any) -> float:
        calls.append(1)
        # The finalists take turns, seed by seed.
        return float("nan") if len(calls) in {1, 3} else honest(sheet, *arguments, **options)

    monkeypatch.setattr(ScoreSheet, "value", value_of)
    runs = confirmed()
    monkeypatch.setattr(ScoreSheet, "value", lambda *_, **__: float("nan"))

    assert [run.trial for run in runs] == [1, 1]
    assert len(confirmed()) == 2
    monkeypatch.setattr("autometa.search._confirm._known_value", lambda _: None)
    with pytest.raises(RunError, match="no finalist could be confirmed: the score at outer step"):
        confirmed()


def test_full_disk_is_told_and_leaves_nothing(
    confirmed: Callable[..., list[Confirmed]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that cannot be kept fails with the cause, without temporary files."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autometa.search._confirm.write_file", full)

    with pytest.raises(RunError, match=r"No space left on device.*free space"):
        confirmed()

    assert list((tmp_path / "run" / "confirm").iterdir()) == []


def test_another_command_may_confirm_the_same_run_first(
    confirmed: Callable[..., list[Confirmed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands on one study keep one result of each run."""
    first = confirmed()
    known_value, rmtree, calls = _confirm._known_value, shutil.rmtree, []

    def not_yet(folder: Path) -> float | None:
        calls.append(folder)
        return None if len(calls) == 1 else known_value(folder)

    def drafts_only(path: Path, **options: Any) -> None:
        if path.name.startswith(".confirm-"):
            rmtree(path, **options)

    monkeypatch.setattr(_confirm, "_known_value", not_yet)
    monkeypatch.setattr(_confirm.shutil, "rmtree", drafts_only)

    again = confirmed()

    assert [run.value for run in again] == [run.value for run in first]
    assert len(calls) == 5
    assert len(list(first[0].folder.parent.iterdir())) == 4


def test_a_child_that_dies_is_told_in_one_sentence(
    confirmed: Callable[..., list[Confirmed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool whose process was killed ends with a RunError, or as stopped where it was a signal."""
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    class Pool:
        def __init__(self, *_: object, **__: object) -> None: ...

        def submit(self, *_: object) -> Future[Confirmed]:
            future: Future[Confirmed] = Future()
            future.set_exception(BrokenProcessPool("a process died"))
            return future

        def shutdown(self, **_: object) -> None: ...

    monkeypatch.setattr("autometa.search._confirm.ProcessPoolExecutor", Pool)

    with pytest.raises(RunError, match="one of them died"):
        confirmed(workers=2)


def test_result_files_name_trial_and_hashes(confirmed: Callable[..., list[Confirmed]]) -> None:
    """``result.json`` says what was confirmed, and what the files beside it must be."""
    run = confirmed()[0]

    result = json.loads((run.folder / "result.json").read_text())

    assert (result["trial"], result["value"]) == (run.trial, run.value)
    assert sorted(result["sha256"]) == ["scores.parquet", "weights.safetensors"]
