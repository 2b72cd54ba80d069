"""What a command says of a study on its way, and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from autometa.evaluation import ScoreSheet
from autometa.export import Export
from autometa.search import Progress

Stage: TypeAlias = Literal[
    "fetch", "tables", "study", "baselines", "search", "confirm", "test", "export", "report"
]


@dataclass(frozen=True)
class Event:
    """Something that a display may show.

    Attributes:
        stage: part of the workflow.
        message: one line; empty for mere progress.
        done: units done in this stage.
        total: units of this stage; 0 where it has none.
        progress: state of the search, in the search stage.
        seconds_left: until the search ends at the latest, in the search stage.

    >>> event = Event("search", done=3, total=30)
    >>> f"{event.stage}: {event.done} of {event.total}"
    'search: 3 of 30'
    """

    stage: Stage
    message: str = ""
    done: int = 0
    total: int = 0
    progress: Progress | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class TuneResult:
    """The end of a study.

    Attributes:
        study: name of the study.
        export: the exported winner.
        folder: where it was written.
        report: the page about the study.
        trial: number of the winning trial.
        role: role of the tables of the quoted score: ``test``, else ``confirm`` or ``validation``.
        sheet: scores of the learner and the baselines on that role.

    >>> from pathlib import Path
    >>> from autometa.export import PRETRAINED, read_export
    >>> export = read_export(PRETRAINED)
    >>> result = TuneResult(
    ...     study="mine",
    ...     export=export,
    ...     folder=PRETRAINED,
    ...     report=Path("results/runs/mine/report.html"),
    ...     trial=3,
    ...     role="test",
    ...     sheet=export.sheet(),
    ... )
    >>> result.export.config.name, result.trial
    ('column_kernel', 3)
    """

    study: str
    export: Export
    folder: Path
    report: Path
    trial: int
    role: str
    sheet: ScoreSheet
