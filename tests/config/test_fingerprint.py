from __future__ import annotations

import json
from pathlib import Path

import pytest

from autometa.config import fingerprint, read_spec, spec_from_dict, spec_to_dict


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "storage=sqlite:///other.db",
        "training.device=cpu",
        "search.trials=31",
        "search.seconds=1",
        "search.seconds_per_trial=1",
        "search.memory_mib=4000",
        "search.workers=2",
        "search.confirm=1",
        "search.finalists=1",
    ],
)
def test_what_a_trial_does_not_depend_on_may_change(study_file: Path, override: str) -> None:
    """Budget, storage, device and confirmation leave the fingerprint as it is."""
    assert fingerprint(read_spec(study_file, [override])) == fingerprint(read_spec(study_file))


@pytest.mark.parametrize(
    "override",
    [
        "search.seed=1",
        "search.sampler=random",
        "search.pruner=none",
        "learner.head_lr=2.0",
        "space.depth.high=5",
        "space.width.choices=[16, 32, 64]",
        "space.gate={choices: [true, false]}",
        "episodes.ways=4",
        "episodes.ways=all",
        "episodes.counts=unequal",
        "episodes.counts=natural",
        "episodes.per_table=10",
        "episodes.settings=[inductive]",
        "training.rungs=[2000]",
        "training.outer_lr=1e-3",
        "training.synthetic_share=0",
        "training.reuse=4",
        "tables.train.0.seed=3",
        "tables.test=[]",
    ],
)
def test_what_a_trial_depends_on_is_in_it(study_file: Path, override: str) -> None:
    """Whatever changes a trial's value changes the fingerprint."""
    assert fingerprint(read_spec(study_file, [override])) != fingerprint(read_spec(study_file))


def test_batches_of_one_step_are_those_of_studies_without_the_key(study_file: Path) -> None:
    """A study that was made before batches were reused is not refused."""
    values = fingerprint(read_spec(study_file, ["training.reuse=1"]))

    assert "reuse" not in values["training"]
    assert fingerprint(read_spec(study_file))["training"]["reuse"] == 8


def test_equal_counts_are_those_of_studies_without_the_key(study_file: Path) -> None:
    """A study that was made before counts could be chosen is not refused."""
    values = fingerprint(read_spec(study_file, ["episodes.counts=equal"]))

    assert "counts" not in values["episodes"]
    assert values == fingerprint(read_spec(study_file))


def test_the_order_of_the_space_counts(study_file: Path) -> None:
    """Two studies whose spaces differ in their order alone are told apart."""
    spec = read_spec(study_file)
    data = spec_to_dict(spec)
    data["space"] = dict(reversed(data["space"].items()))

    assert fingerprint(spec_from_dict(data)) != fingerprint(spec)


def test_a_fingerprint_is_plain(study_file: Path) -> None:
    """A fingerprint equals itself after a way through JSON, as storages keep it."""
    values = fingerprint(read_spec(study_file))

    assert json.loads(json.dumps(values)) == values
    assert values["schema_version"] == 1
    assert values["metric"] == "log_loss_gain_over_logistic_regression"


def test_a_learner_that_became_another_one_is_told_apart(study_file: Path) -> None:
    """Studies of the column kernel without gate and ridge head are not gone on with."""
    assert fingerprint(read_spec(study_file))["column_kernel"] == 3
    maml = {"learner": {"name": "maml"}}
    values = spec_to_dict(read_spec(study_file)) | maml
    assert "column_kernel" not in fingerprint(spec_from_dict(values))
