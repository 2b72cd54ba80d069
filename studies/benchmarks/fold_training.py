"""The learners of one fold: searched on its training tables, and trained on all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training_streams import TRAINING, stream

from autometa.config import ColumnKernelConfig, LearnerConfig, StudySpec, spec_from_dict
from autometa.evaluation import score_baselines
from autometa.learners import AbstractLearner, OuterLoop, build_learner
from autometa.search import StudyData
from autometa.tables import ScaledTable, default_cache_dir
from autometa.tune import tune

STEPS = 6000
RATE = 0.004
_PROBED_STEPS = 40


SEARCHED: Mapping[str, Mapping[str, Any]] = {
    "column_kernel": {
        "head": {"choices": ["ridge", "descent"]},
        "gate": {"choices": [True, False]},
        "smoothing": {"choices": [True, False]},
        "adapt": {"choices": ["head", "head+scales"]},
        "inner_lr": {"low": 0.01, "high": 3.0, "log": True},
        "inner_steps": {"low": 1, "high": 10},
        "width": {"choices": [16, 32, 64, 128]},
        "depth": {"low": 2, "high": 4},
    },
    "maml": {
        "inner_lr": {"low": 0.1, "high": 10.0, "log": True},
        "inner_steps": {"low": 1, "high": 20},
        "width": {"choices": [16, 32, 64, 128]},
        "depth": {"low": 1, "high": 4},
    },
}
"""The search space of each learner that is tuned inside of folds."""


def fold_study(
    folder: Path,
    tables: Sequence[ScaledTable],
    *,
    name: str,
    search: Mapping[str, Any],
    learner: str = "column_kernel",
) -> StudySpec:
    """Returns a study on some tables alone, a quarter of whose families validate.

    Args:
        folder: folder of the tables.
        tables: those that may be used.
        name: name of the study; one of that name that was interrupted goes on.
        search: its budget and workers.
        learner: which learner is tuned.
    """
    return spec_from_dict(
        {
            "version": 1,
            "name": name,
            "tables": {
                "train": [
                    {
                        "source": "files",
                        "path": str(folder.resolve()),
                        "names": [table.name for table in tables],
                    },
                    {"source": "synthetic", "count": 2000, "seed": 0},
                ],
                "split": {"validation": 0.25, "by": "family", "seed": 0},
            },
            "episodes": {"shots": [1, 3, 5, 10, 20], "settings": ["unlabelled"], "per_table": 12},
            "learner": {"name": learner},
            "space": SEARCHED[learner],
            "training": {"outer_steps": 2000, "outer_lr": RATE},
            # Studies of other folds have seen the tables of this one.
            "search": {"warm_start": "off", **search},
        }
    )


def score_baselines_of(spec: StudySpec, *, workers: int) -> None:
    """Puts the baselines' scores of a study into the cache: they are no part of its compute."""
    data = StudyData.load(spec)
    for tasks in (data.search_tasks(), data.confirm_tasks()):
        score_baselines(tasks, default_cache_dir(), workers=workers)


def searched_config(
    folder: Path, tables: Sequence[ScaledTable], *, name: str, trials: int
) -> LearnerConfig:
    """Returns the winner of a study of so many trials on these tables alone.

    One worker, and more seconds than it needs: the same study gives the same winner.
    """
    search = {"trials": trials, "seconds": 36_000, "workers": 1}
    return tune(fold_study(folder, tables, name=name, search=search)).export.config


def trained(
    config: LearnerConfig,
    real: Sequence[ScaledTable],
    synthetic: Sequence[ScaledTable],
    *,
    seed: int = 0,
    steps: int = STEPS,
) -> AbstractLearner:
    """Returns a learner that is meta-trained on all of the tables."""
    learner = build_learner(config, seed=seed)
    episodes = stream(
        real, synthetic, seed=seed, components=learner.components, reuse=TRAINING.reuse
    )
    loop = OuterLoop(learner, episodes.batch, outer_steps=steps, outer_lr=RATE)
    loop.run_until(steps)
    return loop.averaged()


def trained_for(
    seconds: float,
    config: LearnerConfig,
    real: Sequence[ScaledTable],
    synthetic: Sequence[ScaledTable],
    *,
    seed: int,
    outer_lr: float = RATE,
) -> tuple[AbstractLearner, int]:
    """Returns a learner that is meta-trained for so much CPU time, and its number of outer steps.

    As many steps as fit, by a cosine over that number.

    Raises:
        DivergedError: losses were not finite too often.
    """
    learner = build_learner(config, seed=seed)
    episodes = stream(
        real, synthetic, seed=seed, components=learner.components, reuse=TRAINING.reuse
    )
    probe = OuterLoop(
        build_learner(config, seed=seed), episodes.batch, outer_steps=2000, outer_lr=outer_lr
    )
    started = time.process_time()
    probe.run_until(_PROBED_STEPS)
    # Drawing is dearer at first, when each step brings a batch: a low guess of what fits.
    per_step = (time.process_time() - started) / _PROBED_STEPS
    steps = max(_PROBED_STEPS, int(seconds / per_step))
    loop = OuterLoop(learner, episodes.batch, outer_steps=steps, outer_lr=outer_lr)
    loop.run_until(steps)
    return loop.averaged(), steps


def default_config() -> LearnerConfig:
    """Returns the configuration of a user who searches nothing."""
    return ColumnKernelConfig()
