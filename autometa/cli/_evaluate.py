"""``autometa evaluate``: an export next to the baselines, on tables of one's own."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._files import check_writable, write_text
from autometa.cli._printing import aligned, as_json, clean, log_to_stderr, say, tell
from autometa.cli._signals import StopSignals
from autometa.cli._sources import Offline, go_offline
from autometa.errors import StoppedError, UserError

if TYPE_CHECKING:
    from autometa.evaluation import ScoreSheet
    from autometa.tables import ScaledTable
    from autometa.typing import Counts, Setting, Ways

SEEN, UNSEEN = "seen", "unseen"
"""Roles in the score sheet of ``evaluate_export``."""

_STDOUT = Path("-")


def evaluate(
    *,
    tables: Annotated[
        list[str],
        typer.Option(
            "--tables",
            metavar="SOURCE...",
            help="sklearn:iris, a folder, file.csv or file.csv#target; may be several.",
        ),
    ],
    more_tables: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Export to use; default: the pretrained one."),
    ] = None,
    shots: Annotated[
        str, typer.Option("--shots", metavar="K,K...", help="Labelled rows per class.")
    ] = "1,5,10",
    counts: Annotated[
        str,
        typer.Option(
            "--counts",
            metavar="NAME",
            help="Rows of each class: equal (K), unequal (1 to 2K-1 at random) or natural (as "
            "frequent as in the table, K on average).",
        ),
    ] = "equal",
    ways: Annotated[
        str, typer.Option("--ways", metavar="N", help="Most classes of an episode, or all.")
    ] = "5",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--setting",
            metavar="NAME",
            help="inductive, transductive or unlabelled; may be repeated; default: unlabelled.",
        ),
    ] = None,
    episodes: Annotated[
        int, typer.Option("--episodes", min=1, help="Episodes per table and shot.")
    ] = 20,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes for baselines.")] = 1,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write the numbers as JSON; - for stdout."),
    ] = None,
    offline: Offline = False,
) -> None:
    """Score an export and every baseline on the same episodes of tables.

    Tables that the export has seen are marked and left out of the means.
    """
    chosen_shots = _parsed_shots(shots)
    chosen_settings = _parsed_settings(settings)
    chosen_counts, chosen_ways = _parsed_counts(counts), _parsed_ways(ways)
    if json_path not in (None, _STDOUT):
        check_writable(json_path)

    from autometa.cli._tables import load_sources
    from autometa.export import drawing, evaluate_export, read_export

    log_to_stderr()
    go_offline(offline)
    read = read_export(export)
    with StopSignals() as signals:
        by_role, skipped = load_sources([*tables, *(more_tables or ())], signals.event)
    # The roles of an index say nothing here; what the export has seen does.
    loaded = list({table.sha256: table for found in by_role.values() for table in found}.values())
    for item in skipped:
        say(clean(f"skipped {item.name}: {item.reason}"))
    with StopSignals() as signals:
        progress = _Progress(signals.event)
        sheet = evaluate_export(
            read,
            loaded,
            shots=chosen_shots,
            settings=chosen_settings,
            episodes=episodes,
            ways=chosen_ways,
            counts=chosen_counts,
            workers=workers,
            on_progress=progress,
        )
        progress.end()
    drawn = {"ways": chosen_ways, "counts": chosen_counts}
    if json_path == _STDOUT:
        tell(as_json(_as_mapping(read.path, sheet, loaded, drawn)))
        return
    tell(clean("\n".join(_lines(sheet, chosen_settings, drawing(drawn)))))
    if json_path is not None:
        write_text(json_path, as_json(_as_mapping(read.path, sheet, loaded, drawn)) + "\n")
        say(clean(f"wrote {json_path}"))


def _parsed_shots(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word[:9]) >= 1 for word in words):
        raise UserError(f"--shots takes whole numbers from 1, such as 1,5,10; got {text!r}")
    return sorted({int(word) for word in words})


def _parsed_settings(given: list[str] | None) -> list[Setting]:
    from autometa.typing import SETTINGS

    words = [word.strip() for item in given or ("unlabelled",) for word in item.split(",")]
    for word in words:
        if word not in SETTINGS:
            raise UserError(f"--setting must be one of {', '.join(SETTINGS)}; got {word!r}")
    return [setting for setting in SETTINGS if setting in words]


def _parsed_counts(text: str) -> Counts:
    from autometa.typing import COUNTS

    for counts in COUNTS:
        if counts == text:
            return counts
    raise UserError(f"--counts must be one of {', '.join(COUNTS)}; got {text!r}")


def _parsed_ways(text: str) -> Ways:
    if text == "all":
        return "all"
    if text not in map(str, range(2, 51)):
        raise UserError(f"--ways must be a whole number from 2 to 50, or all; got {text!r}")
    return int(text)


class _Progress:
    """One changing line on a terminal, and a line for each quarter elsewhere."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._is_live = sys.stderr.isatty()
        self._quarter = 0

    def __call__(self, done: int, total: int) -> None:
        """Shows how far the baselines are; stops here, where what is done is kept."""
        if self._stop.is_set() and done < total:
            self.end()
            raise StoppedError("stopped while scoring; run the same command to go on")
        text = f"scored the baselines on {done}/{total} tasks"
        if self._is_live:
            print(f"\r{text}", end="", file=sys.stderr, flush=True)
        elif total and 4 * done // total > self._quarter:
            self._quarter = 4 * done // total
            say(text)

    def end(self) -> None:
        """Leaves the changing line."""
        if self._is_live:
            print(file=sys.stderr)


def _lines(sheet: ScoreSheet, settings: list[Setting], drawn: str) -> list[str]:
    from autometa.cli._sheet import LEARNER, setting_lines
    from autometa.evaluation import verdicts

    unseen, seen = sheet.select(role=UNSEEN), sheet.select(role=SEEN)
    lines: list[str] = []
    present = [setting for setting in settings if setting in set(unseen.frame["setting"])]
    for setting in present:
        lines += [*setting_lines(unseen, setting, learner=LEARNER, drawn=drawn), ""]
    lines += [*verdicts(unseen, learner=LEARNER, drawn=drawn), ""] if present else []
    if len(seen):
        names = ", ".join(sorted(set(seen.frame["table"])))
        lines += [
            f"* seen by the export in training or search, and left out of the means: {names}",
            *([] if present else ["No table is new to the export, so that there is no mean."]),
            "",
        ]
    for setting in settings:
        lines += [*_table_lines(sheet.select(setting=setting), drawn), ""]
    return lines[:-1]


def _table_lines(part: ScoreSheet, drawn: str) -> list[str]:
    """Returns the accuracies of the learner and of logistic regression on each table."""
    from autometa.cli._sheet import LEARNER, REFERENCE

    frame = part.frame
    if frame.empty:
        return []
    means = frame.groupby(["table", "method", "shot"])["accuracy"].mean()
    shots = sorted(set(frame["shot"]))
    marks = frame.drop_duplicates("table").set_index("table")

    def cell(table: str, shot: int) -> str:
        pair = [means.get((table, method, shot)) for method in (LEARNER, REFERENCE)]
        return " / ".join("-" if value is None else f"{100 * value:.1f}" for value in pair)

    rows = [
        [
            f"{table}{'*' if marks.loc[table, 'role'] == SEEN else ''}",
            str(marks.loc[table, "family"]),
            *(cell(str(table), shot) for shot in shots),
        ]
        for table in marks.index
    ]
    header = ["table", "family", *(f"K={shot}" for shot in shots)]
    setting = frame["setting"].iloc[0]
    return [
        f"Accuracy in % of {LEARNER} / {REFERENCE} on each table, setting {setting}{drawn}",
        *aligned(header, rows, left=2),
    ]


def _as_mapping(
    path: Path, sheet: ScoreSheet, tables: list[ScaledTable], drawn: dict[str, Any]
) -> dict[str, Any]:
    from autometa.cli._sheet import LEARNER, sheet_json

    frame = sheet.frame
    role_of = dict(zip(frame["table"], frame["role"], strict=True))
    return {
        "export": str(path),
        "learner": LEARNER,
        **drawn,
        "tables": [
            {
                "name": table.name,
                "family": table.family,
                "seen": role_of[table.name] == SEEN if table.name in role_of else None,
                "scored": table.name in role_of,
            }
            for table in tables
        ],
        "means_over_unseen_families": sheet_json(sheet.select(role=UNSEEN), learner=LEARNER),
        "seen_tables": sheet_json(sheet.select(role=SEEN), learner=LEARNER),
    }
