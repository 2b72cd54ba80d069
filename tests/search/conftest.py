"""Studies in a storage, and worker processes that can be killed at a chosen line."""

from __future__ import annotations

from storage_urls import url
from study_workers import spawn, study_of

__all__ = ["spawn", "study_of", "url"]
