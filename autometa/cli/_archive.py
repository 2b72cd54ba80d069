"""``autometa archive`` and ``autometa delete``: a study put away, and a study gone."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from autometa.atomic import write_atomically
from autometa.cli._printing import hush_optuna, log_to_stderr, size, tell
from autometa.cli._storage_option import StorageOption
from autometa.errors import RunError, UserError

if TYPE_CHECKING:
    import optuna

_JOURNAL = "studies.journal"
_CHECKPOINTS = "checkpoints"


def archive(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="ZIP to write.")],
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="With the weights of all completed trials.")
    ] = False,
    storage: StorageOption = None,
) -> None:
    """Write a study with its run folder to one file; nothing is deleted.

    Unpacked somewhere, it is read with --storage journal:studies.journal.
    """
    import optuna

    from autometa.storages import load_study, open_storage, run_folder_of, storage_errors

    hush_optuna()
    log_to_stderr()
    opened = open_storage(storage, create=False)
    load_study(opened, study)
    folder = run_folder_of(study)
    with tempfile.TemporaryDirectory() as scratch:
        journal = Path(scratch) / _JOURNAL
        with storage_errors(opened):
            optuna.copy_study(
                from_study_name=study,
                from_storage=opened,
                to_storage=open_storage(f"journal:{journal}"),
            )

        def write(file: BinaryIO) -> None:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
                packed.write(journal, _JOURNAL)
                for path in sorted(folder.rglob("*")):
                    is_checkpoint = path.relative_to(folder).parts[0] == _CHECKPOINTS
                    if path.is_file() and (checkpoints or not is_checkpoint):
                        packed.write(path, str(folder / path.relative_to(folder)))

        try:
            write_atomically(output, write)
        except OSError as error:
            raise RunError(
                f"{output} could not be written ({error.strerror or error}): free space or choose "
                "another file"
            ) from error
    tell(f"{output}: {size(output.stat().st_size)}")


def delete(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Really delete it.")] = False,
    storage: StorageOption = None,
) -> None:
    """Delete a study from its storage, with its run folder and its artifacts.

    What was exported elsewhere stays, and what it taught: its file in results/runs/priors. A study
    whose workers are at it is not deleted.
    """
    import optuna

    from autometa.storages import (
        load_study,
        open_storage,
        reap_orphans,
        run_folder_of,
        storage_errors,
    )

    hush_optuna()
    log_to_stderr()
    opened = open_storage(storage, create=False)
    loaded = load_study(opened, study)
    folder = run_folder_of(study)
    with storage_errors(opened):
        reap_orphans(loaded)
        states = [trial.state for trial in loaded.get_trials(deepcopy=False)]
        running = states.count(optuna.trial.TrialState.RUNNING)
        if running:
            raise UserError(
                f"a study must be at rest to be deleted; workers run {running} trials of "
                f"{study!r}: stop them first"
            )
        if not yes:
            raise UserError(
                f"deleting needs --yes; it would delete {len(states)} trials of {study!r} and "
                f"{size(disk_use(folder))} in {folder}"
            )
        artifacts = _artifacts(loaded)
        optuna.delete_study(study_name=study, storage=opened)
    for path in artifacts:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise RunError(f"the study is deleted, but {folder} could not be: delete it by hand")
    tell(f"deleted {study}: {len(states)} trials")


def disk_use(folder: Path) -> int:
    """Returns the bytes of the files in a folder, which may not be there."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _artifacts(study: optuna.Study) -> list[Path]:
    from optuna.artifacts import get_all_artifact_meta

    from autometa.storages import ARTIFACTS_FOLDER

    return [ARTIFACTS_FOLDER / meta.artifact_id for meta in get_all_artifact_meta(study)]
