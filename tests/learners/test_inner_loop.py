"""The inner loop against analytic answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autometa.learners import descend, support_gradient

TASKS, ROWS, FEATURES = 3, 8, 4
UNCLIPPED = float("inf")


@pytest.fixture
def regression() -> dict[str, Tensor]:
    """Support and query rows of three least-squares tasks, and a shared start."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return {
        "x_TSF": normal(TASKS, ROWS, FEATURES),
        "y_TS": normal(TASKS, ROWS),
        "x_TQF": normal(TASKS, ROWS, FEATURES),
        "y_TQ": normal(TASKS, ROWS),
        "w_F": normal(FEATURES),
    }


def squared_loss(x_TRF: Tensor, y_TR: Tensor, w_TF: Tensor) -> Tensor:
    """Returns half the squared error of each task's linear model."""
    return 0.5 * ((x_TRF @ w_TF[..., None])[..., 0] - y_TR).square().sum(1)


def meta_gradient(
    regression: dict[str, Tensor], *, order: str, inner_lr: float, inner_steps: int
) -> Tensor:
    """Returns the gradient of the summed query loss with respect to the shared start."""
    w_F = regression["w_F"].clone().requires_grad_(True)

    def support_loss(fast: dict[str, Tensor]) -> Tensor:
        return squared_loss(regression["x_TSF"], regression["y_TS"], fast["w"])

    adapted = descend(
        {"w": w_F.expand(TASKS, FEATURES)},
        lambda fast: support_gradient(support_loss, fast, order=order, clip=UNCLIPPED),
        inner_lr=inner_lr,
        inner_steps=inner_steps,
    )
    squared_loss(regression["x_TQF"], regression["y_TQ"], adapted["w"]).sum().backward()
    return w_F.grad


def analytic_gradient(
    regression: dict[str, Tensor], *, order: str, inner_lr: float, inner_steps: int
) -> Tensor:
    """Returns sum over tasks of (I - a H)^steps g, or of g alone for first order."""
    total = torch.zeros(FEATURES, dtype=torch.float64)
    for task in range(TASKS):
        x_SF, x_QF = regression["x_TSF"][task], regression["x_TQF"][task]
        w_F = regression["w_F"]
        contraction_FF = torch.eye(FEATURES, dtype=torch.float64) - inner_lr * x_SF.T @ x_SF
        for _ in range(inner_steps):
            w_F = w_F - inner_lr * x_SF.T @ (x_SF @ w_F - regression["y_TS"][task])
        gradient_F = x_QF.T @ (x_QF @ w_F - regression["y_TQ"][task])
        if order == "second":
            gradient_F = torch.linalg.matrix_power(contraction_FF, inner_steps).T @ gradient_F
        total += gradient_F
    return total


@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("inner_steps", [0, 1, 4])
def test_meta_gradient_of_least_squares_is_the_analytic_one(
    regression: dict[str, Tensor], order: str, inner_steps: int
) -> None:
    """Second order gives (I - a H)^k g for k steps on a quadratic, and first order gives g."""
    setting = {"order": order, "inner_lr": 0.03, "inner_steps": inner_steps}

    measured = meta_gradient(regression, **setting)

    expected = analytic_gradient(regression, **setting)
    torch.testing.assert_close(measured, expected, rtol=0, atol=1e-10)


def test_dropping_the_second_order_term_is_noticed(regression: dict[str, Tensor]) -> None:
    """A first-order meta-gradient is far from the analytic second-order one."""
    first = meta_gradient(regression, order="first", inner_lr=0.03, inner_steps=1)

    expected = analytic_gradient(regression, order="second", inner_lr=0.03, inner_steps=1)

    assert (first - expected).abs().max() > 1e-2


def test_meta_gradient_of_a_softmax_model_uses_its_hessian() -> None:
    """One step on a softmax model gives (I - a H) g with the Hessian of the support loss."""
    generator = torch.Generator().manual_seed(0)
    x_SF = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    x_QF = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    y_S, y_Q = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([2, 1, 0, 1, 2])
    start = torch.randn(9, generator=generator, dtype=torch.float64)
    inner_lr = 0.2

    def loss(x_RF: Tensor, y_R: Tensor, w_P: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(x_RF @ w_P.view(3, 3), y_R)

    def analytic() -> Tensor:
        # Gradient and Hessian in closed form: X^T (p - y) / S and sum (diag p - p p^T) (x) x x^T.
        p_SW = (x_SF @ start.view(3, 3)).softmax(-1)
        one_hot_SW = torch.eye(3, dtype=torch.float64)[y_S]
        adapted = start - inner_lr * (x_SF.T @ (p_SW - one_hot_SW) / 6).reshape(-1)
        curvature = torch.diag_embed(p_SW) - p_SW[:, :, None] * p_SW[:, None]
        hessian = torch.einsum("sf,sg,swv->fwgv", x_SF, x_SF, curvature).reshape(9, 9) / 6
        q_QW = (x_QF @ adapted.view(3, 3)).softmax(-1) - torch.eye(3, dtype=torch.float64)[y_Q]
        outer = (x_QF.T @ q_QW / 5).reshape(-1)
        return (torch.eye(9, dtype=torch.float64) - inner_lr * hessian) @ outer

    weights = start.clone().requires_grad_(True)

    adapted = descend(
        {"w": weights[None]},
        lambda fast: support_gradient(
            lambda now: loss(x_SF, y_S, now["w"][0])[None], fast, order="second", clip=UNCLIPPED
        ),
        inner_lr=inner_lr,
        inner_steps=1,
    )
    loss(x_QF, y_Q, adapted["w"][0]).backward()

    torch.testing.assert_close(weights.grad, analytic(), rtol=0, atol=1e-10)


def test_no_inner_step_returns_the_start() -> None:
    """With zero steps the direction is never asked for."""
    start = {"w": torch.ones(2, 3)}

    def refuse(fast: dict[str, Tensor]) -> dict[str, Tensor]:
        raise AssertionError("no direction is needed")

    assert descend(start, refuse, inner_lr=1.0, inner_steps=0) is start


def test_gradient_is_clipped_by_entry() -> None:
    """Every entry of the inner gradient lies within the clip, and smaller ones are untouched."""
    fast = {"w": torch.tensor([[0.1, -5.0, 7.0]])}

    gradient = support_gradient(
        lambda now: 0.5 * now["w"].square().sum(1), fast, order="second", clip=2.0
    )

    torch.testing.assert_close(gradient["w"], torch.tensor([[0.1, -2.0, 2.0]]))


def test_adapts_where_gradients_are_disabled(regression: dict[str, Tensor]) -> None:
    """Evaluation without gradients gives the numbers of training and keeps no graph."""

    def direction(fast: dict[str, Tensor]) -> dict[str, Tensor]:
        return support_gradient(
            lambda now: squared_loss(regression["x_TSF"], regression["y_TS"], now["w"]),
            fast,
            order="second",
            clip=UNCLIPPED,
        )

    start = {"w": regression["w_F"].clone().requires_grad_(True).expand(TASKS, FEATURES)}
    trained = descend(start, direction, inner_lr=0.03, inner_steps=3)["w"]

    with torch.no_grad():
        evaluated = descend(start, direction, inner_lr=0.03, inner_steps=3)["w"]

    assert not evaluated.requires_grad
    torch.testing.assert_close(evaluated, trained.detach(), rtol=0, atol=0)
