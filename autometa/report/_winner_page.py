"""The part of a report on the winner: its scores, with every baseline beside it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from autometa.report._evidence import Winner
from autometa.report._html import paragraph, picture_section, section, table
from autometa.report._words import ROLE_NOTES, interval, shown
from autometa.search import LEARNER_METHOD
from autometa.typing import Setting

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_REFERENCE = "logistic_regression"
_PICTURES = {
    "per_table": (
        "On each table",
        "Points of accuracy over the single baseline that is best over all tables, for each number "
        "K of labelled rows per class, with 95 % intervals over episodes. Beside the name, the "
        "mean.",
    ),
    "calibration": (
        "Calibration",
        "Accuracy against confidence. On the dotted line, what the classifier says of its "
        "certainty is true.",
    ),
    "adaptation": (
        "Adaptation",
        "Accuracy and log-loss on the confirm tables after so many steps of the inner loop, with "
        "the weights as they are.",
    ),
    "first_and_confirmed": (
        "First and confirmed values",
        "The best of many trials is lucky: what its configuration reaches with fresh seeds is "
        "often lower than what the search saw.",
    ),
}


def winner_sections(winner: Winner, figures: Mapping[str, Figure]) -> list[str]:
    """Returns the sections on the winner, HTML.

    Args:
        winner: the exported winner.
        figures: the study's pictures by name.
    """
    values = {"name": winner.config.name, **winner.config.model_dump(mode="json")}
    settings = dict.fromkeys(setting for setting, _ in winner.sheet.cells())
    return [
        section(
            "What was found",
            paragraph(ROLE_NOTES[winner.role], style="quiet"),
            *(_accuracy(winner, setting) for setting in settings),
            "<h3>Meta-configuration</h3>",
            table(list(values), [[shown(value) for value in values.values()]]),
        ),
        *(
            picture_section(title, caption, figures[name], name)
            for name, (title, caption) in _PICTURES.items()
            if name in figures
        ),
    ]


def _accuracy(winner: Winner, setting: Setting) -> str:
    """Returns accuracy by method and shot, with the difference from each baseline."""
    part = winner.sheet.select(setting=setting)
    shots = [shot for _, shot in part.cells()]
    methods = sorted(part.methods(), key=lambda name: -part.mean("accuracy", name))
    rows = []
    for name in methods:
        cells = []
        for shot in shots:
            text = f"{100 * part.mean('accuracy', name, shot=shot):.1f} %"
            if name != LEARNER_METHOD:
                over = part.advantage(LEARNER_METHOD, name, shot=shot)
                text += f" ({interval(100 * over.mean, 100 * over.low, 100 * over.high)})"
            cells.append(text)
        rows.append([name, *cells])
    gain = part.advantage(LEARNER_METHOD, _REFERENCE, metric="log_loss")
    return "\n".join(
        [
            f"<h3>Accuracy, {escape(setting)} setting</h3>",
            paragraph(
                f"Means over {part.frame['family'].nunique()} families; in brackets, points that "
                f"the learner is above, with 95 % intervals over {gain.unit}."
            ),
            table(
                ["method", *(f"K={shot}" for shot in shots)],
                rows,
                ours=[place for place, name in enumerate(methods) if name == LEARNER_METHOD],
            ),
            paragraph(
                f"Log-loss: {abs(gain.mean):.3f} nats {'better' if gain.mean >= 0 else 'worse'} "
                f"than logistic regression (95 % interval of the gain {gain.low:+.3f} to "
                f"{gain.high:+.3f})."
            ),
        ]
    )
