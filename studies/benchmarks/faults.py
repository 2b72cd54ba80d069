"""A storm of faults on the workers of a study: whether anything is lost, repeated or left over.

Fixed before the runs. On each storage (journal, SQLite, PostgreSQL) eight workers, as a command
starts them, share a budget of 200 trials of a small FOMAML study (4 outer steps, two rungs,
halving). From the first told trial on, while the budget lasts, but for 60 s at most, every 0.2 to
0.8 s one of these happens: a random worker is killed (SIGKILL; six of ten times), frozen for 0.5 to
3 s (SIGSTOP, SIGCONT; three of ten), or the storage is hit: PostgreSQL's server is restarted, in
turn gently and as a crash, and on a file a worker is killed in the middle of a write (half a record
of a journal, an open transaction of SQLite). A worker that has died is replaced under its index.
After the storm the workers finish the budget undisturbed. Each writes down, on the disk, every
trial that it was told is kept.

Reported per storage: the faults, trials by state, retries, seconds, and, which is to be 0:

- lost: trials that were told and are not in the storage with the same state and value;
- repeated: trials told or queued again twice, and points that count twice;
- left over: trials that are running or waiting after the end, or beyond their two retries;
- off the budget: the difference between the trials that count and 200;
- off the value: the difference between the best value and that of its parameters, trained again
  from the start (nats);
- errors: workers that ended with an error of their own.

``--check``: all of these are 0, and there was a kill on every storage.

    OMP_NUM_THREADS=1 python studies/benchmarks/faults.py --check
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import optuna
from benchmark_page import Target, origin, publish, table, target_table
from optuna.trial import FrozenTrial
from storm import Storm
from storm_worker import SPEC_VARIABLE, read_spec

from autometa.config import StudySpec
from autometa.search import StudyData, candidate_config, prepare_study, train_candidate
from autometa.storages import RETRIES, RETRY_OF, close_storage, counted, open_storage

_HERE = Path(__file__).parent
_STORAGES = ("journal", "sqlite", "postgresql")
_MOST_RETRIES = 2
_ZEROS = ("lost", "repeated", "left over", "off the budget", "off the value", "errors")
_NAME = "storm"


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--storage", choices=_STORAGES, action="append", help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="of what happens when, and to whom")
    parser.add_argument("--quick", action="store_true", help="4 workers, 30 trials, faults for 5 s")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def specification(trials: int) -> dict[str, Any]:
    """Returns the study file of the storm, without its storage."""
    return {
        "name": _NAME,
        "tables": {
            "train": [{"source": "synthetic", "count": 20}],
            "validation": [{"source": "sklearn", "names": ["wine"]}],
        },
        "episodes": {"shots": [1, 5], "per_table": 2, "queries": 5},
        "learner": {"name": "fomaml", "columns": 8, "inner_steps": 2},
        "space": {
            "inner_lr": {"low": 0.01, "high": 1.0, "log": True},
            "width": {"choices": [8, 16]},
        },
        "training": {"outer_steps": 4, "rungs": [2, 4], "meta_batch": 2, "device": "cpu"},
        "search": {"trials": trials, "seconds": 1e6, "sampler": "random"},
    }


def restarting_server(stack: ExitStack) -> tuple[str, Callable[[], None]] | None:
    """Starts a PostgreSQL server; returns a storage on it, and what restarts it."""
    sys.path.append(str(_HERE.parents[1] / "tests" / "support"))
    from postgres_cluster import NoClusterError, running_cluster

    try:
        cluster = stack.enter_context(running_cluster())
    except NoClusterError as reason:
        print(f"postgresql is left out: {reason}", flush=True)
        return None
    modes = iter(["fast", "immediate"] * 10_000)

    def restart() -> None:
        cluster.stop(mode=next(modes))
        cluster.start()

    return cluster.new_storage(), restart


def weather(kind: str, folder: Path, *, quick: bool, seed: int) -> dict[str, Any] | None:
    """Returns what a storm did on one storage; None where there is no such storage."""
    with ExitStack() as stack:
        files = {"journal": f"journal:{folder}/s.journal", "sqlite": f"sqlite:///{folder}/s.db"}
        place = restarting_server(stack) if kind == "postgresql" else (files[kind], None)
        if place is None:
            return None
        url, restart = place
        spec = read_spec(storage=url)
        data = StudyData.load(spec)
        data.baselines(data.search_tasks())  # once, in the cache, and not by eight workers
        study, _ = prepare_study(spec, data)
        workers, seconds = (4, 5.0) if quick else (8, 60.0)
        storm = Storm(url, _NAME, folder, restart, workers, random.Random(seed))
        storm.rage(study, trials=spec.search.trials, seconds=seconds)
        close_storage(study._storage)
        # Opened anew, so that nothing comes from this process's memory.
        fresh = open_storage(url, create=False)
        trials = optuna.load_study(study_name=_NAME, storage=fresh).get_trials()
        close_storage(fresh)
        found = judged(trials, spec, data, folder)
        return {"seconds": round(storm.seconds, 1), "faults": dict(storm.faults), **found}


def judged(
    trials: list[FrozenTrial], spec: StudySpec, data: StudyData, folder: Path
) -> dict[str, Any]:
    """Returns the figures of a study after its storm, from the storage and the workers' words."""
    told = [json.loads(line) for line in _lines(folder / "told")]
    states = Counter(trial.state.name for trial in trials)
    charged = [trial for trial in trials if trial.state.is_finished() and counted(trial)]
    retries = [trial.user_attrs.get(RETRIES, 0) for trial in trials]
    complete = [trial for trial in charged if trial.state.name == "COMPLETE"]
    best = max(complete, key=lambda trial: trial.value or 0.0)
    again = train_candidate(
        candidate_config(spec, best.params),
        data,
        data.search_tasks(),
        seed=spec.search.seed,
        rungs=spec.training.rungs,
        checkpoints=None,
        on_rung=lambda _rung: None,
    )
    repeats = [
        [number for number, *_ in told],
        [trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs],
        [tuple(sorted(trial.params.items())) for trial in charged],
    ]
    is_kept = {
        number: trials[number].state.name == state and trials[number].value == value
        for number, state, value in told
        if number < len(trials)
    }
    return {
        "told": len(told),
        "states": dict(states),
        "retried": sum(RETRY_OF in trial.user_attrs for trial in trials),
        "lost": sum(not is_kept.get(number, False) for number, *_ in told),
        "repeated": sum(len(items) - len(set(items)) for items in repeats),
        "left over": states["RUNNING"]
        + states["WAITING"]
        + sum(count > _MOST_RETRIES for count in retries),
        "off the budget": abs(len(charged) - spec.search.trials),
        "off the value": abs(again.value - (best.value or 0.0)),
        "errors": len(_lines(folder / "errors")),
        "said": sorted(set(_lines(folder / "errors"))),
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def targets_of(found: dict[str, Any]) -> list[Target]:
    """Returns the figures that are to be 0 at the storage where they are worst, and the kills."""
    targets = []
    for name in _ZEROS:
        where = max(found, key=lambda kind: found[kind][name])
        targets.append(Target(name, 0, found[where][name], where, is_upper=True))
    calmest = min(found, key=lambda kind: found[kind]["faults"].get("kills", 0))
    kills = found[calmest]["faults"].get("kills", 0)
    return [*targets, Target("kills of workers", 1, kills, calmest)]


def page(found: dict[str, Any], targets: list[Target]) -> list[str]:
    """Returns the benchmark's page."""
    faults = ("kills", "kills in a write", "freezes", "restarts")
    states = ("COMPLETE", "PRUNED", "FAIL")
    rows = [
        [
            kind,
            *(str(run["faults"].get(fault, 0)) for fault in faults),
            str(run["told"]),
            *(str(run["states"].get(state, 0)) for state in states),
            str(run["retried"]),
            *(f"{run[name]:g}" for name in _ZEROS),
            f"{run['seconds']:.0f}",
        ]
        for kind, run in found.items()
    ]
    header = ["storage", *faults, "told", *map(str.lower, states), "retries", *_ZEROS, "seconds"]
    return [
        "# A storm of faults",
        "",
        origin("faults"),
        "",
        *target_table(targets),
        "",
        *table(header, rows),
        "",
        "`fail` counts the attempts whose worker died, which are free and were tried again.",
    ]


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    # So that a server and workers do not stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        os.environ["AUTOMETA_CACHE"] = str(scratch / "cache")
        os.environ[SPEC_VARIABLE] = str(scratch / "spec.json")
        (scratch / "spec.json").write_text(json.dumps(specification(30 if options.quick else 200)))
        # The server that workers are forked from finds their module by the environment alone.
        paths = [str(_HERE), str(_HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        get_context("forkserver").set_forkserver_preload(["storm_worker"])
        for kind in options.storage or _STORAGES:
            folder = scratch / kind
            folder.mkdir()
            run = weather(kind, folder, quick=options.quick, seed=options.seed)
            if run is not None:
                print(f"{kind}: {run}", flush=True)
                found[kind] = run
    targets = targets_of(found)
    return publish("faults", page(found, targets), {"storages": found}, targets, options)


if __name__ == "__main__":
    sys.exit(main())
