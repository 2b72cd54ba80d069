"""Imports a library whose unneeded dependencies are absent or do not load."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_with_stubs(name: str, stubs: Sequence[str]) -> ModuleType:
    """Returns the module ``name``, imported while the packages ``stubs`` stand for nothing.

    Whatever the module takes from those packages is an empty class, so that it may be subclassed
    or called when the module is loaded, and does nothing. The stand-ins are gone afterwards.

    Raises:
        ImportError: the module itself, or another of its dependencies, is not installed.
    """
    if name in sys.modules or not stubs:
        return importlib.import_module(name)
    hidden = {key: module for key, module in sys.modules.items() if _package(key) in stubs}
    for key in hidden:
        del sys.modules[key]
    finder = _StubFinder(stubs)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        for key in [key for key in sys.modules if _package(key) in stubs]:
            del sys.modules[key]
        sys.modules.update(hidden)


class _StubFinder(MetaPathFinder, Loader):
    """Finds every module of the given packages, and loads a stand-in for it."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if _package(fullname) not in self._packages:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Stub(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leaves the stand-in as it is."""


class _Stub(ModuleType):
    """A module in which every public name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {})


class _Nothing:
    """Takes any arguments."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Keeps none of them."""


def _package(name: str) -> str:
    return name.partition(".")[0]
