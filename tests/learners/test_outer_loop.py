"""Meta-training: schedule, averaging, resuming and divergence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autometa.config import ColumnKernelConfig, FomamlConfig, MamlConfig
from autometa.episodes import Episode, EpisodeBatch, EpisodeInputs, assemble, principal_axes
from autometa.errors import RunError
from autometa.learners import (
    AbstractLearner,
    DivergedError,
    OuterLoop,
    build_learner,
    cross_entropy,
    learner_weights,
)
from autometa.learners._outer_loop import _scheduled_rate

SMALL = {
    "maml": MamlConfig(width=8, depth=2, columns=4, inner_steps=2),
    "fomaml": FomamlConfig(width=8, depth=1, columns=4, inner_steps=2, head="zero"),
    "column_kernel": ColumnKernelConfig(
        adapt="head+scales", width=8, depth=2, inner_steps=2, head_steps=4
    ),
}


def easy_batch(step: int, *, tasks: int = 4, columns: int = 8) -> EpisodeBatch:
    """Returns tasks whose first statistic marks the one column that tells the classes apart."""
    rng = np.random.default_rng([7, step])
    episodes, inputs, bases = [], [], []
    labels = np.array([0] * 3 + [1] * 3 + [0] * 4 + [1] * 4)
    for _ in range(tasks):
        z_RF = rng.normal(size=(len(labels), columns))
        stats_FJ = np.zeros((columns, 9), np.float32)
        informative = rng.integers(columns)
        stats_FJ[informative, 0] = 1
        z_RF[:, informative] = 1.5 * (2 * labels - 1) + 0.3 * rng.normal(size=len(labels))
        x_RFH = np.stack([z_RF, z_RF], -1).astype(np.float32)
        episodes.append(Episode(np.arange(6), labels[:6], np.arange(6, 14), labels[6:], 2))
        inputs.append(EpisodeInputs(x_RFH, stats_FJ, np.ones(columns, bool), 14))
        bases.append(principal_axes(x_RFH[..., 0], 4))
    return assemble(episodes, inputs, bases)


def make_loop(name: str, *, outer_steps: int = 40, outer_lr: float = 3e-3) -> OuterLoop:
    """Returns a fresh loop on the easy stream."""
    learner = build_learner(SMALL[name], seed=0)
    return OuterLoop(learner, easy_batch, outer_steps=outer_steps, outer_lr=outer_lr)


def same_tensors(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether two states hold the same names and the same bits."""
    return left.keys() == right.keys() and all(
        torch.equal(value, right[name]) for name, value in left.items()
    )


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_a_resumed_run_is_bit_identical(name: str, stop: int) -> None:
    """Weights, averages and moments after a resume are those of an undisturbed run."""
    undisturbed, first, resumed = (make_loop(name) for _ in range(3))
    undisturbed.run_until(12)
    first.run_until(stop)
    saved = first.state()
    first.run_until(stop + 2)  # a state is a copy: running on must not change it

    resumed.load_state(saved)
    resumed.run_until(12)

    assert resumed.step == 12
    assert same_tensors(resumed.state(), undisturbed.state())


def test_a_used_loop_can_be_set_back() -> None:
    """Loading a fresh state forgets the moments of what ran before."""
    loop, undisturbed = make_loop("column_kernel"), make_loop("column_kernel")
    start = loop.state()
    loop.run_until(5)

    loop.load_state(start)
    loop.run_until(3)
    undisturbed.run_until(3)

    assert same_tensors(loop.state(), undisturbed.state())


def test_running_in_pieces_is_running_at_once() -> None:
    """Rungs only interrupt; a target that lies behind does nothing."""
    pieces, whole = make_loop("column_kernel"), make_loop("column_kernel")
    seen: list[int] = []

    for rung in (2, 2, 5, 1, 9):
        pieces.run_until(rung, on_step=seen.append)
    whole.run_until(9)

    assert seen == list(range(1, 10))
    assert same_tensors(pieces.state(), whole.state())


def test_state_survives_an_interruption_in_the_callback() -> None:
    """A callback that raises leaves a loop that goes on where it stopped."""
    interrupted, whole = make_loop("column_kernel"), make_loop("column_kernel")

    def stop_at_four(step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.run_until(9, on_step=stop_at_four)
    interrupted.run_until(9)
    whole.run_until(9)

    assert same_tensors(interrupted.state(), whole.state())


def test_averaged_weights_are_the_moving_average() -> None:
    """The average follows a_t = d a_(t-1) + (1 - d) w_t with d = min(.99, (1 + t) / (10 + t))."""
    loop = make_loop("column_kernel")
    expected = learner_weights(loop.learner)

    for step in range(6):
        loop.run_until(step + 1)
        decay = min(0.99, (1 + step) / (10 + step))
        for name, value in learner_weights(loop.learner).items():
            expected[name] = decay * expected[name] + (1 - decay) * value

    averaged = loop.averaged()
    for name, value in learner_weights(averaged).items():
        torch.testing.assert_close(value, expected[name])
    assert not averaged.training
    assert not same_tensors(learner_weights(averaged), learner_weights(loop.learner))


def test_averaged_learner_is_a_copy() -> None:
    """Training on does not change a learner that was handed out."""
    loop = make_loop("column_kernel")
    loop.run_until(2)
    averaged = loop.averaged()
    before = learner_weights(averaged)

    loop.run_until(5)

    assert same_tensors(learner_weights(averaged), before)


def test_the_rate_warms_up_and_falls_to_three_percent() -> None:
    """The schedule rises over 50 steps, never rises again, and ends at 3 % of the peak."""
    rates = [_scheduled_rate(step, 400) for step in range(500)]

    assert rates[0] == pytest.approx(1 / 50, rel=1e-3)
    assert np.argmax(rates) == 49
    assert (np.diff(rates[49:]) <= 0).all()
    assert rates[200] == pytest.approx(0.03 + 0.97 * 0.5)
    assert rates[400:] == [pytest.approx(0.03)] * 100


def test_the_scheduled_rate_is_applied() -> None:
    """The first AdamW step moves a weight by the scheduled rate, whatever the gradient's size."""
    loop = make_loop("column_kernel", outer_steps=1000, outer_lr=0.1)
    before = learner_weights(loop.learner)

    loop.run_until(1)

    moved = max(
        float((value - before[name]).abs().max())
        for name, value in learner_weights(loop.learner).items()
    )
    assert moved == pytest.approx(0.1 / 50, rel=0.02)


class _Poisoned(AbstractLearner):
    """A learner whose query loss is not finite at chosen steps."""

    def __init__(self, bad: Callable[[int], bool], value: float) -> None:
        super().__init__()
        self.config = SMALL["maml"]
        self.weight = nn.Parameter(torch.ones(2))
        self.calls = 0
        self.bad = bad
        self.value = value

    def adapt(self, batch: EpisodeBatch) -> dict[str, Tensor]:
        self.calls += 1
        return {"scale": self.weight * (self.value if self.bad(self.calls - 1) else 1.0)}

    def predict(self, adapted: dict[str, Tensor], x_TQFH: Tensor) -> Tensor:
        return x_TQFH[:, :, :2, 0] * adapted["scale"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_losses_that_are_not_finite_diverge(value: float) -> None:
    """After 20 forgiven steps a run that stays non-finite raises, and says what to lower."""
    learner = _Poisoned(lambda _: True, value)
    loop = OuterLoop(learner, easy_batch, outer_steps=100, outer_lr=1e-2)

    with pytest.raises(DivergedError, match=r"21 of 21 .* lower inner_lr"):
        loop.run_until(100)

    assert torch.equal(learner.weight, torch.ones(2))
    assert issubclass(DivergedError, RunError)


def test_a_few_bad_steps_are_skipped() -> None:
    """A step that is not finite changes neither weights nor averages, and training goes on."""
    loop = OuterLoop(
        _Poisoned(lambda call: call == 1, math.nan), easy_batch, outer_steps=9, outer_lr=0.1
    )
    loop.run_until(1)
    before = loop.state()

    loop.run_until(2)

    after = loop.state()
    assert after.pop("counters").tolist() == [2, 1]
    assert before.pop("counters").tolist() == [1, 0]
    assert same_tensors(before, after)
    loop.run_until(3)
    assert not torch.equal(loop.state()["weight/weight"], after["weight/weight"])


def test_a_tenth_of_a_long_run_may_be_skipped() -> None:
    """Isolated bad steps do not end a long run."""
    learner = _Poisoned(lambda call: call % 11 == 0, math.nan)
    loop = OuterLoop(learner, easy_batch, outer_steps=400, outer_lr=1e-3)

    loop.run_until(400)

    assert loop.skipped == 37


@pytest.mark.parametrize("name", ["maml", "column_kernel"])
def test_the_loss_falls_on_an_easy_stream(name: str) -> None:
    """A hundred steps teach a learner which columns to trust, or which start adapts well."""
    learner = build_learner(SMALL[name], seed=0)
    loop = OuterLoop(learner, easy_batch, outer_steps=120, outer_lr=2e-2)

    def loss(learner: AbstractLearner) -> float:
        with torch.no_grad():
            batches = [easy_batch(step) for step in range(10_000, 10_010)]
            return float(
                np.mean([cross_entropy(learner(batch), batch.y_TQ).mean() for batch in batches])
            )

    before = loss(learner)
    loop.run_until(120)

    assert loss(loop.averaged()) < 0.6 * before


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda state: state.pop("counters"), id="no counters"),
        pytest.param(lambda state: state.pop("weight/log_kernel_weights"), id="missing weight"),
        pytest.param(
            lambda state: state.update({"weight/other": torch.zeros(2)}), id="unknown weight"
        ),
        pytest.param(
            lambda state: state.update({"average/head.log_gain": torch.zeros(1)}),
            id="a shape that would broadcast",
        ),
    ],
)
def test_a_spoilt_checkpoint_is_refused(spoil: Callable[[dict[str, Tensor]], object]) -> None:
    """Tensors that are missing, unknown or of another shape are an error, not half a resume."""
    loop = make_loop("column_kernel")
    before, spoilt = loop.state(), make_loop("column_kernel").state()
    spoil(spoilt)

    with pytest.raises(RunError, match="checkpoint"):
        loop.load_state(spoilt)

    assert same_tensors(loop.state(), before)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("column_kernel", {"width": 1}),
        ("column_kernel", {"depth": 3}),
        ("column_kernel", {"adapt": "head"}),
        ("maml", {"depth": 3}),
        ("maml", {"depth": 1}),
    ],
)
def test_a_checkpoint_of_another_learner_is_refused(name: str, changes: dict[str, object]) -> None:
    """Another width, depth or kind of adaptation does not fit, even where its tensors overlap."""
    other = build_learner(SMALL[name].model_copy(update=changes), seed=0)
    checkpoint = OuterLoop(other, easy_batch, outer_steps=9, outer_lr=0.1).state()

    with pytest.raises(RunError, match="checkpoint"):
        make_loop(name).load_state(checkpoint)


def test_absent_gradients_are_no_obstacle() -> None:
    """Parameters that a configuration does not use get no gradient, and nothing but decay."""
    loop = make_loop("fomaml")
    with torch.no_grad():
        loop.learner.get_parameter("log_gain").fill_(0.5)

    loop.run_until(2)

    state = loop.state()
    assert not state["exp_avg/log_gain"].any()
    torch.testing.assert_close(state["weight/log_gain"], torch.full((2,), 0.5), rtol=1e-5, atol=0)


def test_batches_are_not_changed() -> None:
    """Training leaves the tensors of its batches alone, since a stream may hand them out again."""
    batch = easy_batch(0)
    given = {field.name: getattr(batch, field.name).clone() for field in dataclasses.fields(batch)}
    loop = OuterLoop(
        build_learner(SMALL["column_kernel"], seed=0), lambda _: batch, outer_steps=3, outer_lr=0.1
    )
    loop.run_until(1)
    computed = {name: value.clone() for name, value in vars(batch).items()}

    loop.run_until(3)

    assert len(computed) > len(given)
    assert same_tensors(computed, vars(batch))
    assert same_tensors(given, {name: getattr(batch, name) for name in given})


def test_moments_of_weights_without_gradients_may_be_missing() -> None:
    """A checkpoint of an earlier version, which kept no moments of unused weights, is resumed."""
    loop, resumed = make_loop("fomaml"), make_loop("fomaml")
    loop.run_until(3)
    saved = loop.state()
    for kind in ("exp_avg", "exp_avg_sq", "step"):
        del saved[f"{kind}/log_gain"]

    resumed.load_state(saved)
    resumed.run_until(6)
    loop.run_until(6)

    assert same_tensors(resumed.state(), loop.state())
