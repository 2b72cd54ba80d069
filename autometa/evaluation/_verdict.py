"""Plain sentences on whether a learner was worth it, setting by setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autometa.evaluation._score_sheet import ScoreSheet


def verdicts(sheet: ScoreSheet, *, learner: str, drawn: str = "") -> list[str]:
    """Returns one sentence for each setting, the bad news first.

    Args:
        sheet: scores of the learner and of the baselines on the tables of one role.
        learner: name of the learner in the sheet.
        drawn: how the episodes were drawn (``export.drawing``).

    Raises:
        UserError: a setting has no score of a baseline, or none of the learner.

    >>> from autometa.evaluation import METRICS, ScoreSheet
    >>> rows = [
    ...     {"table": "t", "family": "f", "role": "test", "setting": "inductive", "shot": 1}
    ...     | {"seed": 0, "episode": episode, "method": method, "diverged": False}
    ...     | dict.fromkeys(METRICS, score)
    ...     for method, score in (("autometa", 0.8), ("lda", 0.7))
    ...     for episode in range(3)
    ... ]
    >>> verdicts(ScoreSheet.from_rows(rows), learner="autometa")
    ['In the inductive setting the learner is above the best baseline at K=1 (lda).']
    """
    lines = []
    for setting in dict.fromkeys(setting for setting, _ in sheet.cells()):
        part = sheet.select(setting=setting)
        worse, below, unclear, better = [], [], [], []
        for _, shot in part.cells():
            best = part.best_baseline(shot=shot, exclude=(learner,))
            difference = part.advantage(learner, best, shot=shot)
            text = f"K={shot} ({best})"
            if difference.high < 0:
                worse.append(text)
            elif difference.mean < 0:
                below.append(text)
            elif difference.low > 0:
                better.append(text)
            else:
                unclear.append(text)
        sentences = [
            (worse, "is BELOW the best baseline at"),
            (below, "is BELOW the best baseline, though within the uncertainty, at"),
            (unclear, "is not clearly better than the best baseline at"),
            (better, "is above the best baseline at"),
        ]
        words = "; ".join(f"{text} {', '.join(cells)}" for cells, text in sentences if cells)
        lines.append(f"In the {setting} setting{drawn} the learner {words}.")
    return lines
