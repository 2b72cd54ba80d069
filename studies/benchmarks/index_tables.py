"""A study on a folder of real tables: fifteen minutes of search, then one read of unseen families.

Fixed before the runs:

- Tables: those with role ``train`` in the folder's ``index.csv`` are divided by family (seed 0)
  into meta-training and, one fifth, the search's validation; 2,000 synthetic tables are added to
  meta-training. Those with role ``validation`` in the index are the test role here: they are read
  once in a run, by the exported weights, and nothing is chosen on them. So the search selects on
  some families and the figures are reported on others.
- Setting unlabelled, K = 1, 5, 10, up to 5 ways, 15 queries per class, 20 episodes per table and K.
- Reported: accuracy as mean over families, against every baseline on the same episodes, with a
  95 % bootstrap interval over families; log-loss; wins and losses per table.
- Studies: ``learners.yaml``, ``maml.yaml``, and ``maml-projected``, which is ``maml.yaml`` with
  textbook inputs (principal components of the columns), for comparison.
- ``--check``: the winner is above logistic regression and LDA at each K (no target for
  ``maml-projected``).

Readings of the test role. Its families chose nothing inside a run, but runs of earlier designs have
been read on them, each against logistic regression at K = 1, 5, 10:

    learners   one core, before MAML read columns          +0.6 +0.5 +0.5 points
               a temperature that saw the shots alone      +1.0 +0.9 +1.3
               a head by descent, and no gate              +0.5 +0.3 +1.1
    maml       with whitened components                    -0.6 -1.8 -2.3
               a temperature that saw the shots alone      +1.1 -0.1 +0.4

Each change since was chosen on other divisions of the training role, that of the temperature for
the sake of MAML's K = 5: tables that nobody has read are the better judge.

Baseline scores are computed (and cached) before the clock of the search starts.

    python studies/benchmarks/index_tables.py --tables DIR --study learners --check
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from comparison import comparison_lines, figures, verdict

from autometa.config import StudySpec, read_spec, spec_from_dict, spec_to_dict
from autometa.search import StudyData, leaderboard, run_folder_of
from autometa.storages import load_study, open_storage
from autometa.tune import RESERVED_SHARE, TuneResult, tune

_STUDIES = Path(__file__).parents[1]
_RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"
_STUDY_FILES = {
    "learners": ("learners.yaml", []),
    "maml": ("maml.yaml", []),
    "maml-projected": ("maml.yaml", ["learner.inputs=projected"]),
}


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--study", choices=list(_STUDY_FILES), default="learners")
    parser.add_argument("--minutes", type=float, default=15.0, help="minutes of search")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two minutes of search, few episodes")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--sheet", type=Path, help="write the Markdown sheet here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def study_spec(options: argparse.Namespace) -> StudySpec:
    """Returns the study file with the folder's tables and the benchmark's budget."""
    index = pd.read_csv(options.tables / "index.csv")
    names = {role: sorted(rows["name"]) for role, rows in index.groupby("role")}
    folder = {"source": "files", "path": str(options.tables.resolve())}
    file, overrides = _STUDY_FILES[options.study]
    spec = spec_to_dict(read_spec(_STUDIES / file, overrides))
    minutes = 2.0 if options.quick else options.minutes
    steps = 400 if options.quick else spec["training"]["outer_steps"]
    spec["name"] = f"benchmark-{options.study}-{options.seed}" + ("-quick" if options.quick else "")
    spec["tables"] = {
        "train": [
            {**folder, "names": names["train"]},
            {"source": "synthetic", "count": 2000, "seed": 0},
        ],
        "test": [{**folder, "names": names["validation"]}],
        "split": {"validation": 0.2, "by": "family", "seed": 0},
    }
    spec["episodes"] |= {"settings": ["unlabelled"], "per_table": 4 if options.quick else 20}
    spec["training"] |= {"outer_steps": steps, "rungs": None}
    spec["search"] |= {
        "trials": 1000,
        "seconds": minutes * 60 / (1 - RESERVED_SHARE),
        "workers": options.workers,
        "seed": options.seed,
    }
    spec.pop("storage", None)
    return spec_from_dict(spec)


def markdown(found: dict[str, Any], result: TuneResult, options: argparse.Namespace) -> str:
    """Returns the benchmark's page."""
    file, overrides = _STUDY_FILES[options.study]
    trials = ", ".join(f"{count} {state.lower()}" for state, count in found["trials"].items())
    winner = ", ".join(f"{key} {value}" for key, value in found["winner"].items())
    lines = [
        f"# `{' '.join([file, *(f'--set {text}' for text in overrides)])}` on real tables",
        "",
        "Made by `studies/benchmarks/index_tables.py`; its docstring says what was fixed before "
        "the run. The figures are those of the exported weights on families that neither "
        "meta-training nor the search has seen.",
        "",
        f"- Budget: {found['seconds']} s in all, {options.workers} workers of one thread; {trials}",
        f"- Winner: {winner}",
        f"- Log-loss: {found['gain_nats']:+.3f} nats against logistic regression "
        "(above zero is better)",
        "",
        *comparison_lines(found),
    ]
    return "\n".join([*lines, "", "## All methods", "", result.sheet.to_markdown(), ""])


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    spec = study_spec(options)
    data = StudyData.load(spec)
    print(f"caching the baselines of {spec.name} ...", flush=True)
    for tasks in (data.search_tasks(), data.confirm_tasks(), data.test_tasks()):
        data.baselines(tasks, workers=options.workers)
    started = time.monotonic()
    result = tune(spec, on_event=lambda event: print(event.message) if event.message else None)
    seconds = time.monotonic() - started
    trials = leaderboard(load_study(open_storage(spec.storage), spec.name))
    found = {
        "study": result.study,
        "role": result.role,
        "winner": result.export.config.model_dump(mode="json"),
        "seconds": round(seconds),
        "trials": {state: int(n) for state, n in trials["state"].value_counts().items()},
        **figures(result.sheet),
    }
    page = markdown(found, result, options)
    trials.to_csv(run_folder_of(spec.name) / "leaderboard.csv", index=False)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    sheet = options.sheet
    if sheet is None and not options.quick:
        sheet = _RESULTS / f"index_tables_{options.study.replace('-', '_')}.md"
    if sheet is not None:
        sheet.write_text(page)
    print(page)
    line, missed = verdict(found)
    print(line + ("" if missed else "; all targets met"))
    has_target = options.study != "maml-projected"
    return 1 if options.check and has_target and missed else 0


if __name__ == "__main__":
    sys.exit(main())
