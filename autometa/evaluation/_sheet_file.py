"""The parquet file of a score sheet: schema version, checks, atomic writing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from autometa.atomic import write_atomically
from autometa.errors import UserError

SHEET_VERSION = 1
"""Schema version of the file; counts up when a column is renamed, removed or redefined."""

_VERSION_KEY = b"autometa.score_sheet"


def write_sheet_file(frame: pd.DataFrame, path: Path) -> None:
    """Writes the rows of a sheet with the schema version in the file's metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _VERSION_KEY: str(SHEET_VERSION).encode()}
    table = table.replace_schema_metadata(metadata)
    write_atomically(path, lambda file: parquet.write_table(table, file))


def read_sheet_file(path: Path) -> pd.DataFrame:
    """Reads the rows of a sheet.

    Raises:
        UserError: the file is missing, damaged, not a score sheet, or of a newer version.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if not path.is_file():
        raise UserError(f"A score sheet must be a file; there is none at {path}: check the path.")
    try:
        # Read as a stream, so that nothing is inferred from the names of parent folders.
        with path.open("rb") as file:
            table = parquet.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"A score sheet must be a parquet file; {path} is damaged or something else "
            f"({str(error).splitlines()[0][:80]}): restore it, or write the scores again."
        ) from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY)
    if version is None or not version.isdigit():
        raise UserError(
            f"A score sheet must carry its schema version; {path} has none: "
            "give a file that autometa wrote."
        )
    if int(version) > SHEET_VERSION:
        raise UserError(
            f"Score sheets up to version {SHEET_VERSION} can be read; {path} has version "
            f"{int(version)}: upgrade autometa."
        )
    return table.to_pandas()  # type: ignore[no-any-return]
