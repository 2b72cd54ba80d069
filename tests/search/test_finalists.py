from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest

from autometa.config import StudySpec
from autometa.search._finalists import affordable


@pytest.mark.parametrize(
    ("seconds", "workers", "expected"),
    [
        (200.0, 1, (3, 2)),
        (100.0, 1, (2, 2)),
        (79.0, 1, (3, 1)),
        (59.0, 1, (2, 1)),
        (79.0, 2, (3, 2)),
        (39.0, 1, (1, 1)),
        (-5.0, 1, (1, 1)),
    ],
)
def test_finalists_are_as_many_as_the_seconds_allow(
    seconds: float,
    workers: int,
    expected: tuple[int, int],
    little_study: Callable[..., StudySpec],
) -> None:
    """A run costs the median completed trial; two finalists come before more seeds of one."""
    study = optuna.create_study()
    for cost in (10.0, 20.0, 90.0):
        trial = optuna.trial.create_trial(value=0.0, user_attrs={"autometa:train_seconds": cost})
        study.add_trial(trial)
    pruned = optuna.trial.TrialState.PRUNED
    for _ in range(9):
        study.add_trial(
            optuna.trial.create_trial(state=pruned, user_attrs={"autometa:train_seconds": 1.0})
        )
    spec = little_study(search={"finalists": 3, "confirm": 2})

    found = affordable(study.trials, spec, workers=workers, seconds=seconds)

    assert found == expected
