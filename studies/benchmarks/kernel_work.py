"""What the kernel learner's part of the meta-training benchmark works on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import torch

from autometa.config import ColumnKernelConfig, StudySpec, spec_from_dict
from autometa.episodes import EpisodeBatch, TrainingEpisodes
from autometa.learners import AbstractLearner, OuterLoop, build_learner
from autometa.tables import ScaledTable, load_roles

CONFIG = ColumnKernelConfig()
"""The recommended learner: column scales adapt, then the head."""

META_BATCH = 8
_STEPS = 2000


def study_spec(tables: Path | None) -> StudySpec:
    """Returns a study over random tables and those of a folder, or of scikit-learn."""
    real: dict[str, object] = {"source": "sklearn", "names": ["iris", "digits", "wine"]}
    other: dict[str, object] = {"source": "sklearn", "names": ["breast_cancer"]}
    if tables is not None:
        index = pd.read_csv(tables / "index.csv")
        names = {role: sorted(rows["name"]) for role, rows in index.groupby("role")}
        folder = {"source": "files", "path": str(tables.resolve())}
        real = {**folder, "names": names["train"]}
        other = {**folder, "names": names["validation"][:1]}
    synthetic = {"source": "synthetic", "count": 2000, "seed": 0}
    return spec_from_dict(
        {
            "name": "meta-training",
            "tables": {"train": [real, synthetic], "validation": [other]},
            "learner": {"name": "column_kernel"},
            "space": {"inner_lr": {"low": 0.1, "high": 1.0}},
        }
    )


def training_tables(tables: Path | None) -> tuple[list[ScaledTable], list[ScaledTable]]:
    """Returns the real and the random tables of meta-training."""
    train = load_roles(study_spec(tables).tables).train
    real = [table for table in train if not table.source.startswith("synthetic")]
    return real, [table for table in train if table.source.startswith("synthetic")]


def stream(
    real: list[ScaledTable], synthetic: list[ScaledTable], *, kept_bytes: int
) -> TrainingEpisodes:
    """Returns the stream of batches with the shares of a study's defaults."""
    training = study_spec(None).training
    return TrainingEpisodes(
        real,
        synthetic,
        seed=0,
        meta_batch=META_BATCH,
        ways=5,
        synthetic_share=training.synthetic_share,
        augmented_share=training.augmented_share,
        components=None,
        kept_bytes=kept_bytes,
    )


def trainer(
    batches: Callable[[int], EpisodeBatch], config: ColumnKernelConfig = CONFIG, **changes: object
) -> OuterLoop:
    """Returns an outer loop of the learner with some of its meta-parameters changed."""
    learner: AbstractLearner = build_learner(config.model_copy(update=changes), seed=0)
    return OuterLoop(learner, batches, outer_steps=_STEPS, outer_lr=0.002)


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
