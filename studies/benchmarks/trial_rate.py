"""Finished trials of the quickstart per core-hour, against an earlier state of the project.

Fixed before the runs: both states run their own ``studies/quickstart.yaml`` by their own code, 30
trials with one worker of one thread and no end by seconds, seeds 0 to 2, one after the other and
the order turned from seed to seed; tables and baseline scores are in the cache before. A trial's
time is from its start to its end, pruned ones count as finished, and one worker occupies one core.
Reported per seed: trials per core-hour, the best value of the search, and what the exported weights
score on the test tables (gain in log-loss over logistic regression in nats, accuracy).
``--check``: the median ratio of trials per core-hour is at least 2, and the mean accuracy on the
test tables and the mean gain are no more than half a point and 0.02 nats below the earlier state's.

    python studies/benchmarks/trial_rate.py --against COMMIT --check
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import optuna
from benchmark_page import Target, origin, publish, table, target_table
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autometa.evaluation import ScoreSheet
from autometa.search import LEARNER_METHOD

_ROOT = Path(__file__).parents[2]
_STUDY = "quickstart"
_FACTOR = 2.0
_POINTS, _NATS = 0.5, 0.02
_STATES = ("earlier", "this")


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", required=True, help="commit of the earlier state")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one seed, eight shorter trials")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def checkout(commit: str, folder: Path) -> Path:
    """Writes the files of a commit to a folder and returns it."""
    archive = subprocess.run(
        ["git", "-C", str(_ROOT), "archive", commit], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def tune(state: Path, scratch: Path, overrides: list[str]) -> Path:
    """Runs a state's quickstart in a folder of its own; returns the folder."""
    scratch.mkdir(parents=True)
    command = [sys.executable, "-m", "autometa", "tune", str(state / "studies" / "quickstart.yaml")]
    for override in ("search.workers=1", "search.seconds=36000", *overrides):
        command += ["--set", override]
    environment = os.environ | {
        "PYTHONPATH": str(state),
        "AUTOMETA_CACHE": str(scratch.parent / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run(
        command, check=True, cwd=scratch, env=environment, stdout=subprocess.DEVNULL, stderr=None
    )
    return scratch


def figures(folder: Path) -> dict[str, Any]:
    """Returns what a run has to show."""
    runs = folder / "results" / "runs"
    storage = JournalStorage(JournalFileBackend(str(runs / "studies.journal")))
    study = optuna.load_study(study_name=_STUDY, storage=storage)
    finished = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state in {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED}
    ]
    seconds = sum(trial.duration.total_seconds() for trial in finished if trial.duration)
    sheet = ScoreSheet.from_parquet(runs / _STUDY / "export" / "scores.parquet").select(role="test")
    return {
        "trials": len(finished),
        "core_seconds": round(seconds, 1),
        "trials_per_core_hour": round(len(finished) / seconds * 3600),
        "best_value": study.best_value,
        "test_gain_nats": sheet.value(LEARNER_METHOD),
        "test_accuracy": sheet.mean("accuracy", LEARNER_METHOD),
    }


def measured(states: dict[str, Path], scratch: Path, *, seeds: int, quick: bool) -> list[Any]:
    """Returns the figures of every seed and state."""
    shorter = ["training.outer_steps=200", "training.rungs=", "search.trials=8"] if quick else []
    short = ["search.trials=1", "training.outer_steps=8", "training.rungs=", "search.confirm=1"]
    runs = []
    for seed in range(seeds):
        order = _STATES if seed % 2 == 0 else _STATES[::-1]
        found: dict[str, Any] = {"seed": seed}
        for name in order:
            own = [f"search.seed={seed}"]
            tune(states[name], scratch / name / f"warm-{seed}", [*own, *short])
            folder = tune(states[name], scratch / name / f"seed-{seed}", [*own, *shorter])
            found[name] = figures(folder)
            print(f"seed {seed}, {name} state: {found[name]}", flush=True)
        runs.append(found)
    return runs


def page(runs: list[Any], commit: str, targets: list[Target]) -> list[str]:
    """Returns the benchmark's page."""
    rows = [
        [
            str(run["seed"]),
            name,
            str(found["trials_per_core_hour"]),
            str(found["trials"]),
            f"{found['core_seconds']:.0f}",
            f"{found['best_value']:+.3f}",
            f"{found['test_gain_nats']:+.3f}",
            f"{100 * found['test_accuracy']:.2f}",
        ]
        for run in runs
        for name, found in ((name, run[name]) for name in _STATES)
    ]
    header = ["seed", "state", "trials per core-hour", "trials", "core-seconds", "best value"]
    return [
        "# Trials of the quickstart per core-hour",
        "",
        f"{origin('trial_rate')} The earlier state is commit {commit}.",
        "",
        *target_table(targets),
        "",
        *table([*header, "test gain (nats)", "test accuracy (%)"], rows),
    ]


def targets_of(runs: list[Any]) -> list[Target]:
    """Returns the ratio of trials per core-hour, and what the scores lost or won."""

    def mean(state: str, key: str) -> float:
        return statistics.mean(run[state][key] for run in runs)

    rate = "trials_per_core_hour"
    ratio = statistics.median(run["this"][rate] / run["earlier"][rate] for run in runs)
    points = 100 * (mean("this", "test_accuracy") - mean("earlier", "test_accuracy"))
    nats = mean("this", "test_gain_nats") - mean("earlier", "test_gain_nats")
    return [
        Target("trials per core-hour, times the earlier state's", _FACTOR, ratio),
        Target("accuracy on the test tables, points above the earlier state's", -_POINTS, points),
        Target("gain in log-loss on them, nats above the earlier state's", -_NATS, nats),
    ]


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        states = {"earlier": checkout(options.against, scratch / "files"), "this": _ROOT}
        seeds = 1 if options.quick else options.seeds
        runs = measured(states, scratch, seeds=seeds, quick=options.quick)
    targets = targets_of(runs)
    found = {"against": options.against, "runs": runs}
    return publish("trial_rate", page(runs, options.against, targets), found, targets, options)


if __name__ == "__main__":
    sys.exit(main())
