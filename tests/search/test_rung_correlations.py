from __future__ import annotations

from collections.abc import Sequence

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from autometa.search import RungCorrelation, rung_correlations


def _trials(
    at_rung: Sequence[float], at_end: Sequence[float], state: TrialState = TrialState.COMPLETE
) -> list[FrozenTrial]:
    """Trials with these values at step 10 and at step 20, where they end."""
    return [
        create_trial(state=state, value=end, intermediate_values={10: rung, 20: end})
        for rung, end in zip(at_rung, at_end, strict=True)
    ]


@pytest.mark.parametrize(
    ("at_rung", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], 1.0),
        ([-5.0, 0.0, 0.001, 70.0, 1e6], 1.0),
        ([0.5, 0.4, 0.3, 0.2, 0.1], -1.0),
        # One swap of neighbours: 1 - 6 * 2 / (5 * 24).
        ([0.1, 0.2, 0.3, 0.5, 0.4], 0.9),
        # Ranks 1.5, 1.5, 3, 4, 5 against 1 to 5: 9.5 / sqrt(9.5 * 10).
        ([0.1, 0.1, 0.3, 0.4, 0.5], 0.974679),
    ],
)
def test_only_the_ranks_count(at_rung: list[float], expected: float) -> None:
    """The correlation is Spearman's, whatever the size of the differences; ties share a rank."""
    trials = _trials(at_rung, [1.0, 2.0, 3.0, 4.0, 5.0])

    [rung] = rung_correlations(trials, rungs=[10, 20])

    assert (rung.step, rung.trials) == (10, 5)
    assert rung.correlation == pytest.approx(expected, abs=1e-6)


def test_trials_that_did_not_reach_the_end_do_not_count() -> None:
    """Pruned trials have no final value, whatever they have reported."""
    complete = _trials([0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 2.0, 3.0, 4.0, 5.0])
    pruned = _trials([9.0, 8.0], [-9.0, -8.0], TrialState.PRUNED)

    assert rung_correlations([*pruned, *complete], rungs=[10, 20]) == [
        RungCorrelation(10, 5, pytest.approx(1.0))
    ]


def test_every_rung_but_the_last_has_a_correlation() -> None:
    """Each rung is measured on the trials that were scored at it; the end is not one of them."""
    trials = [
        create_trial(value=value, intermediate_values={2: -value, 4: value, 8: value})
        for value in (1.0, 2.0, 3.0, 4.0, 5.0)
    ]
    trials.append(create_trial(value=9.0, intermediate_values={4: 9.0, 8: 9.0}))

    found = rung_correlations(trials, rungs=[2, 4, 8])

    assert found == [
        RungCorrelation(2, 5, pytest.approx(-1.0)),
        RungCorrelation(4, 6, pytest.approx(1.0)),
    ]
    assert rung_correlations(trials, rungs=[8]) == []


@pytest.mark.parametrize("count", [0, 1, 4])
def test_few_trials_have_no_correlation(count: int) -> None:
    """Below five trials their number is all that is told."""
    values = [float(value) for value in range(count)]

    assert rung_correlations(_trials(values, values), rungs=[10, 20]) == [
        RungCorrelation(10, count, None)
    ]


@pytest.mark.parametrize("same", [0, 1])
def test_equal_values_have_no_correlation(same: int) -> None:
    """Where rung or end does not tell the trials apart there are no ranks to compare."""
    values = [[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]]
    values[same] = [0.5] * 5

    assert rung_correlations(_trials(*values), rungs=[10, 20]) == [RungCorrelation(10, 5, None)]
