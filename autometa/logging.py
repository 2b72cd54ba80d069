"""Loggers of the package; the library sets no handler, the command line does."""

from __future__ import annotations

import logging


def get_logger(name: str) -> logging.Logger:
    """Returns the logger of a module, below the root logger ``autometa``.

    Args:
        name: the module's ``__name__``.
    """
    return logging.getLogger(name)
