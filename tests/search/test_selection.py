from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autometa.config import MamlConfig, StudySpec
from autometa.errors import RunError
from autometa.evaluation import ScoreSheet
from autometa.search import LEARNER_METHOD, Confirmed, finalists, select


def test_finalists_are_the_best_distinct_configurations(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """A configuration that was tried twice is confirmed once; the earlier trial stands for it."""
    study = study_of(little_study(search={"trials": 4, "pruner": "none"}))
    study.study.enqueue_trial({"inner_lr": 1.0, "width": 16})
    study.work()

    chosen = finalists(study.study, count=9)

    assert study.trials[1].params == study.trials[0].params
    assert study.trials[1].value == study.trials[0].value
    values = [trial.value for trial in chosen]
    assert values == sorted(values, reverse=True)
    assert {trial.number for trial in chosen} == {0, 2, 3}
    assert finalists(study.study, count=1) == chosen[:1]


def test_study_without_a_finished_trial_says_what_to_do(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """Where nothing failed either, time was too short."""
    study = study_of(little_study())

    with pytest.raises(RunError, match="no finished trial; give it more time"):
        finalists(study.study, count=1)


def test_the_default_is_a_finalist(
    little_study: Callable[..., StudySpec], study_of: Callable[[StudySpec], Any]
) -> None:
    """It takes the last place where others are better; where one is confirmed, it is the best."""
    study = study_of(little_study(search={"trials": 5, "pruner": "none"}))
    study.work()
    default = study.trials[0]
    ranked = sorted(study.trials, key=lambda trial: -trial.value)
    assert default not in ranked[:2], "the test needs two trials better than the default"

    assert [trial.number for trial in finalists(study.study, count=2)] == [ranked[0].number, 0]
    assert [trial.number for trial in finalists(study.study, count=1)] == [ranked[0].number]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Confirmed]:
    """Makes runs of MAML of some inner rate with losses in families; the default's is 0.1."""

    def make(
        trial: int, seed_index: int, losses: list[float], *, inner_lr: float = 0.2
    ) -> Confirmed:
        folder = tmp_path / f"{trial}-{seed_index}"
        folder.mkdir()
        rows = [
            {
                "table": f"table {family}",
                "family": f"family {family}",
                "role": "confirm",
                "setting": "inductive",
                "shot": 1,
                "seed": 0,
                "episode": 0,
                "method": LEARNER_METHOD,
                "log_loss": loss,
                "accuracy": 0.5,
                "balanced_accuracy": 0.5,
                "auroc": 0.5,
                "brier": 0.5,
                "confidence": 0.5,
                "diverged": 0.0,
            }
            for family, loss in enumerate(losses)
        ]
        ScoreSheet.from_rows(rows).to_parquet(folder / "scores.parquet")
        config = MamlConfig(inner_lr=inner_lr)
        return Confirmed(trial, seed_index, 1 - float(np.mean(losses)), folder, config)

    return make


@pytest.fixture
def spec(little_study: Callable[..., StudySpec]) -> StudySpec:
    """A study of MAML's inner rate."""
    return little_study(learner={"name": "maml"}, space={"inner_lr": {"low": 0.01, "high": 1.0}})


def test_select_takes_the_best_mean_and_its_best_run(
    spec: StudySpec, run: Callable[..., Confirmed]
) -> None:
    """The luckiest run does not win; the mean over seeds does."""
    lucky = [run(0, 0, [0.1]), run(0, 1, [0.9])]
    steady = [run(1, 0, [0.4]), run(1, 1, [0.3])]

    assert select(spec, [*lucky, *steady]).winner == steady[1]


def test_select_distrusts_a_finalist_that_failed_with_a_seed(
    spec: StudySpec, run: Callable[..., Confirmed]
) -> None:
    """A mean over the seeds that went well does not beat a full one."""
    fragile = [run(0, 1, [0.1])]
    steady = [run(1, 0, [0.4]), run(1, 1, [0.3])]

    assert select(spec, [*fragile, *steady]).winner.trial == 1


@pytest.mark.parametrize(
    ("gains", "winner"),
    [
        ([0.10, 0.12, 0.08, 0.11, 0.09], 4),
        ([0.90, -0.40, 0.30, -0.50, 0.20], 0),
        ([0.90, -0.40, 0.30, -0.50], 4),
    ],
    ids=["clearly better", "within a standard error", "four families"],
)
def test_the_default_keeps_its_place_within_a_standard_error(
    gains: list[float], winner: int, spec: StudySpec, run: Callable[..., Confirmed]
) -> None:
    """Where at least five families tell, a better mean alone does not do."""
    default_rate = MamlConfig().inner_lr
    default = [run(0, seed, [1.0] * len(gains), inner_lr=default_rate) for seed in (0, 1)]
    better = [run(4, seed, [1.0 - gain for gain in gains]) for seed in (0, 1)]

    selection = select(spec, [*better, *default])

    assert selection.winner.trial == winner
    if len(gains) < 5:
        assert (selection.gain, str(selection)) == (None, "")
        return
    assert selection.gain == pytest.approx(np.mean(gains))
    assert selection.standard_error == pytest.approx(np.std(gains, ddof=1) / 5**0.5)
    assert selection.yielded == (4 if winner == 0 else None)
    assert str(selection).startswith(f"trial 4 against the default: {np.mean(gains):+.4f} nats")
    assert str(selection).endswith("trial 4 wins" if winner else "the default wins")


def test_a_default_that_failed_with_a_seed_keeps_no_place(
    spec: StudySpec, run: Callable[..., Confirmed]
) -> None:
    """Nor is there a rule where the default itself is best."""
    default_rate = MamlConfig().inner_lr
    default = run(0, 0, [1.0] * 5, inner_lr=default_rate)
    better = [run(4, seed, [0.9, 1.0, 0.8, 1.2, 0.9]) for seed in (0, 1)]

    assert select(spec, [*better, default]).winner.trial == 4
    assert select(spec, [default]).gain is None
