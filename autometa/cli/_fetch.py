"""``autometa tables list`` and ``fetch``: what a source holds, and its tables ahead of a study."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._printing import (
    aligned,
    clean,
    log_to_stderr,
    one_line,
    say,
    tell,
    tell_json,
)
from autometa.cli._signals import StopSignals
from autometa.cli._sources import (
    SOURCES_HELP,
    InRole,
    Offline,
    counted,
    fetch_shown,
    go_offline,
    in_roles,
    overview,
    raise_if,
    size,
)
from autometa.errors import UserError

if TYPE_CHECKING:
    from autometa.tables import ScaledTable, Skipped
    from autometa.tables.openml import ListedTable


def list_tables(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=SOURCES_HELP)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    offline: Offline = False,
) -> None:
    """Show what sources hold, without reading or downloading tables.

    Shapes of OpenML's datasets are those that it announces; offline, those of the cache.
    """
    log_to_stderr()
    go_offline(offline)
    found = [one for word in sources for one in in_roles(word)]
    with StopSignals() as signals:
        rows = [row for one in found for row in _listed(one, signals.event)]
    if as_json:
        tell_json(rows)
        return
    header = ["source", "table", "dataset", "version", "rows", "columns", "classes", "on disk"]
    keys = ("dataset", "version", "rows", "columns", "classes")
    cells = [
        [
            row["source"],
            row["name"],
            *("-" if row[key] is None else str(row[key]) for key in keys),
            size(row["bytes"]) if row["bytes"] else "-",
        ]
        for row in rows
    ]
    lines = aligned(header, cells, left=2)
    lines += [
        f"{row['name'] or 'dataset ' + str(row['dataset'])}: {row['note']}"
        for row in rows
        if row.get("note")
    ]
    total = sum(row["bytes"] for row in rows)
    tell(clean("\n".join([*lines, "", f"{counted(len(rows), 'table')}, {size(total)}"])))


def fetch(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=SOURCES_HELP)],
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Ask again for suites and for what OpenML did not have."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Download and encode tables ahead; the same command again goes on where it was.

    What is in the cache is compared with its sha256, not downloaded again.

    Several such commands at once share the work.
    """
    from autometa.tables import cached_bytes, default_cache_dir, is_offline

    if is_offline():
        raise UserError("tables fetch downloads, but AUTOMETA_OFFLINE is set: unset it")
    log_to_stderr()
    found = [one for word in sources for one in in_roles(word)]
    with StopSignals() as signals:
        reports = fetch_shown([one.source for one in found], signals.event, again=refresh)
        tables, skipped = _encoded(found, signals.event)
    cache = default_cache_dir()
    if as_json:
        tell_json(
            {
                "cache": str(cache),
                "sources": [asdict(report) for report in reports],
                "tables": len(tables),
                "encoded_bytes": sum(cached_bytes(table) for table in tables),
                "skipped": [asdict(item) for item in skipped],
            }
        )
        return
    lines = [f"skipped {item.name}: {one_line(item.reason)}" for item in skipped]
    lines += [
        f"OpenML {report.source}: {counted(report.total, 'table')}, {report.downloaded} of them "
        f"downloaded now; {size(report.bytes)} of downloads in {cache}"
        for report in reports
    ]
    encoded = sum(cached_bytes(table) for table in tables)
    lines.append(f"encoded: {size(encoded)} in {cache}")
    tell(clean("\n".join([*lines, *overview(tables)])))


def _encoded(
    sources: Sequence[InRole], stop: threading.Event
) -> tuple[list[ScaledTable], list[Skipped]]:
    """Returns the tables of all sources, each content once, encoded into the cache."""
    from autometa.tables import load_source

    tables: dict[str, ScaledTable] = {}
    skipped: list[Skipped] = []
    for one in sources:
        found, left_out = load_source(
            one.source, role=one.role, is_thorough=True, on_table=lambda: raise_if(stop, "encoding")
        )
        tables |= {table.sha256: table for table in found}
        skipped += left_out
    return list(tables.values()), skipped


def _listed(one: InRole, stop: threading.Event) -> list[dict[str, Any]]:
    """Returns a row for each table of a source."""
    source = one.source
    if source.source == "openml":
        return [{"source": f"openml {source}"} | asdict(row) for row in _of_openml(source, stop)]
    unknown = dict.fromkeys(("dataset", "version", "rows", "columns", "classes"))
    if source.source == "files":
        from autometa.tables import list_files

        files = list_files(source, one.role)
        return [
            {"source": source.path, "name": file.name, **unknown, "bytes": _bytes_of(file.path)}
            for file in files
        ]
    names = source.names if source.source == "sklearn" else [f"{source.count} random tables"]
    return [{"source": source.source, "name": name, **unknown, "bytes": 0} for name in names]


def _of_openml(source: Any, stop: threading.Event) -> list[ListedTable]:
    from autometa.tables import is_offline
    from autometa.tables.openml import Session, Settings, Store, list_cached, list_openml

    settings = Settings.from_environment()
    store = Store(settings.server)
    if is_offline():
        return list_cached(source, store)
    with Session(settings, store, lambda: raise_if(stop, "listing"), say) as session:
        return list_openml(source, session)


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
