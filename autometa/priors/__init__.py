"""Past studies become a prior, and a prior becomes the first and some of the later proposals.

Works with plain Optuna and without PyTorch::

    prior = StudyPrior.learn([optuna.load_study(...), ...])
    sampler = PriorSampler(optuna.samplers.TPESampler(), prior)
    study = optuna.create_study(sampler=sampler)

Names are imported on first use, because Optuna takes most of a second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autometa.priors._file import parse_sources, sources_text
    from autometa.priors._purse import PURSE, Purse, is_wager, purse_of
    from autometa.priors._sampler import TRUST, PriorSampler
    from autometa.priors._source import Source
    from autometa.priors._study_prior import StudyPrior

_MODULES = {
    "PURSE": "_purse",
    "TRUST": "_sampler",
    "PriorSampler": "_sampler",
    "Purse": "_purse",
    "Source": "_source",
    "StudyPrior": "_study_prior",
    "is_wager": "_purse",
    "parse_sources": "_file",
    "purse_of": "_purse",
    "sources_text": "_file",
}

__all__ = [
    "PURSE",
    "TRUST",
    "PriorSampler",
    "Purse",
    "Source",
    "StudyPrior",
    "is_wager",
    "parse_sources",
    "purse_of",
    "sources_text",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
