"""Every error that autometa raises on purpose.

    AutometaError
    ├── UserError (ValueError)     a wrong study file, table, command or name; exit code 2
    ├── RunError  (RuntimeError)   a storage, data set or worker failed while running; exit code 1
    └── StoppedError               a signal asked to stop; exit code 130 (SIGINT) or 143 (SIGTERM)

Warnings of its own are of a kind too, so that the command line can tell them to users:

    AutometaWarning (UserWarning)
    └── UnfamiliarTableWarning     a table far from those of meta-training

A message states the rule that was broken, the value that was given, and the remedy.
"""

from __future__ import annotations


class AutometaError(Exception):
    """Root of every error raised on purpose; ``exit_code`` is what the command line returns.

    >>> import autometa
    >>> try:
    ...     autometa.load("no such folder")
    ... except AutometaError as error:
    ...     print(error.exit_code)
    2
    """

    exit_code = 1


class UserError(AutometaError, ValueError):
    """Something that the user gave cannot be accepted.

    >>> issubclass(UserError, ValueError), UserError.exit_code
    (True, 2)
    """

    exit_code = 2


class RunError(AutometaError, RuntimeError):
    """Something failed while running, although what the user gave was acceptable.

    >>> issubclass(RunError, RuntimeError), RunError.exit_code
    (True, 1)
    """


class AutometaWarning(UserWarning):
    """Something that a user should know, although it stops nothing."""


class UnfamiliarTableWarning(AutometaWarning):
    """A table lies far outside those that a learner was meta-trained on.

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", UnfamiliarTableWarning)
    ...     warnings.warn("far", UnfamiliarTableWarning)
    """


class StoppedError(AutometaError):
    """A signal or the caller asked to stop; everything that is done is kept.

    >>> StoppedError.exit_code
    130
    """

    exit_code = 130
