"""The pictures of a study, as Plotly figures, for its report and for the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autometa.report._evidence import Evidence
from autometa.report._parallel import parallel_coordinates
from autometa.report._per_table import per_table
from autometa.report._search_figures import (
    first_and_confirmed,
    importance,
    rung_curves,
    trust,
)
from autometa.report._winner_figures import adaptation, calibration

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def pictures(evidence: Evidence) -> dict[str, Figure]:
    """Returns the pictures that can be drawn of a study, by name, in the order of a report.

    >>> from autometa.report import gather
    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> study.enqueue_trial({"width": 8})
    >>> for _ in range(2):
    ...     trial = study.ask()
    ...     trial.report(trial.suggest_int("width", 8, 64), step=spec.training.rungs[0])
    >>> list(pictures(gather(study)))
    ['rungs', 'parallel']
    """
    winner = evidence.winner
    found = {
        "per_table": None if winner is None else per_table(winner),
        "adaptation": None if winner is None else adaptation(winner),
        "rungs": rung_curves(evidence),
        "first_and_confirmed": first_and_confirmed(evidence),
        "importance": importance(evidence),
        "parallel": parallel_coordinates(evidence),
        "trust": trust(evidence),
        "calibration": None if winner is None else calibration(winner),
    }
    return {name: figure for name, figure in found.items() if figure is not None}
