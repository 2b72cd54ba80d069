"""What the gate reads of each kernel, and what it does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from autometa.episodes import Episode, EpisodeBatch, EpisodeInputs
from autometa.learners import AbstractLearner, _kernel_gate, cross_entropy
from autometa.learners._column_kernel import ColumnKernel
from autometa.learners._kernel_gate import left_out_gain
from autometa.learners._ridge_head import left_out_predictions

Task = tuple[Episode, EpisodeInputs]


@pytest.fixture
def kernels_TNSS(batch: EpisodeBatch) -> torch.Tensor:
    """A kernel of the cells, and the one that the labels make."""
    x_TSF = batch.x_support_TSFH[..., 0]
    return torch.stack([x_TSF @ x_TSF.mT, batch.labels_TSW @ batch.labels_TWS], 1)


def test_the_left_out_gain_is_that_of_the_rows_that_have_others(
    batch: EpisodeBatch, kernels_TNSS: torch.Tensor
) -> None:
    """Mean log-probability above equal shares, over the classes of more than one row."""
    found_TN = left_out_gain(kernels_TNSS, batch)
    predicted_TNSW = left_out_predictions(kernels_TNSS, batch, noise=0.3)

    for task in range(batch.tasks):
        ways = int(batch.way_mask_TW[task].sum())
        counted = [
            row
            for row, label in enumerate(batch.y_TS[task].tolist())
            if label >= 0 and batch.shots_TW[task, label] > 1
        ]
        for kernel in range(2):
            log_SW = (4 * predicted_TNSW[task, kernel, :, :ways]).log_softmax(1)
            own = [float(log_SW[row, batch.y_TS[task, row]]) for row in counted]
            expected = np.mean(own) + np.log(ways) if counted else 0.0
            assert float(found_TN[task, kernel]) == pytest.approx(expected, abs=1e-9)


def test_without_a_second_row_nothing_is_left_out(
    draw_: Callable[..., Task], pack_: Callable[..., EpisodeBatch]
) -> None:
    """One row per class tells nothing of how well rows are foretold."""
    batch = pack_([draw_([1, 1, 1], 5, seed=2)])
    x_TSF = batch.x_support_TSFH[..., 0]

    assert left_out_gain((x_TSF @ x_TSF.mT)[:, None], batch).abs().max() == 0


def test_a_fresh_gate_changes_nothing(
    batch: EpisodeBatch, make_learner: Callable[..., AbstractLearner]
) -> None:
    """Training starts at the learner without a gate."""
    gated, plain = (make_learner("column_kernel", gate=gate) for gate in (True, False))
    assert isinstance(gated, ColumnKernel)
    assert gated.gate is not None
    with torch.no_grad():
        gated.gate.out.weight.zero_()
        gated.gate.out.bias.zero_()
    own = {name: value for name, value in gated.state_dict().items() if "gate" not in name}
    plain.load_state_dict(own)

    torch.testing.assert_close(gated(batch), plain(batch), rtol=0, atol=1e-12)


def test_kernels_are_not_trained_to_impress_the_gate(
    batch: EpisodeBatch,
    make_learner: Callable[..., AbstractLearner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gradients are those of a gate whose reading is fixed, its own weights' included."""
    learner = make_learner("column_kernel", adapt="head+scales")
    readings: list[torch.Tensor] = []

    def read(kernels_TNSS: torch.Tensor, of: EpisodeBatch) -> torch.Tensor:
        readings.append(left_out_gain(kernels_TNSS, of))
        return readings[-1]

    def gradients() -> list[torch.Tensor]:
        loss = cross_entropy(learner(batch), batch.y_TQ).mean()
        return list(torch.autograd.grad(loss, list(learner.parameters())))

    monkeypatch.setattr(_kernel_gate, "left_out_gain", read)
    found = gradients()
    fixed = readings[0].detach()
    monkeypatch.setattr(_kernel_gate, "left_out_gain", lambda *_: fixed)

    assert not readings[0].requires_grad
    for ours, expected in zip(found, gradients(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)
    names = [name for name, _ in learner.named_parameters()]
    assert found[names.index("gate.out.weight")].abs().max() > 1e-6
