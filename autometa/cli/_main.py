"""From arguments to an exit code: every error becomes one line on stderr.

The codes are 0 (done), 1 (something failed while running), 2 (something wrong was given), 130
(stopped by SIGINT) and 143 (stopped by SIGTERM).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType

import typer

from autometa.cli._app import app
from autometa.cli._printing import clean, one_line, say
from autometa.errors import AutometaError

DEBUG_VARIABLE = "AUTOMETA_DEBUG"
# The root of what typer raises for wrong options; older releases take it from click, newer ones
# from a copy of their own.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
_SIGPIPE_CODE = 141
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


class _Terminated(BaseException):
    """SIGTERM outside of the commands that end gracefully; temporary files are still removed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: the arguments without the program's name; those of the process when None.

    >>> main(["tables", "check", "sklearn:iris"])
    table  role  family  rows  columns  encoded  classes  smallest class
    iris   -     iris     150        4        4        3              50
    <BLANKLINE>
    1 table of 1 family: 150 rows, 4 columns, 3 classes
    no two tables share rows
    0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_debugging = _take_debug(arguments)
    # Before torch and scikit-learn are loaded: more workers are quicker than more threads.
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with _quiet(is_debugging), _sigterm_raises():
            code = _run(arguments)
            sys.stdout.flush()
        return code
    except (Exception, KeyboardInterrupt, _Terminated) as error:
        return _failure(error, is_debugging)


def _failure(error: BaseException, is_debugging: bool) -> int:
    """Says what ended a command, and returns its exit code."""
    match error:
        case BrokenPipeError():
            # Whoever read the output has had enough, as `head` does.
            _let_go_of_stdout()
            return _SIGPIPE_CODE
        case KeyboardInterrupt():
            message, code = "interrupted", _INTERRUPTED
        case _Terminated():
            message, code = "terminated", _TERMINATED
        case AutometaError():
            message, code = clean(str(error)), error.exit_code
        case _ if isinstance(error, _USAGE_ERROR):
            message, code = _usage_text(error), 2
        case _:
            message = f"unexpected {type(error).__name__}: {one_line(str(error)) or 'no message'}"
            message += "" if is_debugging else "; run it again with --debug for the traceback"
            code = 1
    if is_debugging:
        traceback.print_exception(error)
    say(f"autometa: {message}")
    return code


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("autometa", arguments) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


def _take_debug(arguments: list[str]) -> bool:
    """Removes ``--debug`` wherever it stands, and says whether to debug."""
    if "--debug" in arguments:
        arguments.remove("--debug")
        # In the environment, so that worker processes show their tracebacks too.
        os.environ[DEBUG_VARIABLE] = "1"
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def _usage_text(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = "autometa" if context is None else context.command_path
    message = one_line(error.format_message())  # type: ignore[attr-defined]
    return f"{message[:1].lower()}{message[1:].rstrip('.')}; see {path} --help"


@contextlib.contextmanager
def _quiet(is_debugging: bool) -> Iterator[None]:
    """Keeps the warnings of libraries away from users, here and in worker processes."""
    with warnings.catch_warnings():
        if not is_debugging and not sys.warnoptions:
            warnings.simplefilter("ignore")
            os.environ.setdefault("PYTHONWARNINGS", "ignore")
        yield


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _let_go_of_stdout() -> None:
    """Points stdout to nowhere, or Python would complain once more when it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
