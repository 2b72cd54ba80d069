"""The examples in the package's docstrings run in empty folders of their own, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from autometa.config import StudySpec


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
    request.getfixturevalue("doctest_namespace")["spec"] = _little_study()


def _little_study() -> StudySpec:
    """Returns what ``spec`` is in examples: a study of one meta-parameter, run in a second."""
    from autometa.config import spec_from_dict

    return spec_from_dict(
        {
            "name": "tiny",
            "tables": {
                "train": [{"source": "synthetic", "count": 20}],
                "validation": [{"source": "sklearn", "names": ["iris"]}],
            },
            "episodes": {"shots": [1], "per_table": 2, "queries": 5},
            "learner": {"name": "maml"},
            "space": {"width": {"low": 8, "high": 64}},
            "training": {"outer_steps": 4},
            "search": {"trials": 3},
        }
    )
