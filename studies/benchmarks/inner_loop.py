"""Is it the inner loop or the representation? A factorial experiment on few-shot accuracy.

Fixed before the runs:

- Factors: what the learner reads (``padded`` columns, ``projected`` principal components,
  ``columns`` through their statistics); what adapts (the ``head`` alone or ``all`` weights of an
  MLP; for columns also the kernel's ``head`` and ``head+scales``, with the head by descent and no
  gate, so that nothing but the inner loop differs); inner steps 1, 3, 10, 25;
  inner rates 0.1 and 1: 64 learners, 3 seeds. Width 64 and depth 2 for the MLPs, 48 and 3 for the
  kernels. Where scales adapt, steps and rate are theirs, and the head takes ten steps at rate 1.
- Equal compute: 45 seconds of CPU of meta-training each (5 with ``--quick``), as many outer steps
  as fit, by a cosine over that number; outer rate 0.005. A learner that diverges gets the lowest
  accuracy that any learner has in a family.
- Trained on the tables with role ``train`` in the folder's ``index.csv`` and 2,000 random ones,
  scored on those with role ``validation``: unlabelled, K = 1, 5, 10, up to 5 ways, 20 episodes per
  table and K. Nothing is chosen on them.
- Reported: accuracy as mean over families and shots for each learner (mean of the seeds), main
  effects with a 95 % interval by bootstrap over families, and the share of the variance between
  the MLP learners that each factor explains alone.
- Finished learners are kept in ``--work FILE`` (JSON lines), so that a run can be gone on with.

    python studies/benchmarks/inner_loop.py --tables DIR --workers 2
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark_page import RESULTS, parser_for, publish
from fold_training import trained_for
from inner_loop_page import page
from table_folds import tasks_of

from autometa.config import (
    ColumnKernelConfig,
    FilesSource,
    LearnerConfig,
    MamlConfig,
    SyntheticSource,
)
from autometa.evaluation import EvaluationTask, score_learner
from autometa.learners import DivergedError, build_learner
from autometa.tables import ScaledTable, load_source

_SECONDS, _QUICK_SECONDS = 45.0, 5.0
_SHOTS = (1, 5, 10)
_EPISODES = 20
_RATE = 0.005
_STEPS, _RATES, _SEEDS = (1, 3, 10, 25), (0.1, 1.0), (0, 1, 2)
_READS = ("padded", "projected", "columns")


@dataclass(frozen=True)
class Cell:
    """A learner of the experiment.

    Attributes:
        reads: what it reads.
        adapts: what its inner loop moves.
        backbone: ``mlp`` or ``kernel``.
        inner_steps: number of inner steps.
        inner_lr: their rate.
        seed: of weights and batches.
    """

    reads: str
    adapts: str
    backbone: str
    inner_steps: int
    inner_lr: float
    seed: int

    def config(self) -> LearnerConfig:
        """Returns its configuration."""
        loop = {"inner_steps": self.inner_steps, "inner_lr": self.inner_lr}
        if self.backbone == "mlp":
            return MamlConfig.model_validate(
                {"inputs": self.reads, "adapt": self.adapts, "width": 64, "depth": 2, **loop}
            )
        return ColumnKernelConfig.model_validate(
            {"adapt": self.adapts, "head": "descent", "gate": False, **loop}
        )


def cells(*, is_quick: bool) -> Iterator[Cell]:
    """Yields every learner; of a quick run one rate, two numbers of steps and one seed."""
    kinds = [*itertools.product(_READS, ("head", "all"), ("mlp",))]
    kinds += [("columns", adapts, "kernel") for adapts in ("head", "head+scales")]
    factors = ((1, 10), (1.0,), (0,)) if is_quick else (_STEPS, _RATES, _SEEDS)
    for kind, (steps, rate, seed) in itertools.product(kinds, itertools.product(*factors)):
        yield Cell(*kind, steps, rate, seed)


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = parser_for(__doc__, quick="16 learners of 5 seconds")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, help="file of finished learners")
    return parser.parse_args()


@functools.cache
def shelf(folder: Path) -> tuple[list[ScaledTable], list[ScaledTable], list[EvaluationTask]]:
    """Returns real and random training tables and the tasks to score, loaded once in a process."""
    torch.set_num_threads(1)
    source = FilesSource(path=str(folder.resolve()), roles="index")
    (real, _), (tested, _) = (load_source(source, role=role) for role in ("train", "validation"))
    synthetic, _ = load_source(SyntheticSource(count=2000))
    tasks = tasks_of(tested, ["unlabelled"], shots=_SHOTS, episodes=_EPISODES)
    return list(real), list(synthetic), tasks


def scored(cell: Cell, seconds: float, folder: Path) -> dict[str, Any]:
    """Returns a learner's accuracy by family, and how many outer steps it took."""
    real, synthetic, tasks = shelf(folder)
    config = cell.config()
    is_diverged, steps = False, 0
    try:
        learner, steps = trained_for(
            seconds, config, real, synthetic, seed=cell.seed, outer_lr=_RATE
        )
    except DivergedError:
        is_diverged, learner = True, build_learner(config, seed=cell.seed)
    frame = score_learner(learner, tasks, method="learner").frame
    if is_diverged:
        frame["accuracy"] = np.nan
    means = frame.groupby(["shot", "family", "table"])["accuracy"].mean()
    means = means.groupby(["shot", "family"]).mean().groupby("family").mean()
    return asdict(cell) | {
        "outer_steps": steps,
        "is_diverged": is_diverged,
        "accuracy": {family: None if np.isnan(value) else value for family, value in means.items()},
    }


def run_all(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the scores of all learners, those of an earlier run included."""
    seconds = _QUICK_SECONDS if options.quick else _SECONDS
    work = options.work or (None if options.quick else RESULTS / "inner_loop.jsonl")
    known: list[dict[str, Any]] = []
    if work is not None and work.exists():
        known = [json.loads(line) for line in work.read_text().splitlines()]
    done = {tuple(found[key] for key in Cell.__dataclass_fields__) for found in known}
    wanted = [cell for cell in cells(is_quick=options.quick) if _key(cell) not in done]
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        futures = [pool.submit(scored, cell, seconds, options.tables) for cell in wanted]
        for number, future in enumerate(as_completed(futures), 1):
            known.append(future.result())
            print(f"{number}/{len(wanted)}", file=sys.stderr, flush=True)
            if work is not None:
                with work.open("a") as file:
                    file.write(json.dumps(known[-1]) + "\n")
    return known


def _key(cell: Cell) -> tuple[Any, ...]:
    return tuple(asdict(cell).values())


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    found = run_all(options)
    picture = None if options.quick else RESULTS / "inner_loop.png"
    lines, figures = page(found, picture)
    return publish("inner_loop", lines, figures, [], options)


if __name__ == "__main__":
    sys.exit(main())
