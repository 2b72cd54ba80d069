"""A study is made public: its page in the run folder, its notes in the dashboard."""

from __future__ import annotations

from pathlib import Path

import optuna

from autometa.errors import AutometaError, RunError
from autometa.logging import get_logger
from autometa.report._dashboard import annotate
from autometa.report._evidence import Evidence, gather
from autometa.report._page import write_report
from autometa.storages import ARTIFACTS_FOLDER, storage_errors

_logger = get_logger(__name__)


def publish_report(study: optuna.Study, run_folder: Path) -> Path:
    """Writes the page about a study, and what the dashboard shows beside its own pages.

    Args:
        study: the study.
        run_folder: where its export is and its page goes.

    Returns:
        The page.

    Raises:
        RunError: the disk is full or not writable, or the storage failed.

    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> publish_report(study, Path("tiny")).as_posix()
    'tiny/report.html'
    """
    target = run_folder / "report.html"
    try:
        with storage_errors(study._storage):
            evidence = gather(study, run_folder=run_folder)
            write_report(evidence, target)
            annotate(study, evidence, artifacts=_artifacts(run_folder))
    except OSError as error:
        raise RunError(
            f"the report must be written to {target} ({error.strerror or error}), and the winner "
            f"is exported: free space, then run `autometa report {study.study_name}`"
        ) from error
    return target


def publish_notes(
    study: optuna.Study, run_folder: Path, *, evidence: Evidence | None = None
) -> None:
    """Writes what the dashboard shows beside its own pages, of a study that may not be finished.

    Nothing depends on it: where it cannot be written, a warning says so.

    Args:
        study: the study.
        run_folder: where its export is, if it has one.
        evidence: what ``gather`` returned of it, where that is known already.

    >>> from optuna_dashboard import get_note
    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> publish_notes(study, Path("tiny"))
    >>> get_note(study).splitlines()[0]
    '# tiny'
    """
    try:
        with storage_errors(study._storage):
            known = gather(study, run_folder=run_folder) if evidence is None else evidence
            annotate(study, known, artifacts=_artifacts(run_folder))
    except (AutometaError, OSError) as error:
        _logger.warning("the dashboard shows no new notes of %s: %s", study.study_name, error)


def _artifacts(run_folder: Path) -> Path:
    return run_folder.parent / ARTIFACTS_FOLDER.name
