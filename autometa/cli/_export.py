"""``autometa export``: a copy of the confirmed winner, or any completed trial."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autometa.atomic import folder_written_atomically
from autometa.cli._printing import clean, hush_optuna, log_to_stderr, say, tell
from autometa.cli._storage_option import StorageOption
from autometa.errors import RunError, UserError

if TYPE_CHECKING:
    from autometa.export import Export

_TOLD = 10


def export(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    storage: StorageOption = None,
    trial: Annotated[
        int | None,
        typer.Option("--trial", metavar="N", min=0, help="A trial instead of the winner."),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Train the winner again, on the tables of every role."),
    ] = False,
    outer_steps: Annotated[
        int | None,
        typer.Option(
            "--outer-steps",
            metavar="N",
            min=1,
            max=1_000_000,
            help="Outer steps of --refit; those of the study where left out.",
        ),
    ] = None,
) -> None:
    """Write the classifier that a study has found to a folder.

    Without --trial it is the confirmed winner, with the weights that were tested. With --refit its
    configuration is trained once more, validation and test tables included: that is for use, and
    its card quotes the score from before.
    """
    if refit and trial is not None:
        raise UserError("--refit trains the confirmed winner again: leave out --refit or --trial")
    if outer_steps is not None and not refit:
        raise UserError("--outer-steps belongs to --refit: add it, or leave out --outer-steps")

    from autometa.storages import WINNER, load_study, open_storage

    hush_optuna()
    log_to_stderr()
    opened = load_study(open_storage(storage, create=False), study)
    if trial is None and WINNER not in opened.user_attrs:
        from autometa.search import failure_reasons, finalists

        if failure_reasons(opened.get_trials(deepcopy=False)):
            finalists(opened, count=1)  # where nothing but failures came out, it says so
        raise UserError(
            f"the study {study!r} has no confirmed winner yet: run `autometa tune` to its end, or "
            "name a trial by --trial"
        )

    from autometa.export import require_replaceable

    # Before a trial is trained again, which may take minutes.
    require_replaceable(Path(os.path.abspath(output)))
    if refit:
        from autometa.study_refit import export_refit

        written = export_refit(opened, output, outer_steps=outer_steps, on_step=_told)
    elif trial is None:
        from autometa.search import run_folder_of

        written = copy_export(run_folder_of(study) / "export", output)
    else:
        from autometa.study_export import export_trial

        written = export_trial(opened, trial, output)
    tell(clean(f"{output}: {written.config.name} of trial {written.provenance.get('trial')}"))


def _told(done: int, steps: int) -> None:
    """Tells of the training, ten times in all."""
    if done % max(1, steps // _TOLD) == 0:
        say(f"trained {done}/{steps} outer steps")


def copy_export(source: Path, target: Path) -> Export:
    """Copies an export whole or not at all and returns the copy, which was read and checked.

    Raises:
        UserError: the source is no export, or the target exists and is something else than one.
        RunError: the copy could not be written.
    """
    from autometa.export import read_export, require_replaceable

    read_export(source)
    target = Path(os.path.abspath(target))
    require_replaceable(target)
    try:
        with folder_written_atomically(target) as fresh:
            shutil.copytree(source, fresh, dirs_exist_ok=True)
            read_export(fresh)
    except OSError as error:
        raise RunError(
            f"{target} could not be written ({error.strerror or error}) and is unchanged: free "
            "space or choose another folder"
        ) from error
    return read_export(target)
