"""What the kernel learner's part of the meta-training benchmark works on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from training_streams import TRAINING

from autometa.config import ColumnKernelConfig
from autometa.episodes import EpisodeBatch
from autometa.learners import AbstractLearner, OuterLoop, build_learner

CONFIG = ColumnKernelConfig(adapt="head+scales")
"""The learner with all of its parts: column scales adapt, then the head."""


def trainer(
    batches: Callable[[int], EpisodeBatch], config: ColumnKernelConfig = CONFIG, **changes: object
) -> OuterLoop:
    """Returns an outer loop of the learner with some of its meta-parameters changed."""
    learner: AbstractLearner = build_learner(config.model_copy(update=changes), seed=0)
    return OuterLoop(learner, batches, outer_steps=TRAINING.outer_steps, outer_lr=TRAINING.outer_lr)


def steps_of(loop: OuterLoop) -> Callable[[], None]:
    """Returns a function that trains one outer step."""
    return lambda: loop.run_until(loop.step + 1)


def medians(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, repeats: int
) -> dict[str, float]:
    """Returns ms of process CPU time per call, the medians of interleaved slices."""
    slices: dict[str, list[float]] = {name: [] for name in contenders}
    with torch.enable_grad():
        for call in contenders.values():
            call()
        for _ in range(rounds):
            for name, call in contenders.items():
                started = time.process_time()
                for _ in range(repeats):
                    call()
                slices[name].append((time.process_time() - started) / repeats * 1e3)
    return {name: statistics.median(values) for name, values in slices.items()}
