"""Writing a result file whole or not at all."""

from __future__ import annotations

from pathlib import Path

from autometa.atomic import write_atomically
from autometa.errors import RunError, UserError


def check_writable(path: Path) -> None:
    """Checks, before the work is done, that a result file can be put at a path.

    Raises:
        UserError: the path is a folder, or its folder does not exist.
    """
    if path.is_dir():
        raise UserError(f"a result is written to a file, but {path} is a folder; add a file name")
    if not path.parent.is_dir():
        raise UserError(
            f"the folder of a result file must exist; {path.parent} does not: make it or choose "
            "another path"
        )


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file completely, or not at all.

    Raises:
        RunError: the file cannot be written; what was there is unchanged.
    """
    try:
        write_atomically(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise RunError(
            f"{path} could not be written ({error.strerror or error}) and is unchanged: free "
            "space or choose another path"
        ) from error
