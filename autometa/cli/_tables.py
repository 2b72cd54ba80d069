"""``autometa tables``: what tables look like to a learner, and whether they leak."""

from __future__ import annotations

import csv
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._fetch import fetch, list_tables
from autometa.cli._printing import aligned, clean, log_to_stderr, one_line, tell, tell_json
from autometa.cli._signals import StopSignals
from autometa.cli._sources import (
    SOURCES_HELP,
    Offline,
    fetch_shown,
    go_offline,
    in_roles,
    overview,
    raise_if,
)
from autometa.errors import UserError

if TYPE_CHECKING:
    from autometa.tables import ScaledTable, Skipped, TableSummary

tables = typer.Typer(help="Look at tables before they are used.", no_args_is_help=False)

_NO_ROLE = "-"

tables.command("list", epilog="Example: autometa tables list openml:suite:99")(list_tables)
tables.command("fetch", epilog="Example: autometa tables fetch studies/openml_cc18.yaml")(fetch)


@tables.command("check", epilog="Example: autometa tables check sklearn:iris mine.csv#target")
def check(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help=SOURCES_HELP),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    offline: Offline = False,
) -> None:
    """Show shapes, classes, families and dropped columns; tell which tables share rows.

    Roles are those of a folder's index.csv or of a study file. A family with two roles is an error
    (exit 2).
    """
    from autometa.tables import SYNTHETIC, check_leakage, shared_rows, summarise

    log_to_stderr()
    go_offline(offline)
    with StopSignals() as signals:
        by_role, skipped = load_sources(sources, signals.event)
    loaded = [table for found in by_role.values() for table in found]
    summaries = summarise(by_role)
    pairs = [
        {"first": loaded[pair.first].name, "second": loaded[pair.second].name, "share": pair.share}
        for pair in shared_rows(loaded)
    ]
    leak = None
    try:
        check_leakage({role: found for role, found in by_role.items() if role != _NO_ROLE})
    except UserError as error:
        leak = error
    if as_json:
        tell_json(
            {
                "tables": [asdict(summary) for summary in summaries],
                "skipped": [asdict(item) for item in skipped],
                "shared_rows": pairs,
                "leakage": None if leak is None else str(leak),
            }
        )
    else:
        # Random tables are many, and are counted in the overview.
        real = [summary for summary in summaries if summary.family != SYNTHETIC]
        lines = [*_lines(real, skipped), "", *overview(loaded), *_shared(pairs)]
        tell(clean("\n".join(lines)))
    if leak is not None:
        raise leak


def load_sources(
    words: Sequence[str], stop: threading.Event
) -> tuple[dict[str, list[ScaledTable]], list[Skipped]]:
    """Returns the tables of sources by role, each content once in a role, and what was skipped.

    Later ones of tables with one name get numbers.

    What the cache lacks is downloaded first, unless that is forbidden.

    Args:
        words: sources as they are typed.
        stop: set to end early.

    Raises:
        UserError: a source is wrong, or none has a usable table.
        RunError: the cache cannot be written, or a table cannot be downloaded.
        StoppedError: ``stop`` was set.
    """
    from dataclasses import replace

    from autometa.tables import Skipped, load_source

    loaded: dict[str, dict[str, ScaledTable]] = {}
    skipped: list[Skipped] = []
    names: set[str] = set()
    sources = [found for word in words for found in in_roles(word)]
    fetch_shown([found.source for found in sources], stop)
    for one in sources:
        found, left_out = load_source(
            one.source, role=one.role, on_table=lambda: raise_if(stop, "reading")
        )
        skipped += left_out
        index = _index_roles(one.source) if one.role is None else {}
        known_role = None if one.is_divided else one.role
        for table in found:
            role = loaded.setdefault(known_role or index.get(table.name, _NO_ROLE), {})
            if table.sha256 in role:
                reason = f"it has the same contents as {role[table.sha256].name!r}"
                skipped.append(Skipped(table.name, reason))
                continue
            name, number = table.name, 1
            while name in names:
                number += 1
                name = f"{table.name} ({number})"
            names.add(name)
            role[table.sha256] = replace(table, name=name)
    if not loaded:
        reason = f": {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise UserError(f"there is no usable table among the sources{reason}")
    return {role: list(found.values()) for role, found in loaded.items()}, skipped


def _index_roles(source: Any) -> dict[str, str]:
    """Returns the role of each table that the index.csv of a folder gives one."""
    if source.source != "files":
        return {}
    index = Path(source.path).expanduser() / "index.csv"
    if not index.is_file():
        return {}
    with index.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return {
            row["name"]: row["role"]
            for row in csv.DictReader(file)
            if row.get("name") and row.get("role")
        }


def _lines(summaries: Sequence[TableSummary], skipped: Sequence[Skipped]) -> list[str]:
    rows = [
        [
            summary.name,
            summary.role,
            summary.family,
            str(summary.rows),
            str(summary.columns),
            str(summary.encoded_columns),
            str(summary.classes),
            str(summary.smallest_class),
        ]
        for summary in summaries
    ]
    header = ["table", "role", "family", "rows", "columns", "encoded", "classes", "smallest class"]
    lines = aligned(header, rows, left=3)
    dropped = [
        [summary.name, column, reason]
        for summary in summaries
        for column, reason in summary.dropped.items()
    ]
    if dropped:
        lines += ["", *aligned(["table", "dropped column", "reason"], dropped, left=3)]
    if skipped:
        lines += ["", *(f"skipped {item.name}: {one_line(item.reason)}" for item in skipped)]
    return lines


def _shared(pairs: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{pair['first']} and {pair['second']} share {100 * pair['share']:.0f} % of their rows: "
        "they count as one family"
        for pair in pairs
    ] or ["no two tables share rows"]
