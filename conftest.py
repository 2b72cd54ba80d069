"""The examples in the package's docstrings run in empty folders of their own, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _example_in_a_folder_of_its_own(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(request.node, pytest.DoctestItem):
        return
    folder: Path = request.getfixturevalue("tmp_path")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AUTOMETA_CACHE", str(folder / "cache"))
    monkeypatch.setenv("AUTOMETA_OFFLINE", "1")
    monkeypatch.delenv("AUTOMETA_STORAGE", raising=False)
