"""Where a study's files go that are not in its storage."""

from __future__ import annotations

from pathlib import Path
from typing import Final

RUNS_FOLDER: Final = Path("results") / "runs"
PRIORS_FOLDER: Final = RUNS_FOLDER / "priors"
"""What finished studies have to say to later ones, a file for each."""


def run_folder_of(name: str) -> Path:
    """Returns where a study's checkpoints, export and logs go, below the current folder."""
    return RUNS_FOLDER / name
