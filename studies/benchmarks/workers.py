"""What one more worker costs: seconds until it trains, and memory that it has for itself.

Fixed before the runs:

- Start: a process that imports autometa, reads ``studies/quickstart.yaml``, loads its tables and
  the baselines' scores from a warm cache and trains one outer step, against one that does nothing
  but ``import torch, sklearn``. Reported are wall-clock and CPU time from the start of the process
  to that point, medians of five rounds in which each runs once, and their ratios.
- Memory: 1, 2 and 4 workers at once, on ``studies/learners.yaml`` (2,000 synthetic tables and those
  of scikit-learn); ``--tables DIR`` adds the tables with role ``train`` in the folder's
  ``index.csv``, and divides all but the synthetic ones by family. Each trains 2,000 outer steps, a
  whole candidate, after which the batches that it keeps have their full size, and waits. Reported
  from ``/proc/PID/smaps_rollup`` are resident memory (RSS), the part of it that no other process
  has (private) and its fair share (PSS: of a page that n processes map, 1/n), per worker; by how
  much the sum of PSS grows per extra worker; and the encoded tables that are mapped from the cache,
  which all workers share. Other processes with the same libraries make private memory and PSS look
  smaller: it wants an idle machine.
- Target: a start takes at most 3 times as long as the two imports, by the clock and of CPU.

The cache is a temporary one, which a first start fills that does not count; with many tables that
takes minutes, because it scores the baselines. Without ``/proc/PID/smaps_rollup`` the part on
memory is left out.

    OMP_NUM_THREADS=1 python studies/benchmarks/workers.py --check
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark_page import Target, origin, publish, table, target_table
from process_memory import Memory, is_countable, mapped_files, memory_of

_STUDIES = Path(__file__).parents[1]
_ROUNDS, _QUICK_ROUNDS = 5, 2
_COUNTS, _QUICK_COUNTS = (1, 2, 4), (1, 2)
_MOST_TIMES = 3.0
_TRAINED_STEPS, _QUICK_STEPS = 2000, 50
_SKLEARN_NAMES = ["iris", "wine", "breast_cancer", "digits"]

_NO_MEMORY = "Memory was not measured: there is no `/proc/PID/smaps_rollup` on this system."
_BARE = "import torch, sklearn"
_WORKER = "first outer step of the quickstart"
_CLOCKS = "import time; print(time.time(), time.process_time())"


@dataclass(frozen=True)
class Start:
    """Seconds from the start of a process to the point of interest."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Workers:
    """The memory of workers that run at once, and that of the tables that each of them maps."""

    processes: list[Memory]
    tables: list[Memory]


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, help="folder of real tables with an index.csv")
    parser.add_argument("--quick", action="store_true", help="2 rounds, 2 workers, few episodes")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    # What a worker of this benchmark is told: its study, and the steps after which it waits.
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--set", action="append", default=[], help=argparse.SUPPRESS)
    return parser.parse_args()


class _StepsDoneError(Exception):
    """Ends the training."""


def work(file: Path, overrides: Sequence[str], steps: int) -> None:
    """Trains the defaults of a study for some outer steps, prints both clocks, and waits."""
    import optuna

    from autometa.config import default_params, read_spec
    from autometa.search import Objective

    def stop(step: int) -> None:
        if step == steps:
            raise _StepsDoneError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = read_spec(file, overrides)
    objective = Objective(spec, on_step=stop)
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(default_params(spec)[0])
    with suppress(_StepsDoneError):
        objective(study.ask())
    print(time.time(), time.process_time(), flush=True)
    sys.stdin.read()


def worker_command(file: str, steps: int, overrides: Sequence[str]) -> list[str]:
    """Returns the command of a process that does ``work`` until its input is closed."""
    command = [sys.executable, __file__, "--child", str(_STUDIES / file), "--steps", str(steps)]
    return command + [word for text in overrides for word in ("--set", text)]


def measure_start(command: Sequence[str]) -> Start:
    """Returns what a process takes until it prints its clocks."""
    started = time.time()
    process = subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    now, cpu = map(float, process.stdout.split())
    return Start(now - started, cpu)


def measure_starts(rounds: int, overrides: Sequence[str]) -> dict[str, Start]:
    """Returns the medians of both kinds of start."""
    commands = {
        _BARE: [sys.executable, "-c", f"{_BARE}; {_CLOCKS}"],
        _WORKER: worker_command("quickstart.yaml", 1, overrides),
    }
    for command in commands.values():
        measure_start(command)  # fills the cache, and those of the system
    found: dict[str, list[Start]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(measure_start(command))
    return {
        name: Start(
            statistics.median(start.wall for start in starts),
            statistics.median(start.cpu for start in starts),
        )
        for name, starts in found.items()
    }


def measure_workers(count: int, command: Sequence[str]) -> Workers:
    """Returns the memory of so many workers that have trained and wait."""
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            for _ in range(count)
        ]
        for process in started:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError("a worker must train and wait; one of them ended with an error")
        cache = os.environ["AUTOMETA_CACHE"]
        return Workers(
            [memory_of(process.pid) for process in started],
            [mapped_files(process.pid, cache) for process in started],
        )


def memory_overrides(tables: Path | None) -> list[str]:
    """Returns what changes in the study file where a folder of tables is given."""
    if tables is None:
        return []
    sources = [
        {"source": "synthetic", "count": 2000, "seed": 0},
        {"source": "sklearn", "names": _SKLEARN_NAMES},
        {"source": "files", "path": str(tables.resolve()), "roles": "index"},
    ]
    split = {"validation": 0.2, "by": "family", "seed": 0}
    return [f"tables={json.dumps({'train': sources, 'split': split})}"]


def memory_lines(found: Sequence[Workers], trained: int) -> list[str]:
    """Returns the page's part on memory after so many outer steps."""
    sums = [sum(memory.proportional for memory in workers.processes) for workers in found]
    rows = []
    for workers, total in zip(found, sums, strict=True):
        count = len(workers.processes)
        parts = [
            statistics.mean(getattr(memory, part) for memory in workers.processes)
            for part in ("resident", "private", "proportional")
        ]
        extra = "" if count == 1 else f"{(total - sums[0]) / (count - 1):.0f}"
        rows.append([str(count), *(f"{part:.0f}" for part in (*parts, total)), extra])
    header = ["workers", "RSS each", "private each", "PSS each", "PSS of all", "per extra worker"]
    tables = found[-1].tables[-1]
    return [
        f"MiB after {trained:,} outer steps, the batches of which each worker keeps:",
        "",
        *table(header, rows),
        "",
        f"Each worker maps {tables.mapped:.1f} MiB of encoded tables from the cache, of which "
        f"{tables.resident:.1f} MiB were in memory; with {len(found[-1].processes)} workers "
        f"{tables.private:.1f} MiB of them were private.",
    ]


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    if options.child is not None:
        work(options.child, options.set, options.steps)
        return 0
    few = ["episodes.per_table=2"] if options.quick else []
    trained = _QUICK_STEPS if options.quick else _TRAINED_STEPS
    found: list[Workers] = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["AUTOMETA_CACHE"] = cache
        starts = measure_starts(_QUICK_ROUNDS if options.quick else _ROUNDS, few)
        if is_countable():
            overrides = [*few, *memory_overrides(options.tables)]
            measure_start(worker_command("learners.yaml", 1, overrides))  # fills the cache
            command = worker_command("learners.yaml", trained, overrides)
            counts = _QUICK_COUNTS if options.quick else _COUNTS
            found = [measure_workers(count, command) for count in counts]
    lines = memory_lines(found, trained) if found else [_NO_MEMORY]
    bare, worker = starts[_BARE], starts[_WORKER]
    rows = [[name, f"{start.wall:.2f}", f"{start.cpu:.2f}"] for name, start in starts.items()]
    ratios = {"wall": worker.wall / bare.wall, "CPU": worker.cpu / bare.cpu}
    rows.append(["ratio", *(f"{ratio:.2f}" for ratio in ratios.values())])
    targets = [
        Target(f"{kind} time of a start / that of the imports", _MOST_TIMES, ratio, is_upper=True)
        for kind, ratio in ratios.items()
    ]
    page = ["# What one more worker costs", "", origin("workers"), "", *target_table(targets)]
    page += ["", "## Start", "", *table(["process", "wall, s", "CPU, s"], rows)]
    page += ["", "## Memory", "", *lines]
    figures: dict[str, Any] = {
        "starts": {name: asdict(start) for name, start in starts.items()},
        "workers": [asdict(workers) for workers in found],
    }
    return publish("workers", page, figures, targets, options)


if __name__ == "__main__":
    sys.exit(main())
