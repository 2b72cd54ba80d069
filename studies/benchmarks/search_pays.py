"""Does the search pay? The winner of a study against other uses of the same compute.

Registered before the runs:

- Three divisions (seeds 0, 1, 2) deal the families of a folder to two halves. One half searches and
  trains, with 2,000 random tables; the other one is read once, by the finished learners.
- ``search``: a study of 64 trials of ``column_kernel`` (``SEARCHED`` in ``fold_training.py``, TPE,
  halving at 250, 500 and 1,000 of 2,000 outer steps, three fresh seeds for the finalists, one
  worker of one thread). Its winner is trained on the whole half, 6,000 outer steps, seed 0. The
  seconds that the study took, confirmation and scoring included, are the compute of the others:
- ``default, long``: the untouched default, one training of as many outer steps as take so long.
- ``default, ensemble``: the mean of the probabilities of as many trainings of the untouched default
  (6,000 outer steps, seeds 0, 1, 2, ...) as take so long.
- ``maml``: a study of MAML with the same seconds; its winner is trained as that of ``search``.
- ``default``: one training of 6,000 outer steps, a twentieth of the compute, for orientation.
- Unlabelled, K = 1, 3, 5, 10, 20, up to 5 ways, 10 episodes per table and K.
- Reported: log-loss and accuracy (means over K, tables and families; a family that was read in
  several divisions counts once, by its mean), and the gain of ``search`` over each of the others
  with a 95 % interval by bootstrap over families, not corrected. The search pays against one of
  them where the interval of the gain in log-loss is above zero.
- Divisions that are done are kept in ``--work DIR``, so that a run can be gone on with;
  ``--divisions`` runs a part of them.
- Reported as well: which meta-parameters matter, as the fANOVA importance (Hutter et al., ICML
  2014) of each for the value at the first rung, which all trials reach, by learner and division.

    OMP_NUM_THREADS=1 python studies/benchmarks/search_pays.py --tables DIR
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import torch
from benchmark_page import parser_for, publish
from fold_training import STEPS, default_config, fold_study, score_baselines_of, trained
from search_pays_page import page
from table_folds import all_tables, folds_by_family, tasks_of
from torch import Tensor

from autometa.config import LearnerConfig, StudySpec, SyntheticSource, learner_config_class
from autometa.episodes import EpisodeBatch
from autometa.evaluation import EvaluationTask, score_learner
from autometa.learners import AbstractLearner
from autometa.report import importances
from autometa.storages import load_study, open_storage
from autometa.tables import ScaledTable, load_source
from autometa.tune import tune

_DIVISIONS = (0, 1, 2)
_TRIALS = 64
_EPISODES = 10
_PROBED_STEPS = 500
_QUICK_TABLES = 12


@dataclass
class Division:
    """What was found with one half of the families.

    Attributes:
        seconds: what the study took.
        frame: scores of all contenders on the other half.
        winners: configuration of each study's winner.
        importances: by learner, the importance of each meta-parameter.
        notes: how much training the seconds bought the others.
    """

    seconds: float
    frame: pd.DataFrame
    winners: dict[str, LearnerConfig] = field(default_factory=dict)
    importances: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Keeps it as JSON, with its scores beside it."""
        self.frame.to_parquet(file.with_suffix(".parquet"))
        kept = {
            "seconds": self.seconds,
            "winners": {name: one.model_dump(mode="json") for name, one in self.winners.items()},
            "importances": self.importances,
            "notes": self.notes,
        }
        file.with_suffix(".part").write_text(json.dumps(kept))
        file.with_suffix(".part").replace(file)

    @classmethod
    def load(cls, file: Path) -> Division:
        """Returns what ``save`` has kept."""
        kept = json.loads(file.read_text())
        winners = {
            name: learner_config_class(one["name"]).model_validate(one)
            for name, one in kept.pop("winners").items()
        }
        return cls(frame=pd.read_parquet(file.with_suffix(".parquet")), winners=winners, **kept)


class Ensemble:
    """The mean of the probabilities of several learners, as logits."""

    def __init__(self, members: Sequence[AbstractLearner]) -> None:
        self.members = members
        self.components = members[0].components

    def __call__(self, batch: EpisodeBatch) -> Tensor:
        """Returns the logarithm of the mean probabilities (TQW)."""
        mean_TQW = torch.stack([member(batch).softmax(-1) for member in self.members]).mean(0)
        return mean_TQW.clamp_min(1e-30).log()


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = parser_for(__doc__, quick="one division, 12 tables a side, 6 trials")
    parser.add_argument("--work", type=Path, help="folder of finished divisions")
    parser.add_argument("--divisions", type=int, nargs="+", choices=_DIVISIONS)
    return parser.parse_args()


def divided(
    tables: Sequence[ScaledTable],
    synthetic: Sequence[ScaledTable],
    seed: int,
    options: argparse.Namespace,
) -> Division:
    """Searches on one half of the families, and reads the other one."""
    half, other = folds_by_family(tables, folds=2, seed=seed)
    if options.quick:
        half, other = half[:_QUICK_TABLES], other[:_QUICK_TABLES]
    steps = 100 if options.quick else STEPS
    tag = "quick-" if options.quick else ""
    budget = {"trials": 6 if options.quick else _TRIALS, "seconds": 36_000, "workers": 1}
    spec = fold_study(options.tables, half, name=f"pays-{tag}{seed}", search=budget)
    score_baselines_of(spec, workers=2)
    found = tune(spec)
    seconds = float(found.export.provenance["budget"]["seconds"])
    rival = fold_study(
        options.tables,
        half,
        name=f"pays-maml-{tag}{seed}",
        search={"trials": 1000, "seconds": seconds, "workers": 1},
        learner="maml",
    )
    winners = {"search": found.export.config, "maml": tune(rival).export.config}
    per_step = _seconds_per_step(half, synthetic, steps=steps // 2 if options.quick else None)
    members = max(1, round(seconds / (per_step * steps)))
    long_steps = round(seconds / per_step)
    default = default_config()
    tasks = tasks_of(other, ["unlabelled"], episodes=2 if options.quick else _EPISODES)
    sheets = [
        _scores(trained(config, half, synthetic, steps=steps), tasks, name)
        for name, config in winners.items()
    ]
    ensemble = [trained(default, half, synthetic, seed=s, steps=steps) for s in range(members)]
    sheets.append(_scores(ensemble[0], tasks, "default"))
    sheets.append(_scores(Ensemble(ensemble), tasks, "default, ensemble"))
    long = trained(default, half, synthetic, steps=long_steps)
    sheets.append(_scores(long, tasks, "default, long"))
    return Division(
        seconds,
        pd.concat(sheets).assign(division=seed),
        winners,
        {next(iter(one.space.branches)): _importances_of(one) for one in (spec, rival)},
        {"members": members, "long steps": long_steps},
    )


def _seconds_per_step(
    tables: Sequence[ScaledTable], synthetic: Sequence[ScaledTable], *, steps: int | None
) -> float:
    """Returns the CPU time of an outer step of the default learner."""
    number = steps or _PROBED_STEPS
    started = time.process_time()
    trained(default_config(), tables, synthetic, steps=number)
    return (time.process_time() - started) / number


def _scores(learner: Any, tasks: Sequence[EvaluationTask], method: str) -> pd.DataFrame:
    return score_learner(learner, tasks, method=method).frame


def _importances_of(spec: StudySpec) -> dict[str, float]:
    [found] = importances(load_study(open_storage(spec.storage), spec.name), spec).values()
    return found


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tables = all_tables(options.tables)
    synthetic, _ = load_source(SyntheticSource(count=2000))
    divisions = []
    wanted = options.divisions or (_DIVISIONS[:1] if options.quick else _DIVISIONS)
    for seed in wanted:
        file = options.work and options.work / f"division-{seed}.json"
        if file is not None and file.exists():
            divisions.append(Division.load(file))
            continue
        divisions.append(divided(tables, synthetic, seed, options))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            divisions[-1].save(file)
        print(f"division {seed}: {divisions[-1].notes}", file=sys.stderr, flush=True)
    if not options.quick and len(wanted) < len(_DIVISIONS):
        print(f"kept in {options.work}; run again for the page, with all divisions")
        return 0
    lines, figures = page(divisions, is_quick=options.quick)
    return publish("search_pays", lines, figures, [], options)


if __name__ == "__main__":
    sys.exit(main())
