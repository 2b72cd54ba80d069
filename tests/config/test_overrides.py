from __future__ import annotations

from pathlib import Path

import pytest

from autometa.config import IntRange, SyntheticSource, read_spec
from autometa.errors import UserError


def test_overrides_are_yaml_values_at_a_path(study_file: Path) -> None:
    """Numbers, lists and sections are set by the path of their key."""
    spec = read_spec(
        study_file,
        [
            "search.trials=2",
            "training.outer_lr=1e-3",
            "episodes.shots=[2, 4]",
            "space.depth={low: 2, high: 3}",
            "name=no",
            "storage=sqlite:///x.db?timeout=3",
        ],
    )

    assert spec.search.trials == 2
    assert spec.training.outer_lr == 1e-3
    assert spec.episodes.shots == (2, 4)
    assert spec.space.branches["column_kernel"]["depth"] == IntRange(low=2, high=3)
    assert spec.name == "no"
    assert spec.storage == "sqlite:///x.db?timeout=3"


def test_an_index_stands_for_an_entry_of_a_list(study_file: Path) -> None:
    """A list is entered by index."""
    spec = read_spec(study_file, ["tables.train.0.count=100", "episodes.shots.2=20"])

    assert spec.tables.train == (SyntheticSource(count=100),)
    assert spec.episodes.shots == (1, 5, 20)


def test_the_last_override_wins(study_file: Path) -> None:
    """Of two overrides of one key the later one counts."""
    spec = read_spec(study_file, ["search.seed=1", "search.seed=2"])

    assert spec.search.seed == 2


def test_missing_sections_are_made(study_file: Path) -> None:
    """A section that the file leaves out, or leaves empty, can be set into."""
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text.replace("episodes: {ways: 5,", "#"), encoding="utf-8")
    made = read_spec(study_file, ["episodes.ways=3"])
    study_file.write_text(text.replace("search: {", "search: #"), encoding="utf-8")
    filled = read_spec(study_file, ["search.trials=3"])

    assert made.episodes.ways == 3
    assert filled.search.trials == 3


def test_null_derives_the_rungs_of_shorter_training(study_file: Path) -> None:
    """Rungs set to nothing follow from outer_steps."""
    spec = read_spec(study_file, ["training.outer_steps=40", "training.rungs="])

    assert spec.training.rungs == (5, 10, 20, 40)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("search.trials", r"--set takes key.path=value, such as search.trials=50; got 'search"),
        ("=5", "--set takes key.path=value"),
        ("search..trials=5", "--set takes key.path=value"),
        (".search=5", "--set takes key.path=value"),
        ("search trials=5", "--set takes key.path=value"),
        ("", "--set takes key.path=value"),
        ("search.trials=[1", "--set search.trials: line 1: this is not YAML"),
        ("search.trials=!!int 5", "--set search.trials: line 1: tags"),
        ("search.trials=", "search.trials must be a whole number; got null"),
        ("search.trails=5", r"search.trails is not a key .*\(did you mean trials\?\)"),
        ("serach.trials=5", r"serach is not a key .*\(did you mean search\?\)"),
        ("search.trials.most=5", "search.trials is no section but 30; name one of the keys"),
        ("name.first=x", "name is no section but 'quickstart'"),
        (
            "tables.train.1.count=5",
            "tables.train is a list of 1, whose entries are 0 to 0; got",
        ),
        ("tables.train.-1.count=5", "tables.train is a list of 1"),
        ("tables.train.count=5", "tables.train is a list of 1, .*; got 'count'"),
        ("tables.train.0.cuont=5", "tables.train.0.cuont is not a key .*did you mean count"),
        ("tables.train." + "9" * 5000 + "=5", "tables.train is a list of 1"),
    ],
)
def test_a_wrong_override_is_refused(study_file: Path, override: str, sentence: str) -> None:
    """An override that is no assignment, or leads nowhere, names its path."""
    with pytest.raises(UserError, match=sentence):
        read_spec(study_file, [override])
