"""The exported classifier on one core: seconds of fit and predict, and the memory that they take.

Fixed before the runs:

- The weights that come with the package, one thread, wall-clock time after import: 15 rounds, in
  each of which every case runs once, after one run that does not count. Reported are medians and
  minima, and beside them what the first fit of the process took.
- The numeric table has 30 columns; there are 5 classes with 5 labelled rows each. The mixed table
  has 30 columns too: 14 of numbers, a tenth of them missing, 6 of 8 categories, 2 of 40, 3 of
  booleans, 1 of dates, 1 of dates as text, 3 of texts of 5 to 12 words; 1,000 unlabelled rows.
- Memory: the peak of resident memory of a process that imports the classifier, draws a table, fits
  and predicts, the table included; and that of the import alone. Of more than 1,000 labelled rows
  the classifier takes a class-balanced sample, so that memory does not grow with them.
- Targets: fit on the numeric table at most 20 ms, fit on the mixed table with the unlabelled rows
  200 ms, predict of 10,000 rows of the numeric table 100 ms, memory 1 GiB at each shape.

    OMP_NUM_THREADS=1 python studies/benchmarks/estimator.py --check
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmark_page import Target, origin, publish, table, target_table
from process_memory import peak_mib
from threadpoolctl import threadpool_limits

from autometa.export import FewShotClassifier
from autometa.typing import FloatArray, IntArray

_ROUNDS = 15
_CLASSES, _SHOT, _COLUMNS = 5, 5, 30
_UNLABELLED_ROWS = 1_000
_PREDICTED_ROWS = 10_000
_MEMORY_MIB = 1024.0

_FIT_NUMERIC = "fit, numeric table"
_FIT_MIXED = "fit, mixed table with unlabelled rows"
_PREDICT_NUMERIC = f"predict {_PREDICTED_ROWS:,} rows, numeric table"
_PREDICT_MIXED = f"predict {_PREDICTED_ROWS:,} rows, mixed table"
_BOUNDS_MS = {_FIT_NUMERIC: 20.0, _FIT_MIXED: 200.0, _PREDICT_NUMERIC: 100.0}


@dataclass(frozen=True)
class Shape:
    """A table of numbers that the classifier is given in a process of its own."""

    labelled_rows: int
    columns: int
    classes: int
    predicted_rows: int

    def __str__(self) -> str:
        """Returns the shape in words."""
        return (
            f"{self.labelled_rows:,} labelled rows of {self.classes} classes, {self.columns} "
            f"columns, {self.predicted_rows:,} rows to predict"
        )


SHAPES = (
    Shape(labelled_rows=5_000, columns=500, classes=20, predicted_rows=5_000),
    Shape(labelled_rows=1_000, columns=100, classes=100, predicted_rows=10_000),
    Shape(labelled_rows=25, columns=100, classes=5, predicted_rows=100_000),
)


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a third of the rounds")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    # What a child process does: the index of a shape, or -1 for the import alone.
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def numeric_rows(labels: IntArray, columns: int, rng: np.random.Generator) -> FloatArray:
    """Returns normal numbers with a centre for each class."""
    cells = rng.standard_normal((len(labels), columns))
    centres = rng.standard_normal((int(labels.max()) + 1, columns))
    for label, centre in enumerate(centres):
        cells[labels == label] += centre
    return cells


def mixed_rows(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Returns a frame with 30 columns of all kinds."""
    words = np.array([f"word{number}" for number in range(200)])
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, rows), "D")
    columns: dict[str, Any] = {}
    for index in range(14):
        numbers = rng.standard_normal(rows)
        columns[f"number{index}"] = np.where(rng.random(rows) < 0.1, np.nan, numbers)
    for index, levels in enumerate([8] * 6 + [40] * 2):
        names = np.array([f"level{level}" for level in range(levels)], dtype=object)
        columns[f"category{index}"] = rng.choice(names, rows)
    for index in range(3):
        columns[f"flag{index}"] = rng.random(rows) < 0.5
    columns["day"] = days
    columns["day as text"] = days.strftime("%Y-%m-%d")
    for index in range(3):
        texts = [" ".join(rng.choice(words, count)) for count in rng.integers(5, 13, rows)]
        columns[f"text{index}"] = texts
    return pd.DataFrame(columns)


def cases() -> dict[str, Callable[[], object]]:
    """Returns what is timed, by name; nothing is fitted yet."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(_CLASSES), _SHOT)
    numeric = numeric_rows(labels, _COLUMNS, rng)
    mixed, unlabelled = mixed_rows(len(labels), rng), mixed_rows(_UNLABELLED_ROWS, rng)
    new_numeric = rng.standard_normal((_PREDICTED_ROWS, _COLUMNS))
    new_mixed = mixed_rows(_PREDICTED_ROWS, rng)
    fitted: dict[str, FewShotClassifier] = {}

    def fit_numeric() -> None:
        fitted["numeric"] = FewShotClassifier().fit(numeric, labels)

    def fit_mixed() -> None:
        fitted["mixed"] = FewShotClassifier().fit(mixed, labels, X_unlabelled=unlabelled)

    return {
        _FIT_NUMERIC: fit_numeric,
        _FIT_MIXED: fit_mixed,
        _PREDICT_NUMERIC: lambda: fitted["numeric"].predict(new_numeric),
        _PREDICT_MIXED: lambda: fitted["mixed"].predict(new_mixed),
    }


def measure_times(rounds: int) -> tuple[float, dict[str, dict[str, float]]]:
    """Returns milliseconds of the first fit of this process, and median and minimum by case."""
    by_name = cases()
    with threadpool_limits(limits=1):
        first = milliseconds(by_name[_FIT_NUMERIC])
        for case in by_name.values():
            case()
        found: dict[str, list[float]] = {name: [] for name in by_name}
        for _ in range(rounds):
            for name, case in by_name.items():
                gc.collect()  # the garbage of one case is not collected in the time of the next
                found[name].append(milliseconds(case))
    return first, {
        name: {"median": statistics.median(values), "minimum": min(values)}
        for name, values in found.items()
    }


def milliseconds(case: Callable[[], object]) -> float:
    """Returns what one run of a case takes."""
    start = time.perf_counter()
    case()
    return 1e3 * (time.perf_counter() - start)


def use_shape(shape: Shape) -> None:
    """Draws a table, fits and predicts."""
    rng = np.random.default_rng(0)
    labels = np.arange(shape.labelled_rows) % shape.classes
    labelled = numeric_rows(labels, shape.columns, rng)
    rows = rng.standard_normal((shape.predicted_rows, shape.columns))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FewShotClassifier adapts to")
        classifier = FewShotClassifier().fit(labelled, labels)
    classifier.predict(rows)


def run_child(index: int) -> dict[str, float]:
    """Returns what a process of its own reports that uses a shape, or imports alone at -1."""
    command = [sys.executable, __file__, "--child", str(index)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def markdown(
    first: float,
    times: dict[str, dict[str, float]],
    children: dict[str, dict[str, float]],
    targets: Sequence[Target],
) -> list[str]:
    """Returns the benchmark's page."""
    time_rows = [[name, *(f"{ms:.1f}" for ms in case.values())] for name, case in times.items()]
    memory_rows = [
        [name, f"{child['peak_mib']:.0f}", f"{child['seconds']:.1f}"]
        for name, child in children.items()
    ]
    return [
        "# The exported classifier on one core",
        "",
        origin("estimator"),
        "",
        *target_table(targets),
        "",
        "## Times",
        "",
        *table(["ms after import", "median", "minimum"], time_rows),
        "",
        f"The first fit of a process, which reads the export, took {first:.0f} ms.",
        "",
        "## Memory",
        "",
        *table(["process", "peak of resident memory, MiB", "seconds after import"], memory_rows),
    ]


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    if options.child is not None:
        start = time.perf_counter()
        if options.child >= 0:
            use_shape(SHAPES[options.child])
        seconds = time.perf_counter() - start
        print(json.dumps({"peak_mib": peak_mib(), "seconds": seconds}))
        return 0
    first, times = measure_times(_ROUNDS // 3 if options.quick else _ROUNDS)
    children = {"the import alone": run_child(-1)}
    children |= {str(shape): run_child(index) for index, shape in enumerate(SHAPES)}
    peak, where = max((child["peak_mib"], name) for name, child in children.items())
    targets = [
        *(
            Target(f"{name}, ms", bound, times[name]["median"], is_upper=True)
            for name, bound in _BOUNDS_MS.items()
        ),
        Target("peak of memory, MiB", _MEMORY_MIB, peak, where, is_upper=True),
    ]
    figures = {
        "first_fit_milliseconds": first,
        "milliseconds": times,
        "processes": children,
    }
    lines = markdown(first, times, children, targets)
    return publish("estimator", lines, figures, targets, options)


if __name__ == "__main__":
    sys.exit(main())
