"""A trial's value is a function of the study's seed and the parameters alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

import autometa
from autometa.config import StudySpec
from autometa.search import Objective, candidate_config
from autometa.search._checkpoints import Checkpoints

_PARAMS = {"inner_lr": 0.2, "width": 8}


class Stopped(BaseException):
    """Ends a training as a signal or a lost worker does."""


def run(objective: Objective, params: dict[str, Any] = _PARAMS) -> tuple[float, dict[int, float]]:
    """Returns value and intermediate values of one set of parameters, in a study of its own."""
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(params)
    trial = study.ask()
    value = objective(trial)
    return value, study.trials[0].intermediate_values


@pytest.fixture(scope="module")
def known() -> dict[str, tuple[float, dict[int, float]]]:
    """What an undisturbed training gives; computed by the first test that asks."""
    return {}


@pytest.fixture
def undisturbed(
    known: dict[str, tuple[float, dict[int, float]]], little_study: Callable[..., StudySpec]
) -> tuple[float, dict[int, float]]:
    """Value and intermediate values of an undisturbed training without checkpoints."""
    if not known:
        known["little"] = run(Objective(little_study()))
    return known["little"]


def test_value_does_not_depend_on_the_trials_before(
    little_study: Callable[..., StudySpec], tmp_path: Path
) -> None:
    """The same parameters give the same bits, first or after others, with checkpoints or not."""
    spec = little_study()
    fresh = run(Objective(spec))
    busy = Objective(spec, run_folder=tmp_path)
    run(busy, {"inner_lr": 0.9, "width": 16})
    run(busy, {"inner_lr": 0.01, "width": 8})

    assert run(busy) == fresh
    assert sorted(fresh[1]) == [2, 4, 8, 16]
    assert fresh[0] == fresh[1][16]


def test_value_does_not_depend_on_threads(little_study: Callable[..., StudySpec]) -> None:
    """Training uses one thread wherever it runs, and gives the others back."""
    before = torch.get_num_threads()
    seen = []

    try:
        torch.set_num_threads(2)
        value = run(
            Objective(little_study(), on_step=lambda _: seen.append(torch.get_num_threads()))
        )
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)

    assert set(seen) == {1}
    assert after == 2
    assert value == run(Objective(little_study()))


@pytest.mark.parametrize("interrupted_after", [1, 2, 3, 5, 8, 11, 16])
def test_training_goes_on_from_its_last_rung_without_a_trace(
    interrupted_after: int,
    little_study: Callable[..., StudySpec],
    tmp_path: Path,
    steps: list[int],
    undisturbed: tuple[float, dict[int, float]],
) -> None:
    """Interrupted at any step, the values are the same bits, and earlier rungs are not redone."""
    spec = little_study()

    def stop(step: int) -> None:
        if step == interrupted_after:
            raise Stopped

    with pytest.raises(Stopped):
        run(Objective(spec, run_folder=tmp_path, on_step=stop))
    steps.clear()
    resumed = run(Objective(spec, run_folder=tmp_path))

    assert resumed == undisturbed
    last_rung = max((rung for rung in (0, 2, 4, 8) if rung < interrupted_after), default=0)
    assert steps == list(range(last_rung, 16))


def test_finished_training_is_scored_again_without_training(
    little_study: Callable[..., StudySpec], tmp_path: Path, steps: list[int]
) -> None:
    """A worker killed between the last rung and telling costs no training."""
    objective = Objective(little_study(), run_folder=tmp_path)
    first = run(objective)
    steps.clear()

    assert run(objective) == first
    assert steps == []


def _cut(folder: Path) -> None:
    path = next(folder.glob("rung-*"))
    path.write_bytes(path.read_bytes()[:-100])


def _flip(folder: Path) -> None:
    path = next(folder.glob("rung-*"))
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")  # behind the header of safetensors
    path.write_bytes(content[:start] + bytes(byte ^ 0x41 for byte in content[start:]))


def _zero(folder: Path) -> None:
    (folder / "progress.json").write_bytes(b"\0" * 40)


def _lose_tensors(folder: Path) -> None:
    next(folder.glob("rung-*")).unlink()


def _lose_a_rung(folder: Path) -> None:
    path = folder / "progress.json"
    progress = json.loads(path.read_text())
    del progress["values"]["4"]
    path.write_text(json.dumps(progress))


def _not_finite(folder: Path) -> None:
    path = folder / "progress.json"
    progress = json.loads(path.read_text())
    progress["values"]["4"] = float("nan")
    path.write_text(json.dumps(progress))


def _be_a_list(folder: Path) -> None:
    (folder / "progress.json").write_text("[1, 2]")


@pytest.mark.parametrize(
    "damage", [_cut, _flip, _zero, _lose_tensors, _lose_a_rung, _not_finite, _be_a_list]
)
def test_damaged_checkpoint_is_trained_again(
    damage: Callable[[Path], None], little_study: Callable[..., StudySpec], tmp_path: Path
) -> None:
    """Whatever a checkpoint lost, the value is that of an undisturbed training."""
    objective = Objective(little_study(), run_folder=tmp_path)
    undisturbed = run(objective)
    damage(next((tmp_path / "checkpoints").iterdir()))

    assert run(objective) == undisturbed


def test_checkpoint_of_another_version_is_trained_again(
    little_study: Callable[..., StudySpec], tmp_path: Path
) -> None:
    """Tensors under names that the learner does not have are not used."""
    objective = Objective(little_study(), run_folder=tmp_path)
    undisturbed = run(objective)
    checkpoint = Checkpoints(next((tmp_path / "checkpoints").iterdir()))
    checkpoint.load()
    checkpoint.save(16, 0.5, {"weight/of_old": torch.zeros(3)})

    assert run(objective) == undisturbed


@pytest.mark.parametrize(
    "changes",
    [
        {"search": {"seed": 1}},
        {"episodes": {"per_table": 3}},
        {"training": {"outer_lr": 1e-3}},
        {"tables": {"train": [{"source": "synthetic", "count": 21}]}},
        {"tables": {"validation": [{"source": "sklearn", "names": ["digits"]}]}},
    ],
)
def test_checkpoint_of_another_study_is_not_used(
    changes: dict[str, Any], little_study: Callable[..., StudySpec], tmp_path: Path
) -> None:
    """Whatever changes a value changes the checkpoint's folder, the tables' contents too."""
    folders = set()
    for spec in (little_study(), little_study(**changes)):
        objective = Objective(spec, run_folder=tmp_path)
        checkpoints = objective.checkpoints_of(candidate_config(spec, _PARAMS))
        assert checkpoints is not None
        folders.add(checkpoints.folder)

    assert len(folders) == 2


def test_full_disk_costs_the_checkpoint_and_nothing_else(
    little_study: Callable[..., StudySpec], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint that cannot be written is warned of, and the trial goes on."""
    spec = little_study()
    (tmp_path / "checkpoints").write_text("in the way")

    value = run(Objective(spec, run_folder=tmp_path))

    assert value == run(Objective(spec))
    assert "cannot be kept" in caplog.text


def test_further_checkpoint_of_the_same_configuration_is_kept(tmp_path: Path) -> None:
    """Of two workers on one configuration, the one behind does not undo the other's state."""
    ahead, behind = Checkpoints(tmp_path / "c"), Checkpoints(tmp_path / "c")
    for step in (2, 4):
        ahead.save(step, step / 10, {"x": torch.full((2,), float(step))})

    behind.save(2, 0.2, {"x": torch.zeros(2)})

    found = Checkpoints(tmp_path / "c")
    loaded = found.load((2, 4, 8))
    assert loaded is not None
    assert loaded["x"].tolist() == [4, 4]
    assert found.values == {2: 0.2, 4: 0.4}
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_objective_serves_a_study_of_ones_own(little_study: Callable[..., StudySpec]) -> None:
    """``autometa.objective`` takes a study file's content and works with ``optimize``."""
    spec = little_study().model_dump(mode="json")
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))

    study.optimize(autometa.objective(spec), n_trials=1)

    trial = study.best_trial
    assert trial.value == trial.intermediate_values[16]
    assert set(trial.user_attrs["autometa:accuracy"]) == {"unlabelled/K=1", "unlabelled/K=5"}
    assert "autometa:worker" in trial.user_attrs
