"""The names that the package itself offers."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

import pytest

import autometa

ROOMS = ("config", "storages", "tables", "episodes", "learners", "evaluation", "export", "search")


@pytest.mark.parametrize("name", autometa.__all__)
def test_every_listed_name_is_there(name: str) -> None:
    """Each name is loaded on first use and shown by dir."""
    assert getattr(autometa, name) is not None
    assert name in dir(autometa)


def test_tune_is_the_function_also_after_its_module_is_loaded() -> None:
    """Importing autometa.tune does not put the module in the function's place."""
    module = importlib.import_module("autometa.tune")

    assert inspect.ismodule(module)
    assert sys.modules["autometa.tune"] is module
    assert autometa.tune is module.tune
    assert callable(autometa.tune)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not offered is refused as Python does it."""
    with pytest.raises(AttributeError, match="module 'autometa' has no attribute 'tuen'"):
        _ = autometa.tuen  # type: ignore[attr-defined]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_what_it_exports(room: str) -> None:
    """Every name of __all__ exists, stands once, and is public."""
    module = importlib.import_module(f"autometa.{room}")

    names = module.__all__

    assert len(names) == len(set(names))
    assert all(not name.startswith("_") and hasattr(module, name) for name in names)


def test_the_package_is_typed() -> None:
    """Type checkers of users read the package's annotations."""
    assert (Path(autometa.__file__).parent / "py.typed").is_file()
