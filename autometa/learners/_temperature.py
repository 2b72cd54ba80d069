"""How sure to be of a task: a meta-learned factor on its logits.

Adaptation cannot tell it, because the support rows are fitted. It is log-linear in what is known of
a task before its rows are read: a head is surer than it should be, or less so, in much the same
way on all tasks with as many shots, ways, columns and rows.
"""

from __future__ import annotations

from torch import Tensor

from autometa.episodes import EpisodeBatch

TEMPERATURE_WEIGHTS = 5
"""Value at the origin of a task's facts, and slopes in them."""


def temperature(log_temperature_J: Tensor, batch: EpisodeBatch) -> Tensor:
    """Returns the factor of each task (T, above zero; one where all weights are zero)."""
    return (log_temperature_J[0] + batch.facts_TJ @ log_temperature_J[1:]).exp()
