"""One table file to a frame: CSV, Parquet or ARFF.

CSV: the first line names the columns; the delimiter (comma, semicolon, tab) is the one that splits
the first lines most evenly; UTF-8, else Latin-1; ``""``, ``?``, ``NA``, ``N/A``, ``NaN``, ``nan``,
``null`` and ``NULL`` are missing; with semicolons, commas are decimal where no cell has a point.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from autometa.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".parquet", ".csv", ".arff")
MAX_BYTES = 2 << 30
_MISSING = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL"]
_SNIFFED_LINES = 50
_DECIMAL_COMMA = re.compile(r"(?:^|;)\"?[+-]?\d+,\d+\"?(?=;|$)", re.MULTILINE)
_DECIMAL_POINT = re.compile(r"(?:^|;)\"?[+-]?\d+\.\d+\"?(?=;|$)", re.MULTILINE)


def read_frame(path: Path) -> pd.DataFrame:
    """Returns the frame of a table file, rows numbered from 0.

    Raises:
        UserError: no such file, an unknown format, a file that is too large or cannot be read, or
            two columns of one name.

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> frame = pd.DataFrame({"price": [1.5, 2.25], "sold": ["yes", "?"]})
    >>> frame.to_csv("sales.csv", sep=";", decimal=",", index=False)
    >>> read_frame(Path("sales.csv")).to_dict("list")
    {'price': [1.5, 2.25], 'sold': ['yes', nan]}
    """
    if not path.is_file():
        raise UserError(f"a table file must exist, but {str(path)!r} does not: check the path")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"a table file must end in {', '.join(SUFFIXES)}; got {path.name!r}: convert the file"
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                f"a table file must hold at most {MAX_BYTES >> 20} MiB, but {path.name!r} has "
                f"{path.stat().st_size >> 20}: give a sample of its rows"
            )
        frame = {".csv": _read_csv, ".parquet": _read_parquet, ".arff": _read_arff}[suffix](path)
    except UserError:
        raise
    except _read_errors() as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"a table file must be readable as {suffix[1:]}, but {path.name!r} is not ({detail}): "
            "repair or convert the file"
        ) from error
    return frame.reset_index(drop=True)


def read_records(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Returns the columns of a small CSV file and its rows as text, without their empty cells.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        text = _text(path)
        reader = csv.DictReader(io.StringIO(text), delimiter=sniff_delimiter(text), restkey="")
        rows = [
            {
                column: cell.strip()
                for column, cell in row.items()
                if column and (cell or "").strip()
            }
            for row in reader
        ]
        return tuple(reader.fieldnames or ()), rows
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path.name} must be a readable CSV file, but {str(path)!r} is not ({error}): "
            "repair it"
        ) from error


def _read_errors() -> tuple[type[Exception], ...]:
    import arff

    # Readers raise these, and subclasses, for contents that they cannot make sense of.
    return (OSError, ValueError, TypeError, LookupError, OverflowError, Warning, arff.ArffException)


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\0" in text:
        raise ValueError("it holds zero bytes and is no text in UTF-8 or Latin-1")
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    text = _text(path)
    delimiter = sniff_delimiter(text)
    header = next(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True))
    # pandas would rename the second of two equal names silently.
    names = [name.strip() for name in header]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise UserError(
            f"every column must have its own name, but {repeated[0]!r} occurs "
            f"{names.count(repeated[0])} times in {path.name!r}: rename or remove all but one"
        )
    has_decimal_comma = (
        delimiter == ";" and _DECIMAL_COMMA.search(text) and not _DECIMAL_POINT.search(text)
    )
    with warnings.catch_warnings():
        # Rows with more cells than the header would be cut with a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            decimal="," if has_decimal_comma else ".",
            na_values=_MISSING,
            keep_default_na=False,
            skipinitialspace=True,
            index_col=False,
            low_memory=False,
        )
    frame.columns = [str(label).strip() for label in frame.columns]
    return frame


def sniff_delimiter(text: str) -> str:
    """Returns the delimiter of CSV text: the one whose first lines have most cells, all alike."""
    lines = text.splitlines()[:_SNIFFED_LINES]

    def cells_per_line(delimiter: str) -> int:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        # The last line may be cut within a quoted cell.
        return counts[0] if counts and len(set(counts[:-1] or counts)) == 1 else 0

    best = max(",;\t", key=cells_per_line)
    return best if cells_per_line(best) > 1 else max(",;\t", key=lines[0].count)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _read_arff(path: Path) -> pd.DataFrame:
    import arff
    import pandas as pd

    contents = arff.loads(_text(path))
    names = [name for name, _ in contents["attributes"]]
    frame = pd.DataFrame(contents["data"], columns=names, dtype=object)
    for name, kind in contents["attributes"]:
        if isinstance(kind, list):
            frame[name] = pd.Categorical(frame[name], categories=list(dict.fromkeys(kind)))
        elif kind.upper() in {"NUMERIC", "REAL", "INTEGER"}:
            frame[name] = pd.to_numeric(frame[name])
    return frame
