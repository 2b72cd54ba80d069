"""The last words of ``tune``: what was found, what it is worth, and what can be done with it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from autometa.cli._printing import clean
from autometa.cli._sheet import LEARNER, setting_lines

if TYPE_CHECKING:
    from autometa.study_result import TuneResult


def summary_lines(result: TuneResult, *, storage: str | None) -> list[str]:
    """Returns the report on a finished study.

    Args:
        result: what ``tune`` returned.
        storage: what ``--storage`` has to be for the next commands, without a password; None for
            the default.
    """
    # Brings torch along, which a finished study has loaded already.
    from autometa.evaluation import verdicts
    from autometa.export import drawing
    from autometa.report import ROLE_NOTES

    sheet = result.sheet
    drawn = drawing(result.export.spec["episodes"])
    lines = [f"Study {result.study}: trial {result.trial} won.", "", ROLE_NOTES[result.role]]
    reads = int(result.export.provenance.get("test_reads", 1))
    if result.role == "test" and reads > 1:
        lines.append(
            f"They have been read {reads} times in this study, each time with another winner."
        )
    lines.append("")
    for setting in dict.fromkeys(setting for setting, _ in sheet.cells()):
        lines += [*setting_lines(sheet, setting, learner=LEARNER, drawn=drawn), ""]
    lines += [*verdicts(sheet, learner=LEARNER, drawn=drawn), ""]
    values = result.export.config.model_dump(mode="json")
    name = values.pop("name")
    settings = ", ".join(f"{key} {_shown(value)}" for key, value in values.items())
    lines += [
        f"Meta-configuration: {name} with {settings}",
        f"Export: {result.folder}",
        f"Report: {result.report}",
        "",
        "Next:",
    ]
    option = "" if storage is None else f" --storage {shlex.quote(storage)}"
    lines += [
        f"  autometa dashboard {result.study}{option}",
        f"  autometa show {result.study}{option}",
        f"  autometa predict --export {shlex.quote(str(result.folder))} --support labelled.csv "
        "--target COLUMN --rows new.csv",
    ]
    return [clean(line) for line in lines]


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
