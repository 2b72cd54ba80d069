"""``autometa priors``: learning, explaining and suggesting without running anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autometa.storages import ORIGIN, load_study, open_storage, trials_done

Run = Callable[..., Any]

STUDY = """\
name: next
tables:
  train: [{source: synthetic, count: 30, seed: 1}]
  validation: [{source: sklearn, names: [iris]}]
learner: {name: maml}
space: {inner_lr: {low: 0.001, high: 1.0, log: true}}
"""


@pytest.fixture
def storage(folder: Path) -> str:
    """A journal with a study of plain Optuna's."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="plain",
        storage=JournalStorage(JournalFileBackend(str(folder / "plain.journal"))),
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    study.optimize(
        lambda trial: abs(trial.suggest_float("maml.inner_lr", 1e-3, 1, log=True) - 0.05),
        n_trials=20,
    )
    return f"journal:{folder / 'plain.journal'}"


def test_learn_explain_suggest(run: Run, storage: str, folder: Path) -> None:
    """A study becomes a file, which tells what it knows of a study file and what to try."""
    (folder / "next.yaml").write_text(STUDY)

    learned = run("priors", "learn", "plain", "--storage", storage)
    explained = run("priors", "explain", "results/runs/priors/plain.json", "--for", "next.yaml")
    suggested = run(
        *("priors", "suggest", "results/runs/priors/plain.json", "--for", "next.yaml"),
        *("-n", "2", "--json"),
    )

    assert learned.out == "results/runs/priors/plain.json: 1 of 1 studies, 20 trials\n"
    assert "plain: 20 trials, 1 shared parameters" in explained.out
    configs = json.loads(suggested.out)
    assert len(configs) == 2
    assert 0.01 < configs[0]["inner_lr"] < 0.25


def test_several_studies_need_a_file_name(run: Run, storage: str) -> None:
    """There is no obvious name for what two studies say."""
    found = run("priors", "learn", "plain", "plain", "--storage", storage)

    assert found.code == 2
    assert "add -o FILE" in found.err


def test_an_unknown_study_is_told(run: Run, storage: str) -> None:
    """The known ones are named."""
    found = run("priors", "learn", "other", "--storage", storage)

    assert found.code == 2
    assert "known studies: plain" in found.err


@pytest.mark.parametrize("command", ["explain", "suggest"])
def test_another_file_is_refused_in_one_line(run: Run, folder: Path, command: str) -> None:
    """What is no prior file ends the command with 2."""
    (folder / "other.json").write_text("{}")

    found = run("priors", command, "other.json")

    assert found.code == 2
    assert found.err.count("\n") == 1


def test_a_fork_names_the_prior_of_the_other_study(storage: str, folder: Path) -> None:
    """The new study file begins with what the other has found, and with nothing else."""
    from autometa.cli._fork import forked
    from autometa.config import read_spec

    (folder / "next.yaml").write_text(STUDY)
    spec = read_spec(folder / "next.yaml", [f"storage={storage}"])

    search = forked(spec, "plain").search

    assert search.warm_start == ("results/runs/priors/plain.json",)
    assert Path(search.warm_start[0]).is_file()


@pytest.mark.slow
def test_a_fork_runs_to_its_end(
    run: Run,
    storage: str,
    folder: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A study whose space has changed begins with what the other has found, which stays."""
    monkeypatch.setenv("AUTOMETA_CACHE", environment["AUTOMETA_CACHE"])
    (folder / "next.yaml").write_text(STUDY.replace("high: 1.0", "high: 2.0"))
    short = ["training.outer_steps=16", "episodes.per_table=2", "search.trials=3"]
    short += ["search.confirm=1", "search.finalists=1", "learner.width=8"]
    options = [word for setting in short for word in ("--set", setting)]

    done = run("tune", "next.yaml", "--storage", storage, "--fork", "plain", *options)

    assert done.code == 0, done.err
    opened = open_storage(storage)
    following = load_study(opened, "next")
    assert trials_done(following) == 3
    assert any(str(t.user_attrs.get(ORIGIN)).startswith("portfolio") for t in following.trials)
    assert len(optuna.load_study(study_name="plain", storage=opened).trials) == 20
    assert Path("results/runs/next/export").is_dir()


def test_a_fork_is_another_study(run: Run, storage: str, folder: Path) -> None:
    """A study cannot begin with itself, nor with one that is not there."""
    (folder / "next.yaml").write_text(STUDY)

    same = run("tune", "next.yaml", "--storage", storage, "--fork", "next")
    unknown = run("tune", "next.yaml", "--storage", storage, "--fork", "nobody")

    assert (same.code, unknown.code) == (2, 2)
    assert "--set name=NEW" in same.err
    assert "known studies: plain" in unknown.err
