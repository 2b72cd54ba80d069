"""What ``tune`` shows while it runs."""

from __future__ import annotations

import io
import sys
import threading
import time

import optuna
import pytest

from autometa.cli._display import LiveDisplay, PlainDisplay, open_display
from autometa.search import Progress
from autometa.search._progress import RunningTrial
from autometa.study_result import Event

ADVANTAGE = {
    "baseline": "knn",
    "mean": 0.0312,
    "low": -0.01,
    "high": 0.07,
    "unit": "episodes",
    "n": 9,
}


def _progress(done: int, **changes: object) -> Progress:
    values = {
        "done": done,
        "budget": 5,
        "states": {"COMPLETE": done, "RUNNING": 1},
        "running": (RunningTrial(done, 1, 4),),
        "best": optuna.trial.create_trial(value=0.1234, user_attrs={}) if done else None,
        "advantage": ADVANTAGE if done else None,
        "reasons": {},
    } | changes
    return Progress(**values)  # type: ignore[arg-type]


def _search(done: int, **changes: object) -> Event:
    progress = _progress(done, **changes)
    return Event("search", "", done, 5, progress=progress, seconds_left=90.0)


def test_without_a_terminal_each_finished_trial_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Repeated states say nothing; a finished trial and a new stage say one line each."""
    with PlainDisplay(threading.Event()) as display:
        for done in (0, 0, 1, 1, 2):
            display(_search(done))
        display(Event("confirm", "", 1, 3))

    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("] ")[2].partition(",")[0] for line in lines] == [
        "searching 0/5 trials",
        "searching 1/5 trials",
        "searching 2/5 trials",
        "confirming the finalists 1/3 runs",
    ]


def test_a_line_tells_best_value_advantage_running_trials_and_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The best value comes with its advantage, interval and baseline."""
    with PlainDisplay(threading.Event()) as display:
        display(_search(1, reasons={"DivergedError: loss": 2}))

    line = capsys.readouterr().err
    for words in (
        "at most 1 min 30 s left",
        "running: trial 1 (rung 1/4)",
        "log-loss 0.123 nats better than logistic regression's",
        "+3.1 points (95 % CI -1.0 to +7.0) against knn",
        "2 failed, most often (2): DivergedError: loss",
    ):
        assert words in line


def test_silence_is_broken_by_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A long stage without events still prints now and then."""
    with PlainDisplay(threading.Event(), silence_seconds=0.6) as display:
        display(Event("confirm", "", 1, 3))
        time.sleep(1.3)

    assert capsys.readouterr().err.count("confirming the finalists 1/3 runs") >= 2


def test_a_signal_is_acknowledged(capsys: pytest.CaptureFixture[str]) -> None:
    """After the first signal the display says that the command is ending, once."""
    stop = threading.Event()

    with PlainDisplay(stop):
        stop.set()
        time.sleep(1.2)

    assert capsys.readouterr().err.count("stopping after the current step") == 1


def test_plain_lines_hold_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Names and reasons from elsewhere cannot send escape codes."""
    with PlainDisplay(threading.Event()) as display:
        display(Event("tables", "skipped \x1b[31mred\x1b[0m\r: \x07reason"))
        display(_search(1, reasons={"\x1b]0;title\x07": 1}))

    text = capsys.readouterr().err
    assert [letter for letter in text if letter < " " and letter != "\n"] == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_block_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live block holds stage, bar and best value; messages stay above it."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    stop = threading.Event()

    with open_display(stop) as display:
        assert isinstance(display, LiveDisplay)
        display(Event("tables", "tables: 30 train [not markup]"))
        display(_search(2))
        stop.set()
        time.sleep(0.6)

    text = terminal.getvalue()
    assert "tables: 30 train [not markup]" in text
    assert "searching 2/5 trials" in text
    assert "log-loss 0.123 nats better than logistic regression's" in text
    assert "stopping after the current step" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
