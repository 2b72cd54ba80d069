"""``autometa worker``: one more process for a study."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from autometa.cli._printing import duration, hush_optuna, log_to_stderr, one_line, say
from autometa.cli._progress import nats
from autometa.cli._signals import StopSignals
from autometa.cli._storage_option import StorageOption
from autometa.errors import StoppedError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_ENDS = {
    "budget": "the study's trials are used up",
    "time": "the study's time is over",
}


def worker(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    storage: StorageOption = None,
    index: Annotated[
        int,
        typer.Option("--index", min=0, help="Number of this worker, part of the sampler's seed."),
    ] = 0,
) -> None:
    """Work on a study that `autometa tune` has made until its budget or time is used up.

    Start it in the folder that `tune` was started in, as often as there are free cores.
    """
    from autometa.storages import absolute_url, check_study_name, default_storage_url

    url = absolute_url(default_storage_url() if storage is None else storage)
    check_study_name(study)
    with StopSignals() as signals:
        from autometa.search import run_folder_of, run_worker

        hush_optuna()
        log_to_stderr(logging.INFO)
        report = run_worker(
            url,
            study,
            run_folder=run_folder_of(study),
            worker=index,
            stop=signals.event,
            on_trial=lambda trial: say(trial_line(trial)),
        )
        if report.reason == "stopped":
            raise StoppedError(
                f"worker {index} stopped after {report.finished} trials; run the same command to "
                "go on"
            )
    say(f"worker {index} ended after {report.finished} trials: {_ENDS[report.reason]}")


def trial_line(trial: FrozenTrial) -> str:
    """Returns one line on a finished trial."""
    from autometa.storages import REASON

    name = f"trial {trial.number} {trial.state.name.lower()}"
    if trial.value is not None and trial.state.name == "COMPLETE":
        name += f": {nats(trial.value)}"
    elif trial.state.name == "FAIL":
        name += f": {one_line(str(trial.user_attrs.get(REASON, 'unknown reason')))}"
    elif trial.intermediate_values:
        name += f" at outer step {max(trial.intermediate_values)}"
    took = "" if trial.duration is None else f" in {duration(trial.duration.total_seconds())}"
    values = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in trial.params.items()
    )
    return one_line(f"{name}{took} ({values})")
