"""The entry point: quick help, one line for every error, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autometa.cli import _app, main

Run = Callable[..., Any]

HEAVY = ("torch", "optuna", "sklearn", "pandas", "numpy", "scipy", "openml", "optuna_dashboard")
COMMANDS = ("tune", "worker", "studies", "show", "dashboard", "export", "predict", "evaluate")


def _python(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str, environment: dict[str, str]) -> None:
    """Neither torch nor any other large library is loaded before a command runs."""
    code = (
        "import sys; from autometa.cli import main; code = main(sys.argv[1:]);"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules]); sys.exit(code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, option],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert done.stdout.endswith("loaded: []\n")


@pytest.mark.parametrize("command", [(name,) for name in COMMANDS] + [("tables", "check")])
def test_every_command_has_help_with_an_example(command: tuple[str, ...], run: Run) -> None:
    """Help ends with 0 and shows how the command is typed."""
    result = run(*command, "--help")

    assert result.code == 0
    assert f"Example: autometa {' '.join(command)}" in " ".join(result.out.split())


def test_without_a_command_help_is_shown(run: Run) -> None:
    """No arguments at all is no error."""
    result = run()

    assert result.code == 0
    assert "Usage: autometa" in result.out


def test_the_module_can_be_run(environment: dict[str, str]) -> None:
    """`python -m autometa` is the same command."""
    done = subprocess.run(
        [sys.executable, "-m", "autometa", "--version"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("autometa 0.")


def test_an_unexpected_error_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is reported in one line that names --debug, with exit code 1."""
    monkeypatch.setattr(_app, "tell", _fail)

    result = run()

    assert result.code == 1
    assert result.err == (
        "autometa: unexpected ZeroDivisionError: by hand; run it again with --debug for the "
        "traceback\n"
    )


@pytest.mark.parametrize("through", ["option", "environment"])
def test_a_traceback_is_shown_with_debug(
    through: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--debug and AUTOMETA_DEBUG=1 print the traceback before the line."""
    monkeypatch.setattr(_app, "tell", _fail)
    if through == "environment":
        monkeypatch.setenv("AUTOMETA_DEBUG", "1")

    result = run(*(["--debug"] if through == "option" else []))

    assert result.code == 1
    assert "Traceback" in result.err
    assert result.err.endswith("autometa: unexpected ZeroDivisionError: by hand\n")


def test_a_reader_that_leaves_is_no_error(environment: dict[str, str]) -> None:
    """Output into a closed pipe ends quietly, as in `autometa studies | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "autometa", "--version"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    os.close(writing)

    assert done.stderr == b""
    assert done.returncode == 141


def test_an_interrupt_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a short command ends it with 130."""
    monkeypatch.setattr(_app, "tell", _interrupt)

    code = main([])

    assert code == 130
    assert capsys.readouterr().err == "autometa: interrupted\n"


def _fail(_text: str) -> None:
    raise ZeroDivisionError("by hand")


def _interrupt(_text: str) -> None:
    raise KeyboardInterrupt


BAD_INPUTS = [
    (["nonsense"], 2, "no such command 'nonsense'"),
    (["tune"], 2, "missing argument 'SPEC'"),
    (["tune", "absent.yaml"], 2, "there is no file absent.yaml"),
    (["tune", "tiny.yaml", "--trials", "many"], 2, "'--trials'"),
    (["tune", "tiny.yaml", "--trials", "0"], 2, "search.trials must be at least 1; got 0"),
    (["tune", "tiny.yaml", "--seconds", "-5"], 2, "search.seconds must be greater than 0"),
    (["tune", "tiny.yaml", "--seconds", "nan"], 2, "search.seconds"),
    (["tune", "tiny.yaml", "--workers", "0"], 2, "search.workers must be at least 1"),
    (["tune", "tiny.yaml", "--set", "search.trials"], 2, "--set takes key.path=value"),
    (["tune", "tiny.yaml", "--set", "search.trails=3"], 2, "did you mean trials?"),
    (["tune", "tiny.yaml", "--set", "name=../up"], 2, "name must be"),
    (["tune", "tiny.yaml", "--storage", "redis://host/0"], 2, "not supported"),
    (["tune", "tiny.yaml", "--storage", "mysql://ann:hush@db/s"], 2, "ann:***@db"),
    (
        ["tune", "tiny.yaml", "--storage", "postgresql://ann:hush@db/s"],
        2,
        "got postgresql://ann:***",
    ),
    (
        ["tune", "tiny.yaml", "--set", "storage=postgresql://ann:hush@db/s"],
        2,
        "ann:***@db/s: leave",
    ),
    (["show", "tiny", "--storage", "postgresql://db/s?user=a&password=hush"], 2, "password=***"),
    (["worker", "tiny", "--storage", "postgresql://ann:hush@db/s"], 2, "not be on a command line"),
    (["dashboard", "--storage", "postgresql://ann:hush@db/s"], 2, "not be on a command line"),
    (["studies", "--storage", "postgresql://ann@127.0.0.1:9/s"], 1, "ann@127.0.0.1:9/s"),
    (["tune", "tiny.yaml", "--set", "tables.test=[{source: sklearn, names: [iris]}]"], 2, "iris"),
    (["worker", "tiny"], 2, "there is no storage"),
    (["worker", "a/b"], 2, "a study name must have"),
    (["worker", "tiny", "--index", "-1"], 2, "'--index'"),
    (["studies"], 2, "there is no storage"),
    (["studies", "--storage", "journal:"], 2, "must name a file"),
    (["show", "tiny"], 2, "there is no storage"),
    (["show", "tiny", "--csv", "--json"], 2, "exclude each other"),
    (["show", "tiny", "--top", "0"], 2, "'--top'"),
    (["dashboard", "--host", "0.0.0.0"], 2, "this machine only"),
    (["dashboard", "--host", "example.org"], 2, "this machine only"),
    (["dashboard", "--port", "70000"], 2, "'--port'"),
    (["dashboard"], 2, "there is no storage"),
    (["export", "tiny"], 2, "'-o'"),
    (["export", "tiny", "-o", "out"], 2, "there is no storage"),
    (["predict", "--support", "a.csv", "--target", "y", "--rows", "b.csv"], 2, "a.csv"),
    (
        ["predict", "--support", "a", "--target", "y", "--rows", "b", "-o", "no/out.csv"],
        2,
        "the folder of a result file must exist",
    ),
    (["evaluate", "--tables", "sklearn:iris", "--shots", "1,x"], 2, "--shots takes whole numbers"),
    (["evaluate", "--tables", "sklearn:iris", "--shots", "0"], 2, "--shots takes whole numbers"),
    (["evaluate", "--tables", "sklearn:iris", "--setting", "magic"], 2, "--setting must be one of"),
    (["evaluate", "--tables", "sklearn:iris", "--counts", "even"], 2, "--counts must be one of"),
    (["evaluate", "--tables", "sklearn:iris", "--ways", "1"], 2, "--ways must be a whole number"),
    (["evaluate", "--tables", "sklearn:iris", "--episodes", "0"], 2, "'--episodes'"),
    (["evaluate", "--tables", "sklearn:iris", "--export", "absent"], 2, "an export must be"),
    (["evaluate", "--tables", "sklearn:iris", "--json", "no/out.json"], 2, "must exist"),
    (["tables", "check"], 2, "missing argument"),
    (["tables", "check", "sklearn:irs"], 2, "iris, wine"),
    (["tables", "check", "openml:run:31"], 2, "openml:run:31"),
    (["tables", "check", "absent.csv#y"], 2, "absent.csv"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"), BAD_INPUTS, ids=[" ".join(bad[0]) for bad in BAD_INPUTS]
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], code: int, words: str, run: Run, study_file: Path
) -> None:
    """Whatever is wrong is told in one line on stderr, and no file or folder appears."""
    before = sorted(study_file.parent.rglob("*"))

    result = run(*arguments)

    assert result.code == code, result.err
    assert result.out == ""
    assert result.err.startswith("autometa: ")
    assert result.err.count("\n") == 1
    assert words in result.err
    assert sorted(study_file.parent.rglob("*")) == before
