"""What a display says about a running ``tune``: the state, and the lines that describe it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autometa.cli._printing import duration, one_line

if TYPE_CHECKING:
    from autometa.search import Progress
    from autometa.study_result import Event

_TITLES = {
    "fetch": "fetching tables",
    "tables": "reading tables",
    "study": "opening the study",
    "baselines": "scoring the baselines",
    "search": "searching",
    "confirm": "confirming the finalists",
    "test": "testing the winner",
    "export": "exporting the winner",
}
_UNITS = {
    "fetch": "tables",
    "baselines": "tasks",
    "search": "trials",
    "confirm": "runs",
    "test": "tasks",
}
_MOST_RUNNING = 4


@dataclass
class Status:
    """Where a ``tune`` stands, as far as its events have told.

    Attributes:
        stage: current part of the workflow.
        done: units done in it.
        total: its units; 0 where it has none.
        progress: last snapshot of the search.
        seconds_left: until the search ends at the latest.
    """

    stage: str = ""
    done: int = 0
    total: int = 0
    progress: Progress | None = None
    seconds_left: float | None = None
    _first_done: int = 0
    _since: float = field(default_factory=time.monotonic)

    def update(self, event: Event) -> bool:
        """Takes an event in and returns whether it begins another stage."""
        is_new = event.stage != self.stage
        if is_new:
            self.stage, self.done, self.total = event.stage, 0, 0
            self._first_done, self._since = event.done, time.monotonic()
        if event.total:
            self.done, self.total = event.done, event.total
        if event.progress is not None:
            self.progress = event.progress
        self.seconds_left = event.seconds_left
        return is_new

    def headline(self) -> str:
        """Returns the stage with its count and the time that is left."""
        title = _TITLES.get(self.stage, self.stage)
        count = f" {self.done}/{self.total} {_UNITS.get(self.stage, '')}".rstrip()
        left = self.time_left()
        return title + (count if self.total else "") + (f", {left}" if left else "")

    def time_left(self) -> str:
        """Returns an estimate from the pace of this run, and the limit that the budget sets."""
        parts = []
        paced = self.done - self._first_done
        if paced > 0 and self.done < self.total:
            eta = (time.monotonic() - self._since) / paced * (self.total - self.done)
            if self.seconds_left is None or eta < self.seconds_left:
                parts.append(f"about {duration(eta)} left")
        if self.stage == "search" and self.seconds_left is not None:
            parts.append(f"at most {duration(self.seconds_left)}" + ("" if parts else " left"))
        return ", ".join(parts)

    def details(self) -> list[str]:
        """Returns what the search has to say beyond its count, one fact per line."""
        if self.stage != "search" or self.progress is None:
            return []
        return [
            line
            for line in (
                _running(self.progress),
                _best(self.progress),
                _failures(self.progress),
            )
            if line
        ]


def nats(value: float) -> str:
    """Returns a trial's value in words.

    >>> nats(0.12345)
    "log-loss 0.123 nats better than logistic regression's"
    >>> nats(-0.5)
    "log-loss 0.500 nats worse than logistic regression's"
    """
    side = "better" if value >= 0 else "worse"
    return f"log-loss {abs(value):.3f} nats {side} than logistic regression's"


def points(mean: float, low: float, high: float) -> str:
    """Returns a difference of accuracies in points with its interval.

    >>> points(0.0312, -0.01, 0.07)
    '+3.1 points (95 % CI -1.0 to +7.0)'
    >>> points(0.007, math.nan, math.nan)
    '+0.7 points (no CI from single episodes)'
    """
    if math.isnan(low):
        return f"{100 * mean:+.1f} points (no CI from single episodes)"
    return f"{100 * mean:+.1f} points (95 % CI {100 * low:+.1f} to {100 * high:+.1f})"


def _running(progress: Progress) -> str:
    shown = [
        f"trial {trial.number} (rung {trial.rung}/{trial.rungs})"
        for trial in progress.running[:_MOST_RUNNING]
    ]
    more = len(progress.running) - _MOST_RUNNING
    if more > 0:
        shown.append(f"{more} more")
    return f"running: {', '.join(shown)}" if shown else ""


def _best(progress: Progress) -> str:
    best = progress.best
    if best is None or best.value is None:
        return ""
    text = f"best so far: trial {best.number}, {nats(best.value)}"
    advantage: dict[str, Any] | None = progress.advantage
    if advantage is None:
        return text
    difference = points(advantage["mean"], advantage["low"], advantage["high"])
    return f"{text}; accuracy {difference} against {advantage['baseline']}"


def _failures(progress: Progress) -> str:
    if not progress.reasons:
        return ""
    reason, count = next(iter(progress.reasons.items()))
    total = sum(progress.reasons.values())
    return f"{total} failed, most often ({count}): {one_line(reason)}"
