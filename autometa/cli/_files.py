"""Writing a result file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

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
    """Writes a UTF-8 file by a temporary name in the same folder and a rename.

    Raises:
        RunError: the file cannot be written; what was there is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with temporary.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"{path} could not be written ({error.strerror or error}) and is unchanged: free "
            "space or choose another path"
        ) from error
