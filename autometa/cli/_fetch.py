"""``autometa tables list`` and ``fetch``: what a source holds, and its tables ahead of a study."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._printing import (
    aligned,
    clean,
    duration,
    log_to_stderr,
    one_line,
    say,
    tell,
    tell_json,
)
from autometa.cli._signals import StopSignals
from autometa.errors import StoppedError, UserError

if TYPE_CHECKING:
    from autometa.tables import ScaledTable, Skipped
    from autometa.tables.openml import FetchProgress, FetchReport, ListedTable

SOURCES_HELP = (
    "openml:suite:99, openml:task:31, openml:dataset:31, sklearn:iris, a folder, file.csv or "
    "file.csv#target."
)
Offline = Annotated[
    bool, typer.Option("--offline", help="Download nothing (also AUTOMETA_OFFLINE=1).")
]
_STUDY_SUFFIXES = {".yaml", ".yml"}


def list_tables(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help=f"{SOURCES_HELP} Or a study file.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what sources hold, without reading or downloading tables.

    Shapes of OpenML's datasets are those that it announces.
    """
    log_to_stderr()
    found = sources_of_words(sources)
    with StopSignals() as signals:
        rows = [row for source in found for row in _listed(source, signals.event)]
    if as_json:
        tell_json(rows)
        return
    header = ["source", "table", "dataset", "version", "rows", "columns", "classes", "on disk"]
    cells = [
        [
            row["source"],
            row["name"],
            *(_shown(row[key]) for key in ("dataset", "version", "rows", "columns", "classes")),
            size(row["bytes"]) if row["bytes"] else "-",
        ]
        for row in rows
    ]
    total = sum(row["bytes"] for row in rows)
    tell("\n".join([*aligned(header, cells, left=2), "", f"{len(rows)} tables, {size(total)}"]))


def fetch(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help=f"{SOURCES_HELP} Or a study file.")
    ],
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Ask again for suites and for what OpenML did not give."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Download and encode tables ahead; the same command again goes on where it was.

    What is in the cache is compared with its sha256, and not downloaded again. Several such
    commands share the work.
    """
    from autometa.tables import default_cache_dir, is_offline

    if is_offline():
        raise UserError("tables fetch downloads, but AUTOMETA_OFFLINE is set: unset it")
    log_to_stderr()
    found = sources_of_words(sources)
    if refresh:
        _forget(found)
    with StopSignals() as signals:
        reports = fetch_shown(found, signals.event)
        tables, skipped = _encoded(found, signals.event)
    cache = default_cache_dir()
    if as_json:
        tell_json(
            {
                "cache": str(cache),
                "sources": [asdict(report) for report in reports],
                "tables": len(tables),
                "skipped": [asdict(item) for item in skipped],
            }
        )
        return
    lines = [f"skipped {item.name}: {one_line(item.reason)}" for item in skipped]
    lines += [
        f"OpenML {report.source}: {report.total} tables, {report.downloaded} of them downloaded "
        f"now; {size(report.bytes)} in {cache}"
        for report in reports
    ]
    tell(clean("\n".join([*lines, *overview(tables)])))


def sources_of_words(words: Sequence[str]) -> list[Any]:
    """Returns the sources that words mean; a study file stands for those of all its roles.

    Raises:
        UserError: a word is wrong.
    """
    from autometa.tables import parse_source, sources_of

    sources: list[Any] = []
    for word in words:
        if Path(word).suffix.lower() in _STUDY_SUFFIXES:
            from autometa.config import read_spec

            sources += sources_of(read_spec(Path(word), []).tables)
        else:
            sources.append(parse_source(word))
    return list(dict.fromkeys(sources))


def go_offline(is_wanted: bool) -> None:
    """Forbids downloads to this process and those that it starts, where that is wanted."""
    if is_wanted:
        from autometa.tables import OFFLINE_VARIABLE

        os.environ[OFFLINE_VARIABLE] = "1"


def fetch_shown(sources: Sequence[Any], stop: threading.Event) -> list[FetchReport]:
    """Downloads what sources need, with a note for each table on stderr.

    Raises:
        StoppedError: ``stop`` was set; what was fetched stays.
    """
    from autometa.tables import fetch_sources

    started = time.monotonic()

    def show(progress: FetchProgress) -> None:
        if progress.message:
            elapsed = duration(time.monotonic() - started)
            say(clean(f"[{elapsed}] {progress.done}/{progress.total} {progress.message}"))

    return fetch_sources(sources, on_progress=show, on_wait=lambda: _raise_if(stop, "fetching"))


def overview(tables: Sequence[ScaledTable]) -> list[str]:
    """Returns one line on the shapes of tables together; random ones are only counted."""
    drawn = sum(table.source == "synthetic" for table in tables)
    tables = [table for table in tables if table.source != "synthetic"]
    if not tables:
        return [f"{drawn} random tables"] if drawn else []
    ranges = {
        "rows": [table.raw_rows for table in tables],
        "columns": [table.raw_columns for table in tables],
        "classes": [len(table.class_names) for table in tables],
    }
    shapes = ", ".join(f"{min(v)} to {max(v)} {what}" for what, v in ranges.items())
    families = len({table.family for table in tables})
    more = f", and {drawn} random tables" if drawn else ""
    return [f"{len(tables)} tables of {families} families: {shapes}{more}"]


def size(count: int) -> str:
    """Returns a number of bytes for people.

    >>> size(512), size(3_400_000), size(1_200)
    ('512 B', '3.4 MB', '1.2 kB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _raise_if(stop: threading.Event, doing: str) -> None:
    if stop.is_set():
        raise StoppedError(f"stopped while {doing} tables; run the same command to go on")


def _encoded(
    sources: Sequence[Any], stop: threading.Event
) -> tuple[list[ScaledTable], list[Skipped]]:
    """Returns the tables of all sources, each content once, encoded into the cache."""
    from autometa.tables import ROLES, load_source

    tables: dict[str, ScaledTable] = {}
    skipped: list[Skipped] = []
    for source in sources:
        # The index.csv of a folder may have a list of tables for each role.
        for role in ROLES if getattr(source, "roles", None) else (None,):
            found, left_out = load_source(
                source, role=role, is_thorough=True, on_table=lambda: _raise_if(stop, "encoding")
            )
            tables |= {table.sha256: table for table in found}
            skipped += left_out
    return list(tables.values()), skipped


def _forget(sources: Sequence[Any]) -> None:
    from autometa.tables.openml import Settings, Store, forget

    store = Store(Settings.from_environment().server)
    for source in sources:
        if source.source == "openml":
            forget(source, store)


def _listed(source: Any, stop: threading.Event) -> list[dict[str, Any]]:
    """Returns a row for each table of a source."""
    if source.source == "openml":
        from autometa.tables.openml import Settings, Store, list_openml

        settings = Settings.from_environment()
        listed: list[ListedTable] = list_openml(
            source, Store(settings.server), settings, on_wait=lambda: _raise_if(stop, "listing")
        )
        return [{"source": f"openml {source}"} | asdict(table) for table in listed]
    unknown = dict.fromkeys(("dataset", "version", "rows", "columns", "classes"))
    if source.source == "files":
        from autometa.tables import list_files

        files = list_files(source)
        return [
            {"source": source.path, "name": file.name, **unknown, "bytes": _bytes_of(file.path)}
            for file in files
        ]
    names = source.names if source.source == "sklearn" else [f"{source.count} random tables"]
    return [{"source": source.source, "name": name, **unknown, "bytes": 0} for name in names]


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
