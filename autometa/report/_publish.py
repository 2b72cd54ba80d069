"""A finished study is made public: its page in the run folder, its notes in the dashboard."""

from __future__ import annotations

from pathlib import Path

import optuna

from autometa.errors import RunError
from autometa.report._dashboard import annotate
from autometa.report._evidence import gather
from autometa.report._page import write_report
from autometa.storages import ARTIFACTS_FOLDER, storage_errors


def publish_report(study: optuna.Study, run_folder: Path) -> Path:
    """Writes the page about a study, and what the dashboard shows beside its own pages.

    Args:
        study: the study.
        run_folder: where its export is and its page goes.

    Returns:
        The page.

    Raises:
        RunError: the disk is full or not writable, or the storage failed.
    """
    target = run_folder / "report.html"
    try:
        with storage_errors(study._storage):
            evidence = gather(study, run_folder=run_folder)
            write_report(evidence, target)
            annotate(study, evidence, artifacts=run_folder.parent / ARTIFACTS_FOLDER.name)
    except OSError as error:
        raise RunError(
            f"the report must be written to {target} ({error.strerror or error}), and the winner "
            f"is exported: free space, then run `autometa report {study.study_name}`"
        ) from error
    return target
