"""Scores by the steps of the inner loop."""

from __future__ import annotations

import pytest
import torch

from autometa.config import ColumnKernelConfig, MamlConfig, ProtonetConfig
from autometa.evaluation import EvaluationTask, adaptation_curve, score_learner
from autometa.learners import build_learner


def test_the_curve_has_the_learner_itself_among_its_points(tasks: list[EvaluationTask]) -> None:
    """Its own number of steps gives its own scores, and its weights stay as they are."""
    learner = build_learner(MamlConfig(width=8, depth=1, columns=4, inner_steps=3), seed=0)
    before = {name: value.clone() for name, value in learner.state_dict().items()}

    curve = adaptation_curve(learner, tasks)

    assert [point.inner_steps for point in curve] == [0, 1, 2, 3, 4]
    own = score_learner(learner, tasks, method="learner")
    assert curve[3].accuracy == pytest.approx(own.mean("accuracy", "learner"))
    assert curve[3].log_loss == pytest.approx(own.mean("log_loss", "learner"), rel=1e-5)
    assert len({point.log_loss for point in curve}) == 5
    assert learner.config.inner_steps == 3  # type: ignore[union-attr]
    for name, value in learner.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    "config", [ProtonetConfig(width=8, columns=4), ColumnKernelConfig(width=8)]
)
def test_a_learner_without_an_inner_loop_has_no_curve(
    config: ProtonetConfig | ColumnKernelConfig, tasks: list[EvaluationTask]
) -> None:
    """Where inner steps have no effect there is nothing to draw."""
    assert adaptation_curve(build_learner(config, seed=0), tasks) == []
