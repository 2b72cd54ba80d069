"""Real workers that can be killed, commands in processes of their own, and every storage."""

from __future__ import annotations

from command_line import environment, finished, folder, in_finished, run, shared, study_file
from storage_urls import url
from study_workers import spawn, study_of

__all__ = [
    "environment",
    "finished",
    "folder",
    "in_finished",
    "run",
    "shared",
    "spawn",
    "study_file",
    "study_of",
    "url",
]
