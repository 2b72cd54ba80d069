"""How the cost of the kernel learner's outer step grows with the size of each of its axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from benchmark_page import table
from kernel_work import medians, steps_of, trainer

from autometa.episodes import Episode, EpisodeBatch, EpisodeInputs, assemble

_BASE = {"columns": 16, "support rows": 32, "width": 48, "inner steps": 3, "tasks": 8}
_SIZES = {
    "columns": (8, 16, 32, 64),
    "support rows": (8, 16, 32, 64, 128),
    "width": (16, 32, 64, 128),
    "inner steps": (1, 3, 6, 12),
    "tasks": (4, 8, 16, 32),
}
_WAYS, _QUERIES = 4, 10


def random_batch(*, tasks: int, columns: int, support_rows: int) -> EpisodeBatch:
    """Returns tasks of four Gaussian classes with ten query rows each."""
    rng = np.random.default_rng(0)
    support = np.repeat(np.arange(_WAYS), support_rows // _WAYS)
    query = np.repeat(np.arange(_WAYS), _QUERIES)
    labels = np.concatenate([support, query])
    rows = np.arange(len(labels))
    episode = Episode(rows[: len(support)], support, rows[len(support) :], query, _WAYS)
    inputs = []
    for _ in range(tasks):
        centres = rng.normal(size=(_WAYS, columns))
        z_RF = centres[labels] + rng.normal(size=(len(labels), columns))
        x_RFH = np.stack([z_RF, np.tanh(z_RF)], -1).astype(np.float32)
        stats_FJ = rng.normal(size=(columns, 9)).astype(np.float32)
        inputs.append(EpisodeInputs(x_RFH, stats_FJ, np.ones(columns, bool), len(labels)))
    return assemble([episode] * tasks, inputs)


def growth(*, rounds: int, repeats: int) -> dict[str, list[tuple[int, float]]]:
    """Returns, for each axis, its sizes and the ms per outer step, others as in the base case."""
    # All of them interleaved, and the base case once.
    calls = {"base": _step(_BASE)} | {
        f"{axis} {size}": _step(_BASE | {axis: size})
        for axis, sizes in _SIZES.items()
        for size in sizes
        if size != _BASE[axis]
    }
    times = medians(calls, rounds=rounds, repeats=repeats)
    return {
        axis: [(size, times.get(f"{axis} {size}", times["base"])) for size in sizes]
        for axis, sizes in _SIZES.items()
    }


def growth_lines(found: dict[str, list[tuple[int, float]]]) -> list[str]:
    """Returns the table of what ``growth`` found."""
    base = ", ".join(f"{value} {name}" for name, value in _BASE.items())
    rows = [
        [axis, *(f"{size}: {milliseconds:.2f}" for size, milliseconds in points)]
        for axis, points in found.items()
    ]
    longest = max(len(row) for row in rows)
    padded = [row + [""] * (longest - len(row)) for row in rows]
    header = ["axis", "size: ms", *[""] * (longest - 2)]
    return [f"By size, from {base} (head+scales):", "", *table(header, padded)]


def _step(sizes: dict[str, int]) -> Callable[[], None]:
    batch = random_batch(
        tasks=sizes["tasks"], columns=sizes["columns"], support_rows=sizes["support rows"]
    )
    torch.manual_seed(0)
    loop = trainer(lambda _step: batch, width=sizes["width"], inner_steps=sizes["inner steps"])
    return steps_of(loop)
