"""What the commands on tables share: sources as they are typed, downloads, and sizes for people."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from autometa.cli._printing import clean, duration, say
from autometa.errors import StoppedError

if TYPE_CHECKING:
    from autometa.tables import ScaledTable
    from autometa.tables.openml import FetchProgress, FetchReport

SOURCES_HELP = (
    "openml:suite:99, openml:task:31, openml:dataset:31, sklearn:iris, a folder, file.csv or "
    "file.csv#target; or a study file."
)
Offline = Annotated[
    bool, typer.Option("--offline", help="Download nothing (also AUTOMETA_OFFLINE=1).")
]
_STUDY_SUFFIXES = {".yaml", ".yml"}


class InRole(NamedTuple):
    """A source, and what it is for in a study."""

    source: Any
    role: str | None
    """Its role; None where no study gives it one."""
    is_divided: bool = False
    """Whether the study divides its tables among roles."""


def in_roles(word: str) -> list[InRole]:
    """Returns the source that a word means, or those of a study file with their roles.

    Raises:
        UserError: the word is wrong, or the study file is.
    """
    from autometa.tables import ROLES, parse_source

    if Path(word).suffix.lower() not in _STUDY_SUFFIXES:
        return [InRole(parse_source(word), None)]
    from autometa.config import read_spec

    tables = read_spec(Path(word), []).tables
    return [
        InRole(source, role, is_divided=role == "train" and tables.split is not None)
        for role in ROLES
        for source in getattr(tables, role)
    ]


def go_offline(is_wanted: bool) -> None:
    """Forbids downloads to this process and those that it starts, where that is wanted."""
    if is_wanted:
        from autometa.tables import OFFLINE_VARIABLE

        os.environ[OFFLINE_VARIABLE] = "1"


def fetch_shown(
    sources: Sequence[Any], stop: threading.Event, *, again: bool = False
) -> list[FetchReport]:
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

    return fetch_sources(
        sources,
        again=again,
        on_progress=show,
        on_wait=lambda: raise_if(stop, "fetching"),
    )


def raise_if(stop: threading.Event, doing: str) -> None:
    """Ends what is done with tables, where that was asked for.

    Raises:
        StoppedError: ``stop`` is set.
    """
    if stop.is_set():
        raise StoppedError(f"stopped while {doing} tables; run the same command to go on")


def overview(tables: Sequence[ScaledTable]) -> list[str]:
    """Returns one line on the shapes of tables together; random ones are only counted."""
    from autometa.tables import SYNTHETIC

    drawn = sum(table.source == SYNTHETIC for table in tables)
    tables = [table for table in tables if table.source != SYNTHETIC]
    if not tables:
        return [f"{drawn} random tables"] if drawn else []
    ranges = {
        "rows": [table.raw_rows for table in tables],
        "columns": [table.raw_columns for table in tables],
        "classes": [len(table.class_names) for table in tables],
    }
    shapes = ", ".join(
        f"{min(v)} {what}" if min(v) == max(v) else f"{min(v)} to {max(v)} {what}"
        for what, v in ranges.items()
    )
    families = len({table.family for table in tables})
    of = f"{families} famil{'y' if families == 1 else 'ies'}"
    more = f", and {drawn} random tables" if drawn else ""
    return [f"{counted(len(tables), 'table')} of {of}: {shapes}{more}"]


def counted(count: int, noun: str) -> str:
    """Returns a number with its noun.

    >>> counted(1, "table"), counted(2, "table")
    ('1 table', '2 tables')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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
