"""The factor on a task's logits against its formula."""

from __future__ import annotations

import math

import torch

from autometa.episodes import EpisodeBatch
from autometa.learners._temperature import TEMPERATURE_WEIGHTS, temperature


def test_weights_of_zero_change_nothing(batch: EpisodeBatch) -> None:
    """Before training the factor is one."""
    factor_T = temperature(torch.zeros(TEMPERATURE_WEIGHTS, dtype=torch.float64), batch)

    torch.testing.assert_close(factor_T, torch.ones(batch.tasks, dtype=torch.float64))


def test_factor_is_log_linear_in_the_facts_of_each_task(batch: EpisodeBatch) -> None:
    """Shots, ways, columns and rows of a task each count; those of padding do not."""
    weights = torch.tensor([0.3, -0.5, 0.7, 0.2, -0.4], dtype=torch.float64)

    factor_T = temperature(weights, batch)

    for task in range(batch.tasks):
        ways = int(batch.way_mask_TW[task].sum())
        facts = [
            1,
            math.log(int((batch.y_TS[task] >= 0).sum()) / ways),
            (ways - 3) / 2,
            math.log(int(batch.column_mask_TF[task].sum())) / 3 - 1,
            math.log(int(batch.fit_rows_T[task])) / 4 - 1,
        ]
        expected = torch.exp(weights @ torch.tensor(facts, dtype=torch.float64))
        torch.testing.assert_close(factor_T[task], expected)
    assert len(set(factor_T.tolist())) == batch.tasks
