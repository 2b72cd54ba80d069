"""Small exports of untrained learners, and tables to use them on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autometa.config import learner_config_class, learner_fields
from autometa.export import write_export
from autometa.learners import AbstractLearner, build_learner

SPEC = {
    "learner": {"inner_steps": 2},
    "episodes": {"ways": 5, "shots": (1, 5), "queries": 15},
    "training": {"outer_steps": 100, "rungs": (50, 100)},
    "tables": {"train": ("wine",), "validation": ("iris",)},
}
PROVENANCE = {
    "study": "small",
    "trial": 3,
    "seeds": {"study": 0, "training": 17},
    "families_seen": [
        {"family": "wine", "tables": ["wine"], "role": "train"},
        {"family": "iris", "tables": ["iris"], "role": "validation"},
    ],
    "budget": {"trials": 4, "seconds": 12.5},
    "versions": {"autometa": "0.1.0", "torch": "2.13.0"},
    "fingerprint": "1e5",
    "created": "2026-11-23T08:00:00+00:00",
}

WriteExport = Callable[..., Path]


class TextSheet:
    """Stands for a score sheet where only the file that it writes matters."""

    def to_parquet(self, path: Path) -> None:
        """Writes a few bytes."""
        path.write_bytes(b"scores")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def make_learner(name: str = "column_kernel", seed: int = 0, **values: Any) -> AbstractLearner:
    """Returns a learner whose random weights give predictions that depend on the rows."""
    values = {"width": 8, "depth": 2} | values
    if "inner_steps" in learner_fields(name):
        values = {"inner_steps": 2} | values
    config: Any = learner_config_class(name)(**values)
    learner = build_learner(config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return learner


@pytest.fixture
def untrained() -> Callable[..., AbstractLearner]:
    """Returns a maker of untrained learners, ``untrained(name, seed=..., **config values)``."""
    return make_learner


@pytest.fixture(name="write")
def write_fixture(tmp_path: Path) -> WriteExport:
    """Returns a writer of an untrained learner's export, ``write(path, learner=..., ...)``."""

    def write(path: Path | None = None, **changed: Any) -> Path:
        parts: dict[str, Any] = {
            "learner": make_learner(),
            "spec": SPEC,
            "sheet": TextSheet(),
            "card": "# small\n",
            "provenance": PROVENANCE,
        }
        parts |= changed
        if "spec" not in changed and "inner_steps" not in learner_fields(
            parts["learner"].config.name
        ):
            parts["spec"] = SPEC | {"learner": {}}
        return write_export(tmp_path / "export" if path is None else path, **parts)

    return write


@pytest.fixture
def export(write: WriteExport) -> Path:
    """Returns the folder of an export."""
    return write()


@pytest.fixture
def mixed() -> tuple[pd.DataFrame, pd.Series]:
    """Returns 40 rows with every kind of column and missing cells, and their two classes."""
    rng = np.random.default_rng(5)
    codes = np.repeat([0, 1], 20)
    size = rng.normal(size=40) + 3 * codes
    size[[3, 25]] = np.nan
    colour = np.where(rng.random(40) < 0.2, "green", np.where(codes, "red", "blue")).astype(object)
    colour[7] = None
    frame = pd.DataFrame(
        {
            "size": size,
            "colour": pd.Categorical(colour),
            "word": rng.choice(["yes", "no", "maybe"], size=40),
            "flag": codes == rng.integers(0, 2, size=40),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, 40), "D"),
            "constant": 1,
        }
    )
    return frame, pd.Series(np.where(codes, "ripe", "raw"), name="state")


@pytest.fixture
def blobs() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Returns a maker of Gaussian classes, ``blobs(counts, columns=...)``."""

    def make(counts: list[int], columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(len(counts))
        labels = np.repeat(np.arange(len(counts)), counts)
        centres = rng.normal(scale=4, size=(len(counts), columns))
        return centres[labels] + rng.normal(size=(len(labels), columns)), labels

    return make
