"""A command line inside the test process, a tiny study file, and one finished study."""

from __future__ import annotations

from command_line import (
    environment,
    finished,
    folder,
    in_finished,
    run,
    shared,
    study_file,
)

__all__ = ["environment", "finished", "folder", "in_finished", "run", "shared", "study_file"]
