"""Searches meta-parameters of few-shot learners for tables and exports a classifier.

The names below are loaded on first use, so that ``import autometa`` stays quick.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autometa.export import FewShotClassifier, compare, load
    from autometa.priors import PriorSampler, StudyPrior
    from autometa.search import objective
    from autometa.tune import tune

    __version__: str

__all__ = [
    "FewShotClassifier",
    "PriorSampler",
    "StudyPrior",
    "__version__",
    "compare",
    "load",
    "objective",
    "tune",
]

_HOMES = {
    "FewShotClassifier": "autometa.export",
    "PriorSampler": "autometa.priors",
    "StudyPrior": "autometa.priors",
    "compare": "autometa.export",
    "load": "autometa.export",
    "objective": "autometa.search",
    "tune": "autometa.tune",
}


class _Package(ModuleType):
    """This package, whose function ``tune`` is not shadowed by the module that holds it."""

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds each loaded module to its package; autometa.tune, once loaded,
        # would stand where users expect the function. The module stays in sys.modules.
        if name in _HOMES and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("autometa")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
