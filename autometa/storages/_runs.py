"""Where a study's files go that are not in its storage, and the names that studies may have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from autometa.errors import UserError
from autometa.storages._url import DEFAULT_STORAGE_URL

RUNS_FOLDER: Final = Path("results") / "runs"
PRIORS_FOLDER: Final = RUNS_FOLDER / "priors"
"""What finished studies have to say to later ones, a file for each."""
ARTIFACTS_FOLDER: Final = RUNS_FOLDER / "artifacts"
"""Files that the dashboard offers, those of all studies side by side."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHARED: Final = (PRIORS_FOLDER.name, ARTIFACTS_FOLDER.name)
# The files beside a journal begin with its name.
_JOURNAL: Final = DEFAULT_STORAGE_URL.rpartition("/")[2]


def run_folder_of(name: str) -> Path:
    """Returns where a study's checkpoints, export and logs go, below the current folder.

    Raises:
        UserError: the name is not one that :func:`check_study_name` lets pass.

    >>> run_folder_of("loans-2024").as_posix()
    'results/runs/loans-2024'
    """
    return RUNS_FOLDER / check_study_name(name)


def check_study_name(name: str) -> str:
    """Returns the name when it is safe in a URL, a file name and every database.

    Raises:
        UserError: it is not, or its folder is one that all studies share. Letters' case does not
            count there, as it does not on some file systems.

    >>> check_study_name("loans-2024")
    'loans-2024'
    >>> check_study_name("../loans")
    Traceback (most recent call last):
        ...
    autometa.errors.UserError: a study name must have 1 to 100 letters, digits, ...
    """
    if _NAME.fullmatch(name) is None:
        shown = name if len(name) <= 120 else name[:117] + "..."
        raise UserError(
            "a study name must have 1 to 100 letters, digits, dots, underscores or hyphens and "
            f"start with a letter or digit, but got {shown!r}; choose another name."
        )
    if name.lower() in _SHARED or name.lower().startswith(_JOURNAL):
        raise UserError(
            f"a study must not be named like {RUNS_FOLDER / name}, where files of all studies "
            "are; choose another name."
        )
    return name
