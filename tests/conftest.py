"""What every test stands on: fixed seeds, own caches, one thread. The order is random."""

from __future__ import annotations

import os

# Before anything imports torch, which reads it once: two test processes share two cores.
os.environ["OMP_NUM_THREADS"] = "1"

import random
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Gives each test the same seeds and a cache of its own, and hides the user's storage."""
    random.seed(0)
    if "numpy" in sys.modules:
        # The legacy generator, because libraries under test may still draw from it.
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    monkeypatch.setenv("AUTOMETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("AUTOMETA_STORAGE", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
