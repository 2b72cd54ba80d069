"""``autometa dashboard``: the Optuna dashboard on a storage, read-only and on this machine only."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from autometa.cli._printing import hush_optuna, log_to_stderr, tell


def dashboard(
    study: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="Study to open the page of.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", metavar="URL", help="Default: $AUTOMETA_STORAGE, else results/runs."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 8080,
    host: Annotated[str, typer.Option("--host", help="A loopback address.")] = "127.0.0.1",
) -> None:
    """Serve the Optuna dashboard, read-only, until Ctrl-C."""
    from autometa.cli._server import LoopbackServer, check_loopback

    address = check_loopback(host)

    import optuna_dashboard
    from optuna.artifacts import FileSystemArtifactStore

    from autometa.cli._guard import ReadOnlyGuard
    from autometa.report import ARTIFACTS
    from autometa.storages import RUNS_FOLDER, load_study, open_storage

    hush_optuna()
    log_to_stderr()
    logging.getLogger("optuna_dashboard").setLevel(logging.ERROR)
    opened = open_storage(storage, create=False)
    page = "/dashboard"
    if study is not None:
        page += f"/studies/{load_study(opened, study)._study_id}"
    shown = f"[{address}]" if ":" in address else address
    with LoopbackServer(address, port) as server:
        hosts = {"127.0.0.1", "localhost", "[::1]", shown}
        # Optuna only looks for files in it, so that it need not be there.
        files = FileSystemArtifactStore(RUNS_FOLDER / ARTIFACTS)
        app = optuna_dashboard.wsgi(opened, artifact_store=files)
        server.set_app(ReadOnlyGuard(app, hosts, server.server_port))
        tell(f"http://{shown}:{server.server_port}{page} (read-only; Ctrl-C ends it)")
        _flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _flush() -> None:
    # The address has to reach a pipe while the server runs.
    import sys

    sys.stdout.flush()
