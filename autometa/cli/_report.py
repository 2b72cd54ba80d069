"""``autometa report``: one page about a study, and its notes in the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autometa.cli._printing import hush_optuna, log_to_stderr, tell
from autometa.cli._storage_option import StorageOption
from autometa.errors import RunError


def report(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: report.html of the run."),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Write one self-contained page about a study, finished or not.

    What the dashboard shows beside its own pages, notes and pictures, is written again too.
    """
    from autometa.report import gather, publish_notes, write_report
    from autometa.storages import load_study, open_storage, run_folder_of

    hush_optuna()
    log_to_stderr()
    opened = load_study(open_storage(storage, create=False), study)
    target = run_folder_of(study) / "report.html" if output is None else output
    evidence = gather(opened)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_report(evidence, target)
    except OSError as error:
        raise RunError(
            f"{target} could not be written ({error.strerror or error}): free space or choose "
            "another file"
        ) from error
    publish_notes(opened, run_folder_of(study), evidence=evidence)
    tell(str(target))
