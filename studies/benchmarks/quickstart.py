"""The quickstart with several seeds: what it scores on its test tables, and how long it takes.

Fixed before the runs: ``studies/quickstart.yaml`` as it stands but for ``search.seed`` (which also
draws the episodes), seeds 0 to 4, each as the command line runs it. Reported per seed: accuracy
of the exported weights on the test tables (mean over K = 1, 5, 10), that of the best single
baseline (the one with the best mean on those episodes), the difference, and seconds of wall clock.
How the quickstart divides its four tables, its setting and ``adapt: head`` were chosen
after other choices had been tried on the same four tables (meta-training on random tables alone,
the learner is underconfident on tables as easy as these, and moving the scales cost two points;
the learner's default, with gate and ridge head, gave +0.35 points over the five seeds, in 108 to
134 s): the figures show that the quickstart does what it says; ``index_tables.py`` shows what a
study is worth on tables that nobody looked at.
``--check``: the mean difference over the seeds is above zero, and no run takes six minutes.

    python studies/benchmarks/quickstart.py --check
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from autometa.export import read_export
from autometa.search import LEARNER_METHOD, run_folder_of

_ROOT = Path(__file__).parents[2]
_SPEC = _ROOT / "studies" / "quickstart.yaml"
_RESULT = _ROOT / "results" / "benchmarks" / "quickstart.md"
_MOST_SECONDS = 360.0


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one seed, a tenth of the training")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def run_seed(seed: int, *, quick: bool) -> dict[str, Any]:
    """Runs the quickstart once and returns its figures."""
    name = f"quickstart-seed-{seed}" + ("-quick" if quick else "")
    command = [sys.executable, "-m", "autometa", "tune", str(_SPEC)]
    for override in (f"search.seed={seed}", f"name={name}"):
        command += ["--set", override]
    if quick:
        for override in ("training.outer_steps=104", "training.rungs=", "search.seconds=60"):
            command += ["--set", override]
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    export = read_export(run_folder_of(name) / "export")
    sheet = export.sheet().select(role="test")
    best = sheet.best_baseline(exclude=(LEARNER_METHOD,))
    advantage = sheet.advantage(LEARNER_METHOD, best)
    shots = sorted(set(sheet.frame["shot"]))
    return {
        "seed": seed,
        "seconds": round(seconds),
        "accuracy": sheet.mean("accuracy", LEARNER_METHOD),
        "by_shot": {str(s): sheet.mean("accuracy", LEARNER_METHOD, shot=s) for s in shots},
        "best_baseline": best,
        "best_baseline_accuracy": sheet.mean("accuracy", best),
        "best_by_shot": {
            str(shot): [name_, sheet.mean("accuracy", name_, shot=shot)]
            for shot in shots
            for name_ in [sheet.best_baseline(shot=shot, exclude=(LEARNER_METHOD,))]
        },
        "advantage": advantage.mean,
        "low": advantage.low,
        "high": advantage.high,
        "gain_nats": sheet.value(LEARNER_METHOD),
        "winner": export.config.model_dump(mode="json"),
        "trials": export.provenance["budget"]["trials"],
    }


def markdown(runs: list[dict[str, Any]]) -> str:
    """Returns the benchmark's page."""
    differences = [100 * run["advantage"] for run in runs]
    mean = statistics.mean(differences)
    spread = statistics.stdev(differences) if len(runs) > 1 else float("nan")
    lines = [
        "# The quickstart, seed by seed",
        "",
        "Made by `studies/benchmarks/quickstart.py`; its docstring says what was fixed before the "
        "runs. Accuracy in % on the test tables (wine, breast_cancer; inductive; K = 1, 5, 10; 20 "
        "episodes per table and K). The interval is over paired episodes of these two tables, and "
        "says nothing about other tables. How the "
        "quickstart divides its four tables, its setting and `adapt: head` were chosen after other "
        "choices had been tried on them: the page shows that the quickstart does what it says.",
        "",
        "| seed | autometa | K=1 / 5 / 10 | best baseline | advantage (95 % CI) | "
        "gain in log-loss over LR (nats) | trials | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        by_shot = " / ".join(f"{100 * value:.1f}" for value in run["by_shot"].values())
        interval = f"{100 * run['low']:+.2f} to {100 * run['high']:+.2f}"
        lines.append(
            f"| {run['seed']} | {100 * run['accuracy']:.2f} | {by_shot} | "
            f"{run['best_baseline']} {100 * run['best_baseline_accuracy']:.2f} | "
            f"{100 * run['advantage']:+.2f} ({interval}) | "
            f"{run['gain_nats']:+.3f} | {run['trials']} | {run['seconds']} |"
        )
    lines += [
        "",
        f"Mean advantage over the best baseline: {mean:+.2f} points (standard deviation over "
        f"seeds {spread:.2f}); slowest run {max(run['seconds'] for run in runs)} s.",
        "",
        "Against the best baseline of each K, chosen after the fact for each seed and K:",
        "",
        "| seed | " + " | ".join(f"K={shot}" for shot in runs[0]["by_shot"]) + " |",
        "|---|" + "---|" * len(runs[0]["by_shot"]),
    ]
    for run in runs:
        cells = [
            f"{100 * (run['by_shot'][shot] - value):+.1f} ({name})"
            for shot, (name, value) in run["best_by_shot"].items()
        ]
        lines.append(f"| {run['seed']} | " + " | ".join(cells) + " |")
    lines += ["", "Winners:", ""]
    for run in runs:
        winner = ", ".join(f"{key} {value}" for key, value in run["winner"].items())
        lines.append(f"- seed {run['seed']}: {winner}")
    return "\n".join([*lines, ""])


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    count = 1 if options.quick else options.seeds
    runs = [run_seed(seed, quick=options.quick) for seed in range(count)]
    page = markdown(runs)
    if not options.quick:
        _RESULT.write_text(page)
    if options.json is not None:
        options.json.write_text(json.dumps(runs, indent=1) + "\n")
    print(page)
    mean = 100 * statistics.mean(run["advantage"] for run in runs)
    slowest = max(run["seconds"] for run in runs)
    is_met = mean > 0 and slowest < _MOST_SECONDS
    print(
        f"advantage over the best baseline {mean:+.2f} points (target above 0), slowest run "
        f"{slowest} s (target below {_MOST_SECONDS:.0f}): {'met' if is_met else 'NOT met'}"
    )
    return 1 if options.check and not is_met else 0


if __name__ == "__main__":
    sys.exit(main())
