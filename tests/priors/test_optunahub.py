"""The package for OptunaHub: its form, and that its example runs with plain Optuna."""

from __future__ import annotations

import importlib.util
import inspect
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import optuna
import pytest
import yaml

import autometa
from autometa.priors import PriorSampler

FOLDER = Path(autometa.__file__).parents[1] / "optunahub" / "samplers" / "prior_sampler"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="not a clone of the repository")


def _module() -> ModuleType:
    """The package as OptunaHub loads it: a file, outside of any installed package."""
    spec = importlib.util.spec_from_file_location("prior_sampler_of_hub", FOLDER / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_package_has_what_the_registry_asks_for() -> None:
    """Files and front matter of a sampler, and every argument of it in the page."""
    names = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert names == {"LICENSE", "README.md", "__init__.py", "example.py", "requirements.txt"}
    page = (FOLDER / "README.md").read_text()
    front = yaml.safe_load(page.split("---")[1])
    assert set(front) == {*("author", "title", "description", "tags", "optuna_versions", "license")}
    assert "sampler" in front["tags"]
    assert optuna.__version__ in front["optuna_versions"]
    for heading in ("Abstract", "Class or Function Names", "Installation", "Example"):
        assert f"## {heading}\n" in page
    [told] = re.findall(r"`PriorSampler\((.*)\)`", page)
    names_told = [word.partition("=")[0] for word in told.split(", ") if word != "*"]
    assert names_told == [*inspect.signature(PriorSampler).parameters]


def test_its_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hub's loader in the place of the network; the second study has a portfolio."""
    hub = SimpleNamespace(load_module=lambda package: _module())
    monkeypatch.setitem(sys.modules, "optunahub", hub)  # type: ignore[arg-type]
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    ran = runpy.run_path(str(FOLDER / "example.py"))

    origins = [trial.user_attrs["autometa:origin"] for trial in ran["study"].trials]
    assert origins[:4] == [f"portfolio {place}" for place in (1, 2, 3, 4)]
    assert len(origins) == 12
