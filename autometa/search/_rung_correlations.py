"""How well a trial's standing at a rung foretells its standing at the end.

A pruner that stops trials at a rung is right to do so where rung and end rank them alike. The
measure is Spearman's rank correlation: the linear correlation of the ranks, ties sharing the mean
of theirs. Source: Spearman, "The proof and measurement of association between two things", 1904.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

FEWEST_TRIALS = 5
"""Below this, a rank correlation is mostly chance: of 4 trials, one order in 24 agrees fully."""


@dataclass(frozen=True)
class RungCorrelation:
    """The rank correlation between one rung and the end.

    Attributes:
        step: the rung, in outer steps.
        trials: completed trials that were scored at it.
        correlation: between -1 and 1; None below ``FEWEST_TRIALS`` trials, or where all of them
            have the same value at the rung or at the end.

    >>> found = RungCorrelation(step=250, trials=24, correlation=0.83)
    >>> f"{found.correlation:.2f} at step {found.step}, of {found.trials} trials"
    '0.83 at step 250, of 24 trials'
    """

    step: int
    trials: int
    correlation: float | None


def rung_correlations(
    trials: Sequence[FrozenTrial], *, rungs: Sequence[int]
) -> list[RungCorrelation]:
    """Returns the rank correlation of each rung but the last with the final value.

    Only completed trials have a final value. Where a pruner was at work they are the better ones,
    which are harder to tell apart than all trials are: the figure then errs on the low side.

    Args:
        trials: trials of one study, in any state.
        rungs: its rungs in outer steps, ascending; the last one is the end.

    >>> from optuna.trial import create_trial
    >>> values = [(0.1, 1), (0.3, 2), (0.2, 3), (0.4, 4), (0.5, 5)]
    >>> trials = [create_trial(value=end, intermediate_values={10: rung}) for rung, end in values]
    >>> [round(found.correlation, 2) for found in rung_correlations(trials, rungs=[10, 20])]
    [0.9]
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    found = []
    for step in rungs[:-1]:
        pairs = [
            (trial.intermediate_values[step], float(trial.value))
            for trial in complete
            if step in trial.intermediate_values and trial.value is not None
        ]
        found.append(RungCorrelation(step, len(pairs), _spearman(pairs)))
    return found


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    from scipy.stats import spearmanr

    if len(pairs) < FEWEST_TRIALS:
        return None
    at_rung, at_end = zip(*pairs, strict=True)
    if len(set(at_rung)) == 1 or len(set(at_end)) == 1:
        return None  # ranks without any order correlate with nothing
    return float(spearmanr(at_rung, at_end).statistic)
