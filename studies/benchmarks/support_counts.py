"""Supports as they come: an export where classes have unequal numbers of rows.

Fixed before the runs:

- The export of ``index_tables.py --study learners``, whose training saw equal and unequal counts.
- Tables with role ``validation`` in the folder's ``index.csv``, which it has not seen. Weights
  of earlier designs were read on these tables with equal counts (``index_tables.py`` says when).
- Setting unlabelled, K = 1, 5, 10, 15 queries per class, 20 episodes per table and K, drawn three
  ways: ``equal`` (K rows of each class), ``unequal`` (1 to 2K-1, at random) and ``natural`` (as
  frequent as in the table, K on average, at least one), the last also with all classes of a table
  instead of at most five.
- Reported: accuracy as mean over families, against logistic regression, LDA and the best single
  baseline on the same episodes, with a 95 % bootstrap interval over families; log-loss.
- ``--check``: above logistic regression at each K, however the rows are drawn.

    python studies/benchmarks/support_counts.py --tables DIR --export DIR --check
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autometa.config import FilesSource
from autometa.evaluation import ScoreSheet
from autometa.export import drawing, evaluate_export
from autometa.search import LEARNER_METHOD
from autometa.tables import load_source
from autometa.typing import Counts, Ways

_RESULT = Path(__file__).parents[2] / "results" / "benchmarks" / "support_counts.md"
_DRAWINGS: tuple[tuple[Counts, Ways], ...] = (
    ("equal", 5),
    ("unequal", 5),
    ("natural", 5),
    ("natural", "all"),
)
_SHOTS = (1, 5, 10)
_LR = "logistic_regression"


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--export", type=Path, required=True, help="folder of an export")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two episodes per table and K")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def figures(sheet: ScoreSheet, counts: Counts, ways: Ways) -> dict[str, Any]:
    """Returns what is reported of one way of drawing supports."""
    rows = []
    for shot in _SHOTS:
        best = sheet.best_baseline(shot=shot, exclude=(LEARNER_METHOD,))
        row: dict[str, Any] = {
            "shot": shot,
            "accuracy": sheet.mean("accuracy", LEARNER_METHOD, shot=shot),
            "best_baseline": best,
        }
        row["advantage_over"] = {
            name: asdict(sheet.advantage(LEARNER_METHOD, name, shot=shot))
            for name in dict.fromkeys((_LR, "lda", best))
        }
        rows.append(row)
    return {
        "counts": counts,
        "ways": ways,
        "families": sheet.frame["family"].nunique(),
        "tables": sheet.frame["table"].nunique(),
        "gain_nats": sheet.value(LEARNER_METHOD),
        "shots": rows,
    }


def markdown(found: list[dict[str, Any]]) -> str:
    """Returns the benchmark's page."""
    lines = [
        "# Supports with unequal numbers of rows per class",
        "",
        "Made by `studies/benchmarks/support_counts.py`; its docstring says what was fixed before "
        "the run. An export on families that it has not seen, setting unlabelled. "
        "Accuracy in %, mean over families; advantages in points with a 95 % interval by bootstrap "
        "over families; nats are those of log-loss below logistic regression's.",
        "",
        "| support | families / tables | nats | K | autometa | over LR | over LDA | "
        "over the best baseline |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part in found:
        name = drawing(part).removeprefix(" with ") or "equal counts per class"
        for row in part["shots"]:
            cells = []
            for baseline in (_LR, "lda", row["best_baseline"]):
                cell = row["advantage_over"][baseline]
                cells.append(
                    f"{100 * cell['mean']:+.1f} "
                    f"({100 * cell['low']:+.1f} to {100 * cell['high']:+.1f})"
                )
            lines.append(
                f"| {name} | {part['families']} / {part['tables']} | {part['gain_nats']:+.3f} | "
                f"{row['shot']} | {100 * row['accuracy']:.1f} | {cells[0]} | {cells[1]} | "
                f"{cells[2]} {row['best_baseline']} |"
            )
    return "\n".join([*lines, ""])


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    source = FilesSource(path=str(options.tables.resolve()), roles="index")
    tables, _ = load_source(source, role="validation")
    found = []
    for counts, ways in _DRAWINGS:
        sheet = evaluate_export(
            options.export,
            tables,
            shots=_SHOTS,
            settings=("unlabelled",),
            episodes=2 if options.quick else 20,
            ways=ways,
            counts=counts,
            workers=options.workers,
        )
        found.append(figures(sheet.select(role="unseen"), counts, ways))
        print(f"scored {counts} counts, ways {ways}", flush=True)
    page = markdown(found)
    if not options.quick:
        _RESULT.write_text(page)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(page)
    missed = [
        f"{part['counts']}, ways {part['ways']}, K={row['shot']}"
        for part in found
        for row in part["shots"]
        if row["advantage_over"][_LR]["mean"] <= 0
    ]
    line = "; ".join(
        f"{part['counts']}, ways {part['ways']}: "
        + " / ".join(f"{100 * row['advantage_over'][_LR]['mean']:+.2f}" for row in part["shots"])
        for part in found
    )
    verdict = f"NOT above at {'; '.join(missed)}" if missed else "above at each K"
    print(f"over logistic regression, {line}; {verdict}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
