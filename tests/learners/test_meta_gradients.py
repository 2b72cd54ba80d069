"""The meta-gradient of every learner against finite differences of its outer loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.learners import AbstractLearner, _maml, _scale_descent, cross_entropy

COORDINATES = 3

SECOND_ORDER = [
    pytest.param("maml", {"inputs": "columns", "head": "prototype"}, id="maml-columns"),
    pytest.param("maml", {"inputs": "padded", "head": "prototype"}, id="maml-padded-prototype"),
    pytest.param("maml", {"inputs": "padded", "head": "zero"}, id="maml-padded-zero"),
    pytest.param("maml", {"inputs": "projected", "head": "prototype"}, id="maml-projected"),
    pytest.param("maml", {"inputs": "projected", "head": "zero"}, id="maml-projected-zero"),
    pytest.param("maml", {"adapt": "head"}, id="maml-head"),
    pytest.param("column_kernel", {"adapt": "head", "gate": False}, id="column_kernel-head"),
    pytest.param(
        "column_kernel", {"adapt": "head+scales", "gate": False}, id="column_kernel-head+scales"
    ),
    pytest.param(
        "column_kernel",
        {"adapt": "head+scales", "head": "descent", "gate": False},
        id="column_kernel-descent",
    ),
]


def outer_loss(learner: AbstractLearner, batch: EpisodeBatch) -> Tensor:
    """Returns the query loss that the outer loop descends."""
    return cross_entropy(learner(batch), batch.y_TQ).mean()


def check_gradients(
    learner: AbstractLearner,
    loss: Callable[[], Tensor],
    finite_difference: Callable[[Callable[[], Tensor], Tensor, int], float],
) -> None:
    """Asserts that the gradients in place are the numerical ones of a loss."""
    generator = torch.Generator().manual_seed(5)
    for name, parameter in learner.named_parameters():
        if parameter.grad is None:
            continue
        gradient = parameter.grad.view(-1)
        # The largest entry, so that no tensor passes on zeros alone, and random ones.
        picked = {int(gradient.abs().argmax())} | set(
            torch.randint(len(gradient), (COORDINATES,), generator=generator).tolist()
        )
        for index in picked:
            expected = finite_difference(loss, parameter, index)
            assert float(gradient[index]) == pytest.approx(expected, rel=1e-5, abs=1e-8), name


@pytest.mark.parametrize(("name", "fields"), SECOND_ORDER)
def test_meta_gradient_is_that_of_the_outer_loss(
    *,
    name: str,
    fields: dict[str, str],
    batch: EpisodeBatch,
    make_learner: Callable[..., AbstractLearner],
    finite_difference: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every meta-parameter's gradient is the derivative of the query loss after adaptation."""
    learner = make_learner(name, inner_lr=0.1, inner_steps=3, **fields)
    # Small cells give small inner gradients, which no clip touches (asserted below).
    batch = dataclasses.replace(batch, x_TRFH=0.5 * batch.x_TRFH)
    loss = outer_loss(learner, batch)

    loss.backward()

    check_gradients(learner, lambda: outer_loss(learner, batch), finite_difference)
    moving = {name for name, value in learner.named_parameters() if value.grad is not None}
    unused = {"log_gain"} if fields.get("head") == "zero" else set()
    assert moving == {name for name, _ in learner.named_parameters()} - unused
    monkeypatch.setattr(_maml, "_INNER_CLIP", 1e6)
    monkeypatch.setattr(_scale_descent, "SCALE_CLIP", 1e6)
    unclipped = make_learner(name, inner_lr=0.1, inner_steps=3, **fields)
    torch.testing.assert_close(outer_loss(unclipped, batch), loss, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["maml", "fomaml"])
@pytest.mark.parametrize("inputs", ["columns", "projected", "padded"])
@pytest.mark.parametrize("head", ["prototype", "zero"])
@pytest.mark.parametrize("adapt", ["all", "head"])
@pytest.mark.parametrize("inner_steps", [0, 1, 3])
def test_the_written_out_inner_loop_is_the_recorded_one(
    *,
    name: str,
    inputs: str,
    head: str,
    adapt: str,
    inner_steps: int,
    batch: EpisodeBatch,
    make_learner: Callable[..., AbstractLearner],
) -> None:
    """Logits and all meta-gradients agree to 1e-10, whether the clip is active or not."""
    for inner_lr in (0.1, 30.0):
        learner = make_learner(
            name,
            inputs=inputs,
            head=head,
            adapt=adapt,
            inner_steps=inner_steps,
            inner_lr=inner_lr,
        )
        found = {}
        for is_written_out in (True, False):
            learner.is_written_out = is_written_out
            logits_TQW = learner(batch)
            gradients = torch.autograd.grad(
                cross_entropy(logits_TQW, batch.y_TQ).mean(),
                list(learner.parameters()),
                materialize_grads=True,
                allow_unused=True,
            )
            with torch.no_grad():
                final_TQW = learner(batch)
            found[is_written_out] = [logits_TQW.detach(), final_TQW, *gradients]

        for one, other in zip(found[True], found[False], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("head", ["prototype", "zero"])
def test_first_order_gradient_holds_the_inner_gradient_constant(
    head: str,
    batch: EpisodeBatch,
    make_learner: Callable[..., AbstractLearner],
    finite_difference: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gradient of fomaml is that of a loss whose inner steps are frozen where they were."""
    learner = make_learner("fomaml", inner_lr=0.1, inner_steps=3, head=head)
    learner.is_written_out = False
    recorded: list[dict[str, Tensor]] = []
    support_gradient = _maml.support_gradient

    def record(*args: object, **kwargs: object) -> dict[str, Tensor]:
        recorded.append(support_gradient(*args, **kwargs))
        return recorded[-1]

    monkeypatch.setattr(_maml, "support_gradient", record)
    outer_loss(learner, batch).backward()

    def frozen_loss() -> Tensor:
        steps = iter(recorded)
        monkeypatch.setattr(_maml, "support_gradient", lambda *_, **__: next(steps))
        return outer_loss(learner, batch)

    assert len(recorded) == 3
    assert not any(value.requires_grad for step in recorded for value in step.values())
    check_gradients(learner, frozen_loss, finite_difference)


def test_maml_and_fomaml_agree_in_value_and_differ_in_gradient(
    batch: EpisodeBatch, make_learner: Callable[..., AbstractLearner]
) -> None:
    """First order changes the meta-gradient and nothing else."""
    losses, gradients = {}, {}

    for name in ("maml", "fomaml"):
        learner = make_learner(name, inner_lr=0.3, inner_steps=3)
        loss = outer_loss(learner, batch)
        loss.backward()
        losses[name] = loss.item()
        gradients[name] = torch.cat([value.grad.view(-1) for value in learner.parameters()])

    assert losses["maml"] == losses["fomaml"]
    assert (gradients["maml"] - gradients["fomaml"]).norm() > 0.01 * gradients["maml"].norm()


def test_maml_and_fomaml_agree_without_inner_steps(
    batch: EpisodeBatch, make_learner: Callable[..., AbstractLearner]
) -> None:
    """With no inner step there is no second-order term."""
    gradients = {}

    for name in ("maml", "fomaml"):
        learner = make_learner(name, inner_steps=0)
        outer_loss(learner, batch).backward()
        gradients[name] = torch.cat([value.grad.view(-1) for value in learner.parameters()])

    torch.testing.assert_close(gradients["maml"], gradients["fomaml"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "fields"),
    [("maml", {}), ("fomaml", {}), ("column_kernel", {"adapt": "head+scales"})],
)
def test_gradients_are_finite_at_extreme_rates(
    name: str,
    fields: dict[str, str],
    batch: EpisodeBatch,
    make_learner: Callable[..., AbstractLearner],
) -> None:
    """A moderate excess of the inner rate gives finite gradients, because steps are bounded."""
    learner = make_learner(name, inner_lr=3.0, inner_steps=5, **fields)

    outer_loss(learner, batch).backward()

    for parameter in learner.parameters():
        assert torch.isfinite(parameter.grad).all()
