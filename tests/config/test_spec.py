from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from autometa.config import (
    EpisodesSpec,
    FilesSource,
    SearchSpec,
    StudySpec,
    SyntheticSource,
    TrainingSpec,
    spec_from_dict,
    spec_to_dict,
)
from autometa.errors import UserError
from autometa.typing import COUNTS

SKLEARN = {"source": "sklearn", "names": ["iris"]}
FILES = {"source": "files", "path": "tables", "roles": "index"}


def changed(study: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Returns the study with one key set; the value ... removes it."""
    result = copy.deepcopy(study)
    *sections, key = path.split(".")
    section: Any = result
    for name in sections:
        section = section[int(name)] if isinstance(section, list) else section.setdefault(name, {})
    if value is ...:
        del section[key]
    else:
        section[key] = value
    return result


def test_a_short_study_takes_the_defaults(study: dict[str, Any]) -> None:
    """A study of tables, learner and space alone gets the documented defaults."""
    short = {key: study[key] for key in ("name", "tables", "learner", "space")}

    spec = spec_from_dict(short)

    assert spec.version == 1
    assert spec.episodes == EpisodesSpec(
        ways=5,
        shots=(1, 5, 10),
        counts="equal",
        queries=15,
        per_table=20,
        settings=("unlabelled",),
    )
    assert spec.training == TrainingSpec(
        outer_steps=2000,
        rungs=(250, 500, 1000, 2000),
        meta_batch=8,
        outer_lr=2e-3,
        synthetic_share=0.5,
        augmented_share=0.3,
        reuse=8,
        device="auto",
    )
    assert spec.search == SearchSpec(
        trials=30,
        seconds=300,
        seconds_per_trial=None,
        memory_mib=None,
        sampler="tpe",
        pruner="halving",
        seed=0,
        confirm=3,
        finalists=3,
        workers=1,
    )


@pytest.mark.parametrize(
    ("outer_steps", "rungs"),
    [
        (2000, (250, 500, 1000, 2000)),
        (12, (3, 6, 12)),
        (6, (3, 6)),
        (7, (7,)),
        (1, (1,)),
        (2, (1, 2)),
    ],
)
def test_rungs_follow_from_outer_steps(outer_steps: int, rungs: tuple[int, ...]) -> None:
    """Rungs lie at an eighth, a quarter and a half, as far as these are whole."""
    assert TrainingSpec(outer_steps=outer_steps).rungs == rungs


@pytest.mark.parametrize("rungs", [(2000,), (1, 2000), (20, 200, 2000), (80, 400, 2000)])
def test_rungs_of_one_factor_are_accepted(study: dict[str, Any], rungs: tuple[int, ...]) -> None:
    """Any constant whole factor is one that successive halving can use."""
    assert spec_from_dict(changed(study, "training.rungs", list(rungs))).training.rungs == rungs


@pytest.mark.parametrize(
    ("key", "value"),
    [("ways", "all"), ("ways", 2e0), ("ways", 50), *(("counts", c) for c in COUNTS)],
)
def test_ways_and_counts_are_accepted(study: dict[str, Any], key: str, value: Any) -> None:
    """Ways are a number or all, counts have three names; both are written as they were read."""
    spec = spec_from_dict(changed(study, f"episodes.{key}", value))

    assert getattr(spec.episodes, key) == value
    assert spec_from_dict(spec_to_dict(spec)) == spec


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_devices_are_accepted(study: dict[str, Any], device: str) -> None:
    """A device is auto, cpu or a CUDA device."""
    assert spec_from_dict(changed(study, "training.device", device)).training.device == device


def test_numbers_of_numpy_are_plain_afterwards(study: dict[str, Any]) -> None:
    """Whole floats and NumPy's numbers are numbers of their field's kind."""
    study["search"] |= {"trials": np.int64(5), "seconds": np.float32(2.5), "seed": 1e3}

    search = spec_from_dict(study).search

    assert [type(value) for value in (search.trials, search.seconds, search.seed)] == [
        int,
        float,
        int,
    ]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("version", 2, "version must be 1, the only format .* rewrite the file; got 2"),
        ("version", True, "version must be 1, .*; got true"),
        ("version", "1", "version must be 1, .*; got '1'"),
        ("version", None, "version must be 1, .*; got null"),
        ("name", ..., "^name is required$"),
        ("name", "", "name must be 1 to 100 letters, digits, .*; got ''"),
        ("name", "a/b", "name must be 1 to 100 letters"),
        ("name", "-x", "starting with a letter or digit; got '-x'"),
        ("name", "x\n", "name must be 1 to 100 letters"),
        ("name", "x" * 101, r"name must be 1 to 100 letters.*\.\.\.$"),
        ("name", 5, r"name must be text \(put it in quotes\); got 5"),
        ("shots", [1], r"shots is not a key of this section; accepted: version, name"),
        ("episodes.ways", 1, "episodes.ways must be a whole number from 2 to 50, or all; got 1$"),
        ("episodes.ways", 51, "episodes.ways must be .* from 2 to 50, or all; got 51$"),
        ("episodes.ways", 2.5, "episodes.ways must be a whole number .*; got 2.5$"),
        ("episodes.ways", "some", "episodes.ways must be .*, or all; got 'some'$"),
        ("episodes.ways", True, "episodes.ways must be .*, or all; got true$"),
        ("episodes.counts", "even", "counts must be equal, unequal or natural; got 'even'$"),
        ("episodes.shots", [], "episodes.shots must list at least 1 value; got"),
        ("episodes.shots", [5, 1], r"episodes.shots must be strictly increasing; got \[5, 1\]"),
        ("episodes.shots", [1, 1], "episodes.shots must be strictly increasing"),
        ("episodes.shots", [0], "episodes.shots.0 must be at least 1; got 0"),
        ("episodes.shots", [1, 101], "episodes.shots.1 must be at most 100; got 101"),
        ("episodes.shots", 5, "episodes.shots must be a list; got 5"),
        ("episodes.shots", "1", "episodes.shots must be a list; got '1'"),
        ("episodes.queries", 3, "episodes.queries must be at least 4; got 3"),
        ("episodes.per_table", 0, "episodes.per_table must be at least 1; got 0"),
        ("episodes.settings", ["labelled"], "episodes.settings.0 must be inductive, .*'labelled'"),
        ("episodes.settings", ["inductive"] * 2, "episodes.settings must name each value once"),
        ("episodes", [], "episodes must be a section of keys and values; got"),
        ("training.outer_steps", 0, "training.outer_steps must be at least 1; got 0"),
        ("training.outer_steps", "2000", "training.outer_steps must be a whole number; got '2000'"),
        ("training.rungs", [], "training.rungs must list at least 1 value"),
        (
            "training.rungs",
            [500, 1000],
            r"training.rungs must .* end at training.outer_steps \(2000",
        ),
        ("training.rungs", [0, 2000], "training.rungs must start at 1 or later"),
        ("training.rungs", [1000, 500, 2000], "training.rungs must be strictly increasing"),
        (
            "training.rungs",
            [250, 1000, 2000],
            "grow by one constant whole factor, as succ.*250, 500",
        ),
        ("training.rungs", [800, 2000], "training.rungs must grow by one constant whole factor"),
        ("training.meta_batch", 0, "training.meta_batch must be at least 1"),
        ("training.outer_lr", 0, "training.outer_lr must be greater than 0; got 0"),
        ("training.outer_lr", "1e-3", "training.outer_lr must be a finite number; got '1e-3'"),
        ("training.outer_lr", float("nan"), "training.outer_lr must be a finite number; got nan"),
        ("training.synthetic_share", 1.1, "training.synthetic_share must be at most 1; got 1.1"),
        ("training.augmented_share", -0.1, "training.augmented_share must be at least 0"),
        ("training.device", "gpu", "training.device must be auto, cpu, cuda or cuda:N; got 'gpu'"),
        ("training.device", "cuda:", "training.device must be auto"),
        ("search.trials", 0, "search.trials must be at least 1; got 0"),
        ("search.trials", True, "search.trials must be a whole number; got true"),
        ("search.trials", None, "search.trials must be a whole number; got null"),
        ("search.seconds", 0, "search.seconds must be greater than 0; got 0"),
        ("search.seconds", float("inf"), "search.seconds must be a finite number; got inf"),
        ("search.seconds", 10**400, r"search.seconds must be a finite number; got 1000.*\.\.\.$"),
        ("search.seconds_per_trial", 0, "search.seconds_per_trial must be greater than 0"),
        ("search.memory_mib", 0, "search.memory_mib must be at least 1; got 0"),
        ("search.sampler", "cma", "search.sampler must be tpe or random; got 'cma'"),
        ("search.pruner", "hyperband", "search.pruner must be halving or none; got 'hyperband'"),
        ("search.seed", -1, "search.seed must be at least 0; got -1"),
        ("search.seed", 2**32, "search.seed must be less than"),
        ("search.confirm", 0, "search.confirm must be at least 1"),
        ("search.finalists", 0, "search.finalists must be at least 1"),
        ("search.workers", 0, "search.workers must be at least 1"),
        ("search.stpes", 1, "search.stpes is not a key of this section; accepted: trials"),
        ("storage", " ", "storage must be a storage URL such as journal:.*; got ' '"),
        ("storage", ["x://ann:hush@db"], r"storage must be text .*; got \['x://ann:\*\*\*@db'\]"),
    ],
)
def test_a_wrong_value_is_refused(
    study: dict[str, Any], path: str, value: Any, sentence: str
) -> None:
    """Each wrong value is refused with its path, the rule and the value."""
    with pytest.raises(UserError, match=sentence):
        spec_from_dict(changed(study, path, value))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("tables", ..., "^tables is required$"),
        ("tables.train", ..., "^tables.train is required$"),
        ("tables.train", [], "tables.train must list at least 1 value"),
        ("tables.train", SKLEARN, "tables.train must be a list; got"),
        ("tables.train", ["iris"], "tables.train.0 must be a section such as .source: sklearn"),
        ("tables.train", [{"count": 5}], "tables.train.0 must name its source, one of sklearn, fi"),
        (
            "tables.train",
            [{"source": "openml"}],
            "tables.train.0 must have exactly one of suite, tasks and datasets; got 'none of them'",
        ),
        (
            "tables.train",
            [{"source": "openml", "suite": 99, "tasks": [3]}],
            "must have exactly one of suite, tasks and datasets; got 'suite, tasks'",
        ),
        (
            "tables.train",
            [{"source": "openml", "tasks": [3], "min_tables": 2}],
            "tables.train.0.min_tables must be at most 1, the number of ids; got 2",
        ),
        (
            "tables.train",
            [{"source": "openml", "tasks": [3, 3]}],
            "tasks must name each value once",
        ),
        ("tables.train", [{"source": "openml", "suite": "CC18"}], "suite .*; got 'CC18'"),
        ("tables.train", [{"source": "openml", "suite": 99, "bins": 1}], "bins must be at least 2"),
        ("tables.train", [{"source": "sql"}], "tables.train.0.source must be one of sk.*'sql'$"),
        ("tables.train", [{"source": ["sql"]}], r"tables.train.0.source must be .*\['sql'\]$"),
        ("tables.train", [{"source": "synthetic"}], "^tables.train.0.count is required$"),
        ("tables.train.0.count", 0, "tables.train.0.count must be at least 1; got 0$"),
        ("tables.train.0.cuont", 1, "tables.train.0.cuont is not a key .*did you mean count"),
        ("tables.validation.0.names", [], "tables.validation.0.names must list at least 1 value"),
        ("tables.validation.0.names", ["adult"], "names.0 must be iris, wine, .*; got 'adult'$"),
        ("tables.validation.0.names", ["wine", "wine"], "names must name each value once"),
        ("tables.validation.0.names", ..., "^tables.validation.0.names is required$"),
        ("tables.test", [{"source": "files"}], "^tables.test.0.path is required$"),
        ("tables.test", [FILES | {"path": ""}], "tables.test.0.path .*; got ''"),
        ("tables.test", [FILES | {"roles": "folder"}], "tables.test.0.roles must be index"),
        (
            "tables.test",
            [FILES | {"target": "y"}],
            "tables.test.0.target cannot stand beside roles: .*; got 'y'",
        ),
        (
            "tables.test",
            [{"source": "files", "path": "a.csv", "target": "y", "names": ["a"]}],
            "tables.test.0.target cannot stand beside names",
        ),
        ("tables.validation", ..., "tables.validation needs a source to score the search on"),
        ("tables.validation", [], "tables.validation needs a source .* or tables.split"),
        (
            "tables.validation",
            [{"source": "synthetic", "count": 5, "seed": 0}],
            "tables.validation.0.seed must differ from the seed of the synthetic tables of train",
        ),
        ("tables.split", {"test": 0.2}, "tables.split needs a source under tables.train that is"),
    ],
)
def test_wrong_tables_are_refused(
    study: dict[str, Any], path: str, value: Any, sentence: str
) -> None:
    """Each wrong source is refused with its path, without pydantic's tags in it."""
    with pytest.raises(UserError, match=sentence):
        spec_from_dict(changed(study, path, value))


@pytest.mark.parametrize(
    ("split", "sentence"),
    [
        ({"validation": 0.2}, "tables.split.validation must be 0 where tables.validation lists"),
        ({"test": 0.2}, "tables.split.test must be 0 where tables.test lists sources"),
        ({}, "tables.split must hold out more than 0 and less than 1"),
        ({"test": 0.6, "confirm": 0.4}, "tables.split must hold out more than 0 and less than 1"),
        ({"confirm": 1.5}, "tables.split.confirm must be at most 1; got 1.5"),
        ({"confirm": 0.1, "by": "table"}, "tables.split.by must be family; got 'table'"),
        ({"confirm": 0.1, "train": 0.5}, "tables.split.train is not a key"),
    ],
)
def test_a_wrong_split_is_refused(
    study: dict[str, Any], split: dict[str, Any], sentence: str
) -> None:
    """A role comes from a list or from the split, and something is left to train on."""
    study["tables"]["train"] = [FILES]
    study["tables"]["split"] = split

    with pytest.raises(UserError, match=sentence):
        spec_from_dict(study)


def test_a_split_can_replace_the_validation_list(study: dict[str, Any]) -> None:
    """One list of tables is enough where a split divides it."""
    study["tables"] = {"train": [FILES], "split": {"validation": 0.2, "test": 0.2}}

    spec = spec_from_dict(study)

    assert spec.tables.train == (FilesSource(path="tables", roles="index"),)
    assert spec.tables.split is not None
    assert spec.tables.split.confirm == 0


def test_a_split_and_a_list_may_fill_different_roles(study: dict[str, Any]) -> None:
    """A listed role and a split one stand beside each other."""
    study["tables"]["train"] = [FILES, {"source": "synthetic", "count": 3}]
    study["tables"]["split"] = {"confirm": 0.2}

    spec = spec_from_dict(study)

    assert spec.tables.train[1] == SyntheticSource(count=3, seed=0)


def test_further_errors_are_counted(study: dict[str, Any]) -> None:
    """Of several errors the first is told, and how many more there are."""
    study["episodes"]["ways"] = 1
    study["search"]["trials"] = 0
    study["search"]["seed"] = -1

    with pytest.raises(UserError, match=r"^episodes.ways must be .*; got 1 \(and 2 more\)$"):
        spec_from_dict(study)


def test_keywords_make_a_study_too(study: dict[str, Any]) -> None:
    """The model validates keyword arguments as it validates a file."""
    assert StudySpec(**study) == spec_from_dict(study)
