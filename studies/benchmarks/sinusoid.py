"""Sinusoid regression of the MAML paper with the hand-written inner loop.

Finn, Abbeel, Levine, ICML 2017, arXiv 1703.03400, section 5.1. Fixed before the runs:

- Tasks: y = A sin(x - p), A uniform in [0.1, 5], p in [0, pi], x in [-5, 5]; ten support and ten
  query points. A network of two hidden layers of 40 ReLU units, weights from a normal distribution
  of standard deviation 0.01 cut off at two of them, biases zero; mean squared error; one inner step
  of size 0.01, all weights adapt, second order; Adam at 0.001 on the mean over 25 tasks, 15,000
  times; float32 on one thread.
- Test: 600 tasks with ten support and 100 query points each, the same for all seeds, on the last
  weights. Nothing is chosen by them.
- Reported after 0, 1, 2, 5 and 10 steps: the mean over tasks of the mean squared error, with a 95 %
  interval (normal approximation), the median, and the number of tasks that diverged. A task whose
  error is above 50, or not finite, has diverged and counts as 50. Seconds are process CPU time of
  training.
- Targets: below 0.75 after one step, in less than a minute. ``--quick`` takes 5,000 iterations, has
  the target 1.0 instead, and leaves the page as it is.

``--check`` exits with 1 where a target is missed.

    python studies/benchmarks/sinusoid.py --check
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from benchmark_page import Target, origin, publish, table, target_table
from torch import Tensor

from autometa.learners._mlp_plan import MlpPlan

_SIZES = (1, 40, 40, 1)
_SHOT, _TASKS, _INNER_LR, _OUTER_LR, _STD = 10, 25, 0.01, 1e-3, 0.01
_TEST_TASKS, _TEST_QUERY, _TEST_SEED = 600, 100, 7
_STEPS = (0, 1, 2, 5, 10)
_DIVERGED = 50.0
_MOST_SECONDS = 60.0
_DRAWN = 100
"""Iterations whose tasks are drawn in one go."""


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a third of the iterations")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def draw(tasks: int, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Returns points and values of random sinusoids (T, rows, 1)."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    amplitude, phase = uniform(0.1, 5, tasks, 1, 1), uniform(0, math.pi, tasks, 1, 1)
    x_TR1 = uniform(-5, 5, tasks, rows, 1)
    return x_TR1, amplitude * torch.sin(x_TR1 - phase)


def train(iterations: int, seed: int) -> tuple[list[Tensor], list[Tensor], float]:
    """Returns meta-trained weights and biases, and the seconds of process CPU time it took."""
    started = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    weights = [
        torch.nn.init.trunc_normal_(
            torch.empty(fan_out, fan_in), std=_STD, a=-2 * _STD, b=2 * _STD, generator=generator
        )
        for fan_in, fan_out in pairwise(_SIZES)
    ]
    biases = [torch.zeros(size) for size in _SIZES[1:]]
    optimizer = torch.optim.Adam([*weights, *biases], lr=_OUTER_LR, fused=True)
    plan = MlpPlan(inner_lr=_INNER_LR, inner_steps=1, loss="squared_error")
    for iteration in range(iterations):
        if iteration % _DRAWN == 0:
            x_TR1, y_TR1 = draw(_DRAWN * _TASKS, 2 * _SHOT, generator)
        first = iteration % _DRAWN * _TASKS
        x_T, y_T = (values[first : first + _TASKS] for values in (x_TR1, y_TR1))
        _, weight_gradients, bias_gradients = plan.meta_gradient(
            weights, biases, x_T[:, :_SHOT], y_T[:, :_SHOT], x_T[:, _SHOT:], y_T[:, _SHOT:]
        )
        gradients = [*weight_gradients, *bias_gradients]
        for value, gradient in zip([*weights, *biases], gradients, strict=True):
            value.grad = gradient
        optimizer.step()
    return weights, biases, time.process_time() - started


def test_errors(weights: list[Tensor], biases: list[Tensor], steps: int) -> Tensor:
    """Returns the mean squared error of each test task after a number of inner steps (T)."""
    x_TR1, y_TR1 = draw(_TEST_TASKS, _SHOT + _TEST_QUERY, torch.Generator().manual_seed(_TEST_SEED))
    plan = MlpPlan(inner_lr=_INNER_LR, inner_steps=steps, loss="squared_error")
    moved_weights, moved_biases = plan.adapt(
        weights, biases, x_TR1[:, :_SHOT], y_TR1[:, :_SHOT], is_final=True
    )
    h_TQP = x_TR1[:, _SHOT:]
    for layer, (weight, bias) in enumerate(zip(moved_weights, moved_biases, strict=True)):
        h_TQP = torch.baddbmm(bias[:, None], h_TQP.relu() if layer else h_TQP, weight.mT)
    return (h_TQP - y_TR1[:, _SHOT:]).square().mean((1, 2))


def figures(weights: list[Tensor], biases: list[Tensor]) -> list[dict[str, Any]]:
    """Returns what is reported after each number of steps."""
    rows = []
    for steps in _STEPS:
        error_T = test_errors(weights, biases, steps)
        has_diverged_T = ~(error_T <= _DIVERGED)
        counted_T = error_T.masked_fill(has_diverged_T, _DIVERGED)
        rows.append(
            {
                "steps": steps,
                "mean": counted_T.mean().item(),
                "half_width": 1.96 * counted_T.std().item() / _TEST_TASKS**0.5,
                "median": counted_T.median().item(),
                "diverged": int(has_diverged_T.sum()),
            }
        )
    return rows


def page(found: dict[str, Any], targets: list[Target]) -> list[str]:
    """Returns the benchmark's page."""
    rows = [
        [
            str(row["steps"]),
            f"{row['mean']:.3f} ± {row['half_width']:.3f}",
            f"{row['median']:.3f}",
            str(row["diverged"]),
        ]
        for row in found["rows"]
    ]
    return [
        "# Sinusoid regression",
        "",
        f"{origin('sinusoid')} MAML as in the paper's section 5.1 (ten points, one inner step of "
        f"0.01 in training), seed {found['seed']}, {found['iterations']:,} iterations in "
        f"{found['seconds']:.0f} s of CPU time. Mean squared error on {_TEST_TASKS} test tasks; a "
        f"diverged task (above {_DIVERGED:g}, or not finite) counts as {_DIVERGED:g}.",
        "",
        *target_table(targets),
        "",
        *table(["steps", "mean (95 % CI)", "median", "diverged"], rows),
    ]


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    iterations, bound = (5_000, 1.0) if options.quick else (15_000, 0.75)
    weights, biases, seconds = train(iterations, options.seed)
    rows = figures(weights, biases)
    error = next(row["mean"] for row in rows if row["steps"] == 1)
    targets = [
        Target("mean squared error after one step", bound, error, is_upper=True),
        Target("seconds of CPU time", _MOST_SECONDS, seconds, is_upper=True),
    ]
    found = {"seed": options.seed, "iterations": iterations, "seconds": seconds, "rows": rows}
    return publish("sinusoid", page(found, targets), found, targets, options)


if __name__ == "__main__":
    sys.exit(main())
