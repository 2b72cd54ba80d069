"""Places for storages that do not exist yet, one of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A storage of each kind that does not exist yet."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_cluster").new_storage())
    files = {"journal": f"journal:{tmp_path}/s.journal", "sqlite": f"sqlite:///{tmp_path}/s.db"}
    return files[request.param]
