"""The study file of the examples, as text and as a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autometa.config import parse_yaml

QUICKSTART = """\
version: 1
name: quickstart
tables:
  train:      [{source: synthetic, count: 2000, seed: 0}]
  validation: [{source: sklearn, names: [wine, breast_cancer]}]
  test:       [{source: sklearn, names: [iris, digits]}]
  # split: {validation: 0.2, confirm: 0.1, test: 0.2, by: family, seed: 0} divides one list
episodes: {ways: 5, shots: [1, 5, 10], queries: 15, per_table: 20}
learner: {name: column_kernel, head: descent}   # fixed values
space:                                  # searched values
  inner_lr:    {low: 0.01, high: 10.0, log: true}
  inner_steps: {low: 1, high: 30}
  width:       {choices: [16, 32, 64, 128]}
  depth:       {low: 1, high: 4}
training: {outer_steps: 2000, rungs: [250, 500, 1000, 2000], meta_batch: 8, device: auto}
search: {trials: 30, seconds: 300, sampler: tpe, pruner: halving, seed: 0, confirm: 3}
storage: journal:results/runs/studies.journal   # or sqlite:///..., or $AUTOMETA_STORAGE
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A study file that is accepted as it stands."""
    path = tmp_path / "quickstart.yaml"
    path.write_text(QUICKSTART, encoding="utf-8")
    return path


@pytest.fixture
def study() -> dict[str, Any]:
    """The content of that study file."""
    return dict(parse_yaml(QUICKSTART))


@pytest.fixture
def conditional_study(study: dict[str, Any]) -> dict[str, Any]:
    """A study that searches the learner too."""
    study["learner"] = {"inner_steps": 4}
    study["space"] = {
        "learner": {
            "choices": {
                "maml": {"inner_lr": {"low": 1e-3, "high": 0.05, "log": True}},
                "column_kernel": {
                    "adapt": {"choices": ["head", "head+scales"]},
                    "depth": {"low": 1, "high": 4},
                },
            }
        }
    }
    return study
