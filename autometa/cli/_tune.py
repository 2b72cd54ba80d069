"""``autometa tune``: creates a study or goes on with it, to the exported classifier."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autometa.cli._display import open_display
from autometa.cli._printing import hush_optuna, log_to_stderr, tell, tell_json
from autometa.cli._signals import StopSignals
from autometa.cli._sources import Offline, go_offline
from autometa.cli._storage_option import without_password
from autometa.errors import UserError

if TYPE_CHECKING:
    from autometa.search import WorkerEngine


class Engine(StrEnum):
    """What starts the workers of a search."""

    PROCESSES = "processes"
    RAY = "ray"


def tune(
    *,
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="Study file (YAML).")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=VALUE", help="Replace a value of the study file."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="Trials of the study, in total.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", metavar="S", help="Seconds of the study, in total."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", help="Processes on this machine, or Ray tasks."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option("--engine", help="What starts the workers of the search.")
    ] = Engine.PROCESSES,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="HOST:PORT",
            help="Ray cluster, or auto for this machine's; default: $RAY_ADDRESS, else a new one "
            "on this machine.",
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-worker",
            metavar="X",
            help="GPUs of each Ray task, such as 0.25; default: 0.",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="Where the study is kept; before the study file's, which is before "
            "$AUTOMETA_STORAGE.",
            callback=without_password,
        ),
    ] = None,
    fork: Annotated[
        str | None,
        typer.Option(
            "--fork",
            metavar="STUDY",
            help="Begin a new study with what this one of the same storage has found.",
        ),
    ] = None,
    offline: Offline = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, as `show --json` does.")
    ] = False,
) -> None:
    """Search, confirm, test once and export; the same command again goes on where it was.

    Progress is shown on stderr, the result on stdout.
    """
    from autometa.config import default_storage, read_spec
    from autometa.storages import absolute_url, url_without_password

    starter = _starter(engine, ray_address, gpus_per_worker)
    go_offline(offline)
    given = list(overrides or ())
    for override in given:
        path, _, url = override.partition("=")
        if path.strip() == "storage":
            without_password(url)
    for key, value in (
        ("search.trials", trials),
        ("search.seconds", seconds),
        ("search.workers", workers),
        ("storage", storage),
    ):
        if value is not None:
            # JSON is YAML too, and quotes whatever a URL may contain.
            given.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    with StopSignals() as signals:
        study = read_spec(spec, given)
        url = absolute_url(study.storage)
        if fork is not None:
            from autometa.cli._fork import forked

            study = forked(study, fork)

        from autometa.cli._summary import summary_lines
        from autometa.tune import tune as run

        hush_optuna()
        log_to_stderr()
        with open_display(signals.event) as display:
            result = run(study, engine=starter, stop=signals.event, on_event=display)
    if as_json:
        from autometa.cli._study_json import study_json
        from autometa.storages import load_study, open_storage

        tell_json(study_json(load_study(open_storage(url, create=False), study.name)))
        return
    is_default = url == absolute_url(default_storage())
    lines = summary_lines(
        result, storage=None if is_default else url_without_password(study.storage)
    )
    tell("\n".join(lines))


def _starter(
    engine: Engine, ray_address: str | None, gpus_per_worker: float | None
) -> WorkerEngine | None:
    """Returns what starts the workers; None for processes of this machine."""
    if engine is Engine.RAY:
        from autometa.search import RayCluster

        return RayCluster(ray_address, gpus_per_worker or 0.0)
    if ray_address is not None or gpus_per_worker is not None:
        raise UserError(
            "--ray-address and --gpus-per-worker are for Ray's tasks, but the workers are "
            "processes of this machine; add --engine ray or leave them out"
        )
    return None
