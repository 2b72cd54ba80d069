"""The hand-written inner loop of MLPs against autograd and closed forms."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autometa.learners import _mlp_plan
from autometa.learners._inner_loop import Order
from autometa.learners._mlp_adaptation import MlpAdaptation
from autometa.learners._mlp_plan import MlpPlan
from autometa.learners._row_loss import Loss

TASKS, SUPPORT, QUERY, INPUTS, WAYS = 3, 6, 4, 3, 4


@dataclass(frozen=True)
class Case:
    """One combination of a plan's options."""

    hidden: tuple[int, ...] = (7, 5)
    loss: Loss = "cross_entropy"
    order: Order = "second"
    steps: int = 2
    clip: float | None = None
    has_skip: bool = False
    has_own_heads: bool = False

    def plan(self) -> MlpPlan:
        """Returns the plan of these options."""
        return MlpPlan(
            inner_lr=0.3,
            inner_steps=self.steps,
            order=self.order,
            loss=self.loss,
            clip=self.clip,
            hidden_scale=0.7,
        )


CASES = [
    pytest.param(case, id=name)
    for name, case in {
        "plain": Case(),
        "deep": Case(hidden=(6, 7, 5), steps=3),
        "shallow": Case(hidden=(6,), steps=1),
        "linear": Case(hidden=()),
        "linear-clip": Case(hidden=(), clip=0.05, has_own_heads=True),
        "no-steps": Case(steps=0, has_skip=True, has_own_heads=True),
        "squared": Case(loss="squared_error"),
        "squared-clip-skip": Case(loss="squared_error", clip=0.05, has_skip=True),
        "clip": Case(clip=0.05, steps=3),
        "clip-inactive": Case(clip=1e6),
        "skip": Case(has_skip=True),
        "own-heads": Case(has_own_heads=True),
        "all": Case(clip=0.05, has_skip=True, has_own_heads=True, steps=3),
        "first": Case(order="first"),
        "first-squared": Case(order="first", loss="squared_error", has_own_heads=True),
        "first-all": Case(order="first", clip=0.05, has_skip=True, has_own_heads=True, steps=3),
    }.items()
]


class Problem:
    """Random networks and tasks, with weighted rows of which some count for nothing."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.generator = torch.Generator().manual_seed(1)
        sizes = [INPUTS, *case.hidden]
        tasks = (TASKS,) if case.has_own_heads else ()
        hidden = [self._normal(fan_out, fan_in) for fan_in, fan_out in pairwise(sizes)]
        skip = [self._normal(*tasks, WAYS, INPUTS)] * case.has_skip
        self.weights = [*hidden, self._normal(*tasks, WAYS, sizes[-1]), *skip]
        biases = [self._normal(size) for size in case.hidden]
        self.biases = [*biases, self._normal(*tasks, WAYS)]
        self.x_TSF, self.x_TQF = (self._normal(TASKS, rows, INPUTS) for rows in (SUPPORT, QUERY))
        self.labels_TSW, self.labels_TQW = self._labels(SUPPORT), self._labels(QUERY)
        self.weights_TS = torch.rand(TASKS, SUPPORT, generator=self.generator).double()
        self.weights_TS[0, -2:] = 0
        self.weights_TQ = torch.rand(TASKS, QUERY, generator=self.generator).double()

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def _labels(self, rows: int) -> Tensor:
        if self.case.loss == "squared_error":
            return self._normal(TASKS, rows, WAYS)
        y_TR = torch.randint(WAYS, (TASKS, rows), generator=self.generator)
        return F.one_hot(y_TR, WAYS).double()

    def loss(self, theta: list[Tensor], task: int, *, is_query: bool) -> Tensor:
        """Returns the support or query loss of one task."""
        x_RF = (self.x_TQF if is_query else self.x_TSF)[task]
        labels_RW = (self.labels_TQW if is_query else self.labels_TSW)[task]
        weights_R1 = (self.weights_TQ if is_query else self.weights_TS)[task][:, None]
        weights, biases = theta[: len(self.weights)], theta[len(self.weights) :]
        depth, h_RP = len(self.case.hidden), x_RF
        for weight, bias in zip(weights[:depth], biases, strict=False):
            h_RP = F.relu(F.linear(h_RP, weight, bias))
        logits_RW = 0.7 * h_RP @ weights[depth].T + biases[-1]
        if self.case.has_skip:
            logits_RW = logits_RW + x_RF @ weights[-1].T
        if self.case.loss == "squared_error":
            return (weights_R1 * (logits_RW - labels_RW).square()).sum()
        return -(weights_R1 * labels_RW * logits_RW.log_softmax(-1)).sum()

    def start(self, task: int) -> list[Tensor]:
        """Returns the initial parameters of one task."""
        shared = len(self.case.hidden)
        own = self.case.has_own_heads
        return [
            value[task] if own and index >= shared else value
            for values in (self.weights, self.biases)
            for index, value in enumerate(values)
        ]

    def by_autograd(self) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """Returns loss, gradients of all parameters and of the support inputs, task by task."""
        parameters = [*self.weights, *self.biases]
        for value in (*parameters, self.x_TSF):
            value.requires_grad_()
        total = torch.zeros((), dtype=torch.float64)
        for task in range(TASKS):
            theta = self.start(task)
            for _ in range(self.case.steps):
                # Aliases, so that heads that share memory have gradients of their own.
                theta = [value.view_as(value) for value in theta]
                loss = self.loss(theta, task, is_query=False)
                slopes = torch.autograd.grad(loss, theta, create_graph=True)
                if self.case.clip is not None:
                    slopes = [slope.clamp(-self.case.clip, self.case.clip) for slope in slopes]
                if self.case.order == "first":
                    slopes = [slope.detach() for slope in slopes]
                theta = [value - 0.3 * slope for value, slope in zip(theta, slopes, strict=True)]
            total = total + self.loss(theta, task, is_query=True)
        *gradients, x_gradient = torch.autograd.grad(
            total, [*parameters, self.x_TSF], allow_unused=True
        )
        for value in (*parameters, self.x_TSF):
            value.requires_grad_(False)
        return total.detach(), list(gradients), x_gradient

    def meta_gradient(self, plan: MlpPlan) -> tuple[Tensor, list[Tensor]]:
        """Returns what the plan finds in one call."""
        loss, weight_gradients, bias_gradients = plan.meta_gradient(
            self.weights,
            self.biases,
            self.x_TSF,
            self.labels_TSW,
            self.x_TQF,
            self.labels_TQW,
            support_weights_TS=self.weights_TS,
            query_weights_TQ=self.weights_TQ,
        )
        return loss.clone(), [value.clone() for value in (*weight_gradients, *bias_gradients)]

    def adapt(self, plan: MlpPlan, *, is_final: bool = False) -> list[Tensor]:
        """Returns the parameters that the plan adapts."""
        weights, biases = plan.adapt(
            self.weights,
            self.biases,
            self.x_TSF,
            self.labels_TSW,
            self.weights_TS,
            is_final=is_final,
        )
        return [value.clone() for value in (*weights, *biases)]

    def query_cotangents(self, adapted: list[Tensor]) -> list[Tensor]:
        """Returns the derivatives of the query loss with respect to adapted parameters."""
        leaves = [value.detach().requires_grad_() for value in adapted]
        losses = [
            self.loss([value[task] for value in leaves], task, is_query=True)
            for task in range(TASKS)
        ]
        return list(torch.autograd.grad(torch.stack(losses).sum(), leaves))


def assert_agree(found: list[Tensor], expected: list[Tensor]) -> None:
    """Asserts that tensors agree to 1e-10."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_are_those_of_autograd_task_by_task(case: Case) -> None:
    """All options give what autograd finds in a loop over tasks."""
    problem = Problem(case)
    expected_loss, expected, _ = problem.by_autograd()

    loss, gradients = problem.meta_gradient(case.plan())

    assert_agree([loss, *gradients], [expected_loss, *expected])


@pytest.mark.parametrize("case", CASES)
def test_the_parts_differentiate_any_query_loss_and_the_inputs(case: Case) -> None:
    """From the derivatives of a query loss taken elsewhere the way back leads to all inputs."""
    problem, plan = Problem(case), case.plan()
    _, expected, expected_x = problem.by_autograd()
    adapted = problem.adapt(plan)
    cotangents, count = problem.query_cotangents(adapted), len(problem.weights)

    weight_gradients, bias_gradients, x_gradient = plan.pull_back(
        cotangents[:count], cotangents[count:], needs_inputs=True
    )

    assert_agree([*weight_gradients, *bias_gradients], expected)
    if case.order == "first" or case.steps == 0:
        assert x_gradient is None
        assert expected_x is None
    else:
        assert_agree([x_gradient], [expected_x])
    assert_agree(problem.adapt(plan, is_final=True), adapted)


def test_a_linear_model_has_the_gradient_of_the_closed_form() -> None:
    """With X w the outer gradient of a step is (I - 2 a / S X'X) 2 / Q Xq' (Xq w' - yq)."""
    generator = torch.Generator().manual_seed(2)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    w_1F, x_SF, y_S1, x_QF, y_Q1 = (
        normal(*shape) for shape in ((1, 3), (5, 3), (5, 1), (4, 3), (4, 1))
    )
    plan = MlpPlan(inner_lr=0.1, inner_steps=1, loss="squared_error")

    loss, (gradient_1F,), _ = plan.meta_gradient(
        [w_1F], [torch.zeros(1).double()], x_SF[None], y_S1[None], x_QF[None], y_Q1[None]
    )

    w_F1 = w_1F.T
    # The bias descends too, from zero.
    bias = -0.2 * (x_SF @ w_F1 - y_S1).mean()
    moved_F1 = w_F1 - 0.2 / 5 * x_SF.T @ (x_SF @ w_F1 - y_S1)
    error_Q1 = x_QF @ moved_F1 + bias - y_Q1
    by_weight_F1 = (torch.eye(3) - 0.2 / 5 * x_SF.T @ x_SF) @ (2 / 4 * x_QF.T @ error_Q1)
    by_bias_F1 = -0.2 * x_SF.mean(0)[:, None] * 2 * error_Q1.mean()
    torch.testing.assert_close(loss, error_Q1.square().mean())
    torch.testing.assert_close(gradient_1F.T, by_weight_F1 + by_bias_F1)


def test_the_first_order_leaves_out_the_hessians() -> None:
    """Its gradient is that of the query loss at the adapted parameters, summed over tasks."""
    problem = Problem(Case(order="first"))
    adapted = problem.adapt(problem.case.plan())

    _, gradients = problem.meta_gradient(problem.case.plan())

    assert_agree(gradients, [value.sum(0) for value in problem.query_cotangents(adapted)])


@pytest.mark.parametrize("has_own_heads", [False, True])
def test_tasks_that_are_moved_part_by_part_give_the_same(
    has_own_heads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where their parameters do not fit into the cache, parts of the tasks follow one another."""
    problem = Problem(Case(has_own_heads=has_own_heads))
    loss, gradients = problem.meta_gradient(problem.case.plan())
    # Two of the three tasks fit.
    monkeypatch.setattr(_mlp_plan, "_CACHE_BYTES", 8 * 2 * 4 * (21 + 35 + 20 + 16))

    in_parts_loss, in_parts = problem.meta_gradient(problem.case.plan())

    assert_agree([in_parts_loss, *in_parts], [loss, *gradients])


def test_memory_is_used_again() -> None:
    """Batches of equal or smaller shapes need no more of it, and nothing that it held counts."""
    problem, plan = Problem(Case(clip=0.05)), Case(clip=0.05).plan()
    problem.meta_gradient(plan)
    memory = plan.memory
    plan._workspace._buffer.fill_(math.nan)
    problem.x_TSF, problem.labels_TSW = problem.x_TSF[:, :4], problem.labels_TSW[:, :4]
    problem.weights_TS = problem.weights_TS[:, :4]

    found = [problem.meta_gradient(plan) for _ in range(2)]

    assert plan.memory == memory
    loss, gradients = problem.meta_gradient(problem.case.plan())
    for again_loss, again in found:
        assert_agree([again_loss, *again], [loss, *gradients])


@pytest.mark.parametrize("order", ["first", "second"])
def test_nothing_is_allocated_once_the_shapes_are_known(order: Order) -> None:
    """PyTorch allocates nothing but the scalars of its own calls."""
    problem = Problem(Case(order=order, clip=0.05))
    plan, arguments = problem.case.plan(), (problem.weights, problem.biases)
    rows = (problem.x_TSF, problem.labels_TSW, problem.x_TQF, problem.labels_TQW)
    plan.meta_gradient(*arguments, *rows)

    with torch.profiler.profile(profile_memory=True) as profile:
        plan.meta_gradient(*arguments, *rows)

    assert sum(max(event.self_cpu_memory_usage, 0) for event in profile.events()) <= 64


def test_the_host_never_waits_for_a_value() -> None:
    """Tensors without values go all the way through, so that a CUDA graph can hold the call."""
    problem = Problem(Case(clip=0.05, has_skip=True, has_own_heads=True))

    def without_values(*tensors: Tensor) -> list[Tensor]:
        return [tensor.to("meta") for tensor in tensors]

    loss, gradients, _ = problem.case.plan().meta_gradient(
        without_values(*problem.weights),
        without_values(*problem.biases),
        *without_values(problem.x_TSF, problem.labels_TSW, problem.x_TQF, problem.labels_TQW),
    )

    assert loss.is_meta
    assert [value.shape for value in gradients] == [value.shape for value in problem.weights]


def test_there_is_no_way_back_from_a_final_adaptation() -> None:
    """It keeps no steps, so that asking for one is an error and not a wrong answer."""
    problem, plan = Problem(Case()), Case().plan()
    problem.adapt(plan, is_final=True)

    with pytest.raises(RuntimeError, match="must follow an adapt that is not final"):
        plan.pull_back([], [])


def adaptation() -> MlpAdaptation:
    """Returns a differentiable adaptation."""
    return MlpAdaptation(inner_lr=0.3, inner_steps=2, order="second", clip=0.5, hidden_scale=0.7)


def test_adaptations_may_nest() -> None:
    """Each keeps its steps until its own graph is gone, whatever is adapted in between."""
    problem = Problem(Case(has_own_heads=True))
    adapt = adaptation()

    def total(scale: float) -> tuple[Tensor, Tensor]:
        x_TSF = (scale * problem.x_TSF).requires_grad_()
        weights, biases = adapt(
            problem.weights, problem.biases, x_TSF, problem.labels_TSW, problem.weights_TS
        )
        return torch.stack([value.square().sum() for value in (*weights, *biases)]).sum(), x_TSF

    expected = [torch.autograd.grad(*total(scale))[0] for scale in (1.0, 2.0)]

    graphs = [total(1.0), total(2.0)]
    with torch.no_grad():
        total(3.0)

    assert_agree([torch.autograd.grad(*graph)[0] for graph in graphs], expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_of_an_adaptation_hold_no_memory(
    copied: Callable[[MlpAdaptation], MlpAdaptation],
) -> None:
    """A copied learner begins with its weights alone, and adapts as the original does."""
    problem, adapt = Problem(Case(has_own_heads=True)), adaptation()
    arguments = (problem.weights, problem.biases, problem.x_TSF, problem.labels_TSW)
    expected, _ = adapt(*arguments, problem.weights_TS)

    other = copied(adapt)

    assert len(pickle.dumps(adapt)) < 1000
    assert_agree(other(*arguments, problem.weights_TS)[0], expected)


def test_one_plan_serves_adaptation_and_meta_gradients_in_turn() -> None:
    """Layouts of the two kinds of calls share their memory, and are never taken for each other."""
    problem = Problem(Case())
    x_TQF, labels_TQW = problem.x_TQF[:, :1], problem.labels_TQW[:, :1]
    own = problem.weights, problem.biases, problem.x_TSF, problem.labels_TSW
    plan = problem.case.plan()

    plan.adapt(*own, is_final=True)
    loss, _, _ = plan.meta_gradient(*own, x_TQF, labels_TQW)
    loss = loss.clone()
    plan.adapt(*own, is_final=True)

    expected, _, _ = problem.case.plan().meta_gradient(*own, x_TQF, labels_TQW)
    torch.testing.assert_close(loss, expected, rtol=0, atol=0)


def test_shapes_that_would_be_repeated_are_refused() -> None:
    """Labels of one row, or inputs of one task, do not stand for those of all."""
    problem = Problem(Case())
    weights, biases, x_TSF = problem.weights, problem.biases, problem.x_TSF
    plan = problem.case.plan()

    with pytest.raises(ValueError, match=r"labels must have shape \(3, 6, 4\); got \(3, 1, 4\)"):
        plan.adapt(weights, biases, x_TSF, problem.labels_TSW[:, :1])
    with pytest.raises(ValueError, match="weights of rows must have shape"):
        plan.adapt(weights, biases, x_TSF, problem.labels_TSW, problem.weights_TS[:1])
    with pytest.raises(ValueError, match="inputs must have shape"):
        plan.meta_gradient(
            *(weights, biases, x_TSF, problem.labels_TSW),
            *(problem.x_TQF[:, :, :1], problem.labels_TQW),
        )
