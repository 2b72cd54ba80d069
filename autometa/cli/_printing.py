"""What is printed, and how: notes on stderr, results on stdout, no control characters."""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any


def say(line: str) -> None:
    """Prints a note for people on stderr; a closed stderr is no error."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (BrokenPipeError, ValueError):
        return


def tell(text: str) -> None:
    """Prints a result on stdout."""
    print(text)


def tell_json(value: Any) -> None:
    """Prints a result as JSON on stdout; what is not a finite number is null."""
    tell(as_json(value))


def as_json(value: Any) -> str:
    """Returns JSON that every reader accepts: NaN and infinities are null."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def clean(text: str) -> str:
    """Returns a text without control characters except line ends.

    Names of tables, columns and classes come from files, and could otherwise send escape codes to
    a terminal.
    """
    return "".join(
        letter if letter == "\n" or not unicodedata.category(letter).startswith("C") else "?"
        for letter in text.replace("\t", " ")
    )


def one_line(text: str) -> str:
    """Returns a text as a single line without control characters."""
    return clean(" ".join(text.split()))


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> list[str]:
    """Returns the lines of a table; the first ``left`` columns are set left, the others right.

    >>> aligned(["method", "K=1"], [["maml", "0.5"], ["svm", "12.5"]])
    ['method   K=1', 'maml     0.5', 'svm     12.5']
    """
    from rich.cells import cell_len

    lines = [[one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(header))]

    def padded(cell: str, at: int) -> str:
        space = " " * (widths[at] - cell_len(cell))
        return cell + space if at < left else space + cell

    return ["  ".join(padded(cell, at) for at, cell in enumerate(line)).rstrip() for line in lines]


def duration(seconds: float) -> str:
    """Returns a duration for people.

    >>> duration(44.6), duration(200), duration(3900)
    ('45 s', '3 min 20 s', '1 h 05 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: int) -> str:
    """Returns a number of bytes for people.

    >>> size(900), size(4_300_000), size(7 * 2**30)
    ('900 B', '4.1 MiB', '7.0 GiB')
    """
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Shows the package's log messages as notes."""
    logger = logging.getLogger("autometa")
    logger.setLevel(level)
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())


def hush_optuna() -> None:
    """Keeps Optuna's own log messages below warnings away; commands without Optuna need it not."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


class _Notes(logging.Handler):
    """Looks stderr up for each message, because a live display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        say(prefix + one_line(record.getMessage()))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
