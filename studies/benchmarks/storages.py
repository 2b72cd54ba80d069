"""How many trials a storage takes in a second, and what gives first with very many workers.

Fixed before the runs:

- Rates: 1, 2, 4, 8 and 16 workers at once share a study of 32 trials that do nothing: the
  quickstart's space and sampler, four reports and the attributes of a real trial, through
  ``run_worker`` with its reaping, claiming and telling. Reported are trials and reports per second
  from the common start to the last trial, each the better of two rounds in turned order, the
  ratio to one worker, the median seconds of a claim, waiting for the lock included, and for
  PostgreSQL the most sessions per worker (up to two are the benchmark's own). Each case has an
  empty storage of its own; processes have been started and have imported everything before.
- Asking: one worker on a study with 100, 1,000 and 10,000 finished trials: seconds to open the
  storage and read them, and medians of seven of the seconds of a reaping and of a claim with its
  proposal. Both hold the lock that all workers share.
- Extrapolation, by arithmetic shown on the page: how many workers the sessions of a server with
  PostgreSQL's default of 100 connections, the best rate measured here and the lock with 10,000 past
  trials allow, for trials of 60 and of 600 seconds.
- PostgreSQL is a server of the benchmark's own on loopback without fsync, as in the tests; without
  its programs that part is left out. Other programs on the machine make every figure worse, ratios
  less so.
- ``--check``: every case runs exactly its trials, each number once, none failed; and 16 workers
  together reach at least half of the rate of one, on every storage.

    OMP_NUM_THREADS=1 python studies/benchmarks/storages.py --check
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

import optuna
from benchmark_page import Target, publish
from optuna.trial import TrialState
from storage_worker import STUDY, Worked, fill, idle_spec, new_study, past_trials, work
from storages_page import page_of, targets_of

from autometa.search import _worker
from autometa.storages import close_storage, load_study, open_storage, reap_orphans

if TYPE_CHECKING:
    from collections.abc import Callable

    from postgres_cluster import Cluster

_ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT / "tests" / "support"))  # for its PostgreSQL server

_WORKERS, _QUICK_WORKERS = (1, 2, 4, 8, 16), (1, 2)
_PAST, _QUICK_PAST = (100, 1_000, 10_000), (100,)
_TRIALS, _QUICK_TRIALS = 32, 8
_ROUNDS, _QUICK_ROUNDS = 2, 1
_ASKS = 7
_LARGE = 10**6  # a budget that no case uses up
_LONGEST_SECONDS = 600.0
# Forked from a process that has imported everything: 16 starts would take longer than the case.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["storage_worker"])


@dataclass(frozen=True)
class Rate:
    """What so many workers did on one storage.

    Attributes:
        storage: its kind.
        workers: how many.
        trials: finished in the case.
        seconds: from the common start to the last trial.
        claim: median seconds of a claim.
        sessions: most server sessions at once; 0 where there is no server.
        wrong: trials too many, too few, twice or failed.
    """

    storage: str
    workers: int
    trials: int
    seconds: float
    claim: float
    sessions: int
    wrong: int


@dataclass(frozen=True)
class Asking:
    """What one worker waits for on a study with past trials, in seconds."""

    storage: str
    past: int
    opening: float
    reaping: float
    claim: float


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 trials, 2 workers, 100 past ones")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def rate_of(
    storage: str, url: str, *, workers: int, trials: int, sessions: Callable[[], int]
) -> Rate:
    """Lets workers share the trials of a new study; returns what they did."""
    study = new_study(url, idle_spec(trials))
    ready, go, results = _PROCESSES.Semaphore(0), _PROCESSES.Event(), _PROCESSES.Queue()
    processes = [
        _PROCESSES.Process(target=work, args=(index, url, ready, go, results), daemon=True)
        for index in range(workers)
    ]
    for process in processes:
        process.start()
    for _ in processes:
        if not ready.acquire(timeout=_LONGEST_SECONDS):
            raise RuntimeError("a worker must get ready; one of them ended with an error")
    started = time.time()
    go.set()
    found: list[Worked] = []
    most = 0
    while len(found) < workers and time.time() < started + _LONGEST_SECONDS:
        most = max(most, sessions())
        with suppress(Empty):
            found.append(results.get(timeout=0.25))
    for process in processes:
        process.join(_LONGEST_SECONDS if len(found) == workers else 0)
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    close_storage(study._storage)
    told = sum(one.trials for one in found)
    return Rate(
        storage=storage,
        workers=workers,
        trials=trials,
        seconds=max(moment for one in found for moment in one.moments) - started,
        claim=statistics.median(seconds for one in found for seconds in one.claims),
        sessions=most,
        wrong=abs(len(states) - trials)
        + abs(told - trials)
        + sum(state != TrialState.COMPLETE for state in states),
    )


def asking_of(storage: str, url: str, past: list[Any]) -> Asking:
    """Returns what a worker waits for on a study with those past trials."""
    spec = idle_spec(_LARGE)
    filled = new_study(url, spec)
    fill(filled, past)
    close_storage(filled._storage)
    began = time.monotonic()
    opened = open_storage(url, create=False)
    study = load_study(opened, STUDY)
    study.get_trials(deepcopy=False)
    opening = time.monotonic() - began
    reapings, claims = [], []
    for _ in range(_ASKS):
        before = time.monotonic()
        reap_orphans(study)
        between = time.monotonic()
        trial = _worker._claim(study, spec, worker=0)
        claims.append(time.monotonic() - between)
        reapings.append(between - before)
        assert trial is not None
        study.tell(trial, state=TrialState.FAIL)
    close_storage(study._storage)
    return Asking(
        storage, len(past), opening, statistics.median(reapings), statistics.median(claims)
    )


def places(folder: Path, cluster: Cluster | None) -> dict[str, Callable[[str], str]]:
    """Returns for each kind of storage what makes the URL of an empty one."""
    made: dict[str, Callable[[str], str]] = {
        "journal": lambda name: f"journal:{folder}/{name}.journal",
        "SQLite": lambda name: f"sqlite:///{folder}/{name}.db",
    }
    if cluster is not None:
        made["PostgreSQL"] = lambda _name: cluster.new_storage()
    return made


def sessions_of(cluster: Cluster | None, url: str) -> int:
    """Returns the sessions of a storage's user; 0 without a server."""
    if cluster is None or not url.startswith("postgresql"):
        return 0
    user = url.partition("://")[2].partition(":")[0]
    query = f"select count(*) from pg_stat_activity where usename = '{user}'"
    return int(str(cluster.execute(query)[0][0]))


def measured(options: argparse.Namespace) -> tuple[list[Rate], list[Asking]]:
    """Returns all figures, storage by storage."""
    from postgres_cluster import NoClusterError, running_cluster

    trials = _QUICK_TRIALS if options.quick else _TRIALS
    askings: list[Asking] = []
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        try:
            cluster = stack.enter_context(running_cluster())
        except NoClusterError as error:
            print(f"without PostgreSQL: {error}", flush=True)
            cluster = None
        kinds = places(Path(temporary), cluster)
        counts = _QUICK_WORKERS if options.quick else _WORKERS
        cases = [(storage, workers) for workers in counts for storage in kinds]
        rounds: dict[tuple[str, int], list[Rate]] = {case: [] for case in cases}
        for number in range(_QUICK_ROUNDS if options.quick else _ROUNDS):
            # Turned, so that what else the machine does meets every case at two moments.
            for storage, workers in cases[:: -1 if number % 2 else 1]:
                url = kinds[storage](f"rate-{workers}-{number}")
                sessions = partial(sessions_of, cluster, url)
                rate = rate_of(storage, url, workers=workers, trials=trials, sessions=sessions)
                rounds[storage, workers].append(rate)
                print(rate, flush=True)
        # A case that went wrong is not hidden by a better one.
        rates = [
            min(found, key=lambda rate: (-rate.wrong, rate.seconds)) for found in rounds.values()
        ]
        for count in _QUICK_PAST if options.quick else _PAST:
            past = past_trials(idle_spec(_LARGE), count)
            for storage, place in kinds.items():
                askings.append(asking_of(storage, place(f"past-{count}"), past))
                print(askings[-1], flush=True)
    return rates, askings


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    # Without it, the PostgreSQL server would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rates, askings = measured(options)
    targets: list[Target] = targets_of(rates)
    figures = {
        "rates": [asdict(rate) for rate in rates],
        "askings": [asdict(asking) for asking in askings],
    }
    return publish("storages", page_of(rates, askings, targets), figures, targets, options)


if __name__ == "__main__":
    sys.exit(main())
