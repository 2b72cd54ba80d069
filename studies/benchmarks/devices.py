"""An outer step on a CUDA device beside one on a processor core, and whether they agree.

Fixed before the runs:

- Learners as the package configures them: ``column_kernel`` (head in closed form), the same with an
  inner loop on its scales, ``maml`` with an MLP of (64, 64) and of (256, 256, 256), ``in_context``.
- Batches of real and random training tables of 8, 64 and 256 tasks, drawn beforehand and resident
  in the memory of the processor: copying them to the device counts.
- Seconds per outer step: the median of 15 after 5, on the device and on one thread of the
  processor, which is what a worker uses.
- Agreement: the largest difference of an outer loss, over 10 outer steps from the same weights in
  float32, relative to the loss.

    python studies/benchmarks/devices.py --tables DIR
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch
from benchmark_page import origin, parser_for, publish, table
from training_streams import stream

from autometa.config import (
    ColumnKernelConfig,
    FilesSource,
    InContextConfig,
    LearnerConfig,
    MamlConfig,
    SyntheticSource,
)
from autometa.episodes import EpisodeBatch
from autometa.learners import OuterLoop, build_learner
from autometa.tables import load_source

_LEARNERS: Mapping[str, LearnerConfig] = {
    "column_kernel": ColumnKernelConfig(),
    "column_kernel, head+scales": ColumnKernelConfig.model_validate({"adapt": "head+scales"}),
    "maml (64, 64)": MamlConfig.model_validate({"width": 64, "depth": 2}),
    "maml (256, 256, 256)": MamlConfig.model_validate({"width": 256, "depth": 3}),
    "in_context": InContextConfig(),
}
_TASKS = (8, 64, 256)
_BATCHES = 4
_WARM, _TIMED, _COMPARED = 5, 15, 10
_RATE = 0.004


def seconds_per_step(
    config: LearnerConfig, batches: list[EpisodeBatch], device: str, *, timed: int
) -> float:
    """Returns the median time of an outer step, the copy of its batch to the device included."""
    loop = _loop(config, batches, device, steps=_WARM + timed)
    times: list[float] = []
    for number in range(_WARM + timed):
        started = time.perf_counter()
        loop.run_until(number + 1)
        if device != "cpu":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return median(times[_WARM:])


def difference(config: LearnerConfig, batches: list[EpisodeBatch], device: str) -> float:
    """Returns the largest relative difference of the losses on two devices over some steps."""
    found = []
    for place in ("cpu", device):
        losses: list[float] = []
        loop = _loop(config, batches, place, steps=_COMPARED)
        for number in range(_COMPARED):
            batch = batches[number % len(batches)].to(place)
            losses.append(float(loop.learner.outer_loss(batch).detach()))
            loop.run_until(number + 1)
        found.append(losses)
    pairs = zip(*found, strict=True)
    return max(abs(first - second) / max(abs(first), 1e-6) for first, second in pairs)


def _loop(
    config: LearnerConfig, batches: list[EpisodeBatch], device: str, *, steps: int
) -> OuterLoop:
    return OuterLoop(
        build_learner(config, seed=0),
        lambda step: batches[step % len(batches)],
        outer_steps=steps,
        outer_lr=_RATE,
        device=device,
    )


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parser_for(__doc__, quick="batches of 8 tasks, 5 steps").parse_args()
    torch.set_num_threads(1)
    if not torch.cuda.is_available():
        print("this benchmark needs a CUDA device, and PyTorch finds none: nothing was measured")
        return 0
    source = FilesSource(path=str(options.tables.resolve()), roles="index")
    real, _ = load_source(source, role="train")
    synthetic, _ = load_source(SyntheticSource(count=2000))
    rows: list[list[str]] = []
    figures: dict[str, Any] = {}
    for name, config in _LEARNERS.items():
        components = build_learner(config, seed=0).components
        for tasks in _TASKS[:1] if options.quick else _TASKS:
            episodes = stream(real, synthetic, seed=0, components=components, meta_batch=tasks)
            batches = [episodes.batch(step) for step in range(_BATCHES)]
            timed = _WARM if options.quick else _TIMED
            core, device = (
                seconds_per_step(config, batches, place, timed=timed) for place in ("cpu", "cuda")
            )
            apart = difference(config, batches, "cuda")
            figures[f"{name}, {tasks} tasks"] = {
                "ms_core": 1000 * core,
                "ms_device": 1000 * device,
                "difference": apart,
            }
            rows.append(
                [
                    name,
                    str(tasks),
                    f"{1000 * core:.1f}",
                    f"{1000 * device:.1f}",
                    f"{core / device:.2f}",
                    f"{apart:.0e}",
                ]
            )
            print(rows[-1], file=sys.stderr, flush=True)
    lines = [
        "# Outer steps on a CUDA device",
        "",
        f"{origin('devices')} Device: {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}.",
        "",
        *table(
            [
                "learner",
                "tasks in a batch",
                "ms, one core",
                "ms, device",
                "core / device",
                "largest difference of losses",
            ],
            rows,
        ),
    ]
    return publish(
        "devices", lines, {"device": torch.cuda.get_device_name(), "steps": figures}, [], options
    )


if __name__ == "__main__":
    sys.exit(main())
