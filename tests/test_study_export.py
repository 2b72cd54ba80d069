from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from autometa.config import StudySpec
from autometa.errors import RunError, UserError
from autometa.learners import OuterLoop
from autometa.search import StudyData, prepare_study, run_folder_of, run_worker
from autometa.study_export import export_trial


@pytest.fixture
def study(little_study: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    """A study with two completed trials and a pruned one."""
    spec = little_study()
    data = StudyData.load(spec)
    made, _ = prepare_study(spec, data)
    with monkeypatch.context() as patch:
        patch.setattr(
            "autometa.search._samplers._HalvingPruner.prune",
            lambda _pruner, _study, trial: trial.number == 2,
        )
        run_worker(spec.storage, spec.name, run_folder=run_folder_of(spec.name), data=data)
    return made


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, study: optuna.Study) -> list[int]:
    """The outer steps that are trained after the study."""
    trained: list[int] = []
    train_step = OuterLoop._train_step

    def counted(loop: OuterLoop) -> None:
        trained.append(loop.step)
        train_step(loop)

    monkeypatch.setattr(OuterLoop, "_train_step", counted)
    return trained


def test_completed_trial_is_exported_from_its_checkpoint(
    study: optuna.Study, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any completed trial can be exported, without training, and without the test tables."""
    monkeypatch.setattr(StudyData, "test_tasks", lambda _: pytest.fail("read the test tables"))

    export = export_trial(study, 1, Path("chosen"))

    assert steps == []
    assert export.provenance["trial"] == 1
    assert "test_reads" not in export.provenance
    assert set(export.sheet().frame["role"]) == {"validation"}
    assert export.sheet().value("autometa") == pytest.approx(study.trials[1].value, rel=1e-5)
    assert export.config.model_dump()["width"] == study.trials[1].params["width"]
    card = (Path("chosen") / "card.md").read_text()
    assert "not tested" in card.lower()


def test_trial_without_checkpoint_is_trained_again_to_the_same_weights(
    study: optuna.Study, steps: list[int]
) -> None:
    """On another machine, or after the run folder was removed, the export is the same."""
    import shutil

    export_trial(study, 0, Path("kept"))
    shutil.rmtree(run_folder_of("little"))

    export_trial(study, 0, Path("again"))

    assert len(steps) == 16
    for name in ("weights.safetensors", "scores.parquet"):
        assert (Path("kept") / name).read_bytes() == (Path("again") / name).read_bytes()


def test_exporting_leaves_no_checkpoint_that_a_later_trial_would_trip_over(
    study: optuna.Study, little_study: Callable[..., StudySpec]
) -> None:
    """A trial with the parameters of an export reports every rung as it would have."""
    import shutil

    shutil.rmtree(run_folder_of("little"))
    export_trial(study, 0, Path("chosen"))
    study.enqueue_trial(study.trials[0].params)
    spec = little_study(search={"trials": 4})
    prepare_study(spec, StudyData.load(spec))
    run_worker(spec.storage, spec.name, run_folder=run_folder_of("little"))

    first, twin = study.trials[0], study.trials[3]
    assert twin.params == first.params
    shared = set(twin.intermediate_values)
    assert 2 in shared
    assert {s: first.intermediate_values[s] for s in shared} == twin.intermediate_values


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (7, r"--trial must name a trial of 'little' \(0 to 2\); got 7: see `autometa show little`"),
        (-1, r"--trial must name a trial of 'little' \(0 to 2\); got -1"),
        (2, "--trial must name a completed trial; trial 2 is PRUNED: see `autometa show little`"),
    ],
)
def test_trial_that_cannot_be_exported_is_told_in_a_sentence(
    number: int, sentence: str, study: optuna.Study
) -> None:
    """Wrong numbers and unfinished trials say where to look; nothing is written."""
    with pytest.raises(UserError, match=sentence):
        export_trial(study, number, Path("chosen"))

    assert not Path("chosen").exists()


def test_study_without_trials_is_told_in_a_sentence(
    little_study: Callable[..., StudySpec],
) -> None:
    """A study whose first trial has not ended has nothing to export."""
    spec = little_study()
    made, _ = prepare_study(spec, StudyData.load(spec))

    with pytest.raises(UserError, match="trial 0 is WAITING"):
        export_trial(made, 0, Path("chosen"))


def test_target_that_is_no_export_is_left_alone(study: optuna.Study) -> None:
    """A folder with other files is not replaced."""
    Path("mine").mkdir()
    (Path("mine") / "thesis.txt").write_text("years of work")

    with pytest.raises(UserError, match=r"thesis\.txt"):
        export_trial(study, 0, Path("mine"))

    assert (Path("mine") / "thesis.txt").read_text() == "years of work"


def test_changed_tables_are_refused(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights trained on other tables would not be those of the trial."""
    hashes = StudyData.hashes

    def changed(data: StudyData) -> dict[str, dict[str, str]]:
        return hashes(data) | {"validation": {"wine": "0" * 16}}

    monkeypatch.setattr(StudyData, "hashes", changed)

    with pytest.raises(RunError, match="different here: validation: wine"):
        export_trial(study, 0, Path("chosen"))


def test_export_names_its_families_and_hashes(study: optuna.Study) -> None:
    """What an export has seen is written down, so that evaluations can leave it out."""
    export = export_trial(study, 0, Path("chosen"))

    seen: list[Any] = list(export.provenance["families_seen"])
    assert {(entry["role"], *entry["tables"]) for entry in seen} == {
        ("validation", "wine"),
        ("test", "iris"),
    }
    assert all(len(sha256) == 16 for entry in seen for sha256 in entry["sha256"])
