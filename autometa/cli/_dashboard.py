"""``autometa dashboard``: the Optuna dashboard, read-only, and to others only with ``--open``."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from autometa.cli._printing import hush_optuna, log_to_stderr, tell
from autometa.cli._storage_option import StorageOption
from autometa.logging import get_logger

_logger = get_logger(__name__)
_LOOPBACK = "127.0.0.1"
_EVERY_ADDRESS = "0.0.0.0"


def dashboard(
    study: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="Study to open the page of.")
    ] = None,
    storage: StorageOption = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 8080,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", help="Address to serve on. Default: 127.0.0.1; with --open, 0.0.0.0."
        ),
    ] = None,
    open_to: Annotated[
        list[str] | None,
        typer.Option(
            "--open",
            metavar="NAME",
            help="Serve others too, who reach this machine under this name or address (repeatable)."
            " There is no login.",
        ),
    ] = None,
) -> None:
    """Serve the Optuna dashboard, read-only, until Ctrl-C."""
    from autometa.cli._server import DashboardServer, check_address, check_name

    names = [check_name(name) for name in open_to or []]
    address = check_address(host or (_EVERY_ADDRESS if names else _LOOPBACK), is_open=bool(names))

    import optuna_dashboard
    from optuna.artifacts import FileSystemArtifactStore

    from autometa.cli._guard import ReadOnlyGuard, has_port
    from autometa.storages import ARTIFACTS_FOLDER, load_study, open_storage

    hush_optuna()
    log_to_stderr()
    logging.getLogger("optuna_dashboard").setLevel(logging.ERROR)
    opened = open_storage(storage, create=False)
    page = "/dashboard"
    if study is not None:
        page += f"/studies/{load_study(opened, study)._study_id}"
    shown = f"[{address}]" if ":" in address else address
    try:
        with DashboardServer(address, port) as server:
            hosts = {_LOOPBACK, "localhost", "[::1]", shown, *names}
            # Optuna only looks for files in it, so that it need not be there.
            files = FileSystemArtifactStore(ARTIFACTS_FOLDER)
            app = optuna_dashboard.wsgi(opened, artifact_store=files)
            server.set_app(ReadOnlyGuard(app, hosts, server.server_port))
            where = f"{shown}:{server.server_port}"
            if names:
                _logger.warning(
                    "there is no login: whoever reaches %s can read every study of the storage",
                    where,
                )
                where = names[0] if has_port(names[0]) else f"{names[0]}:{server.server_port}"
            tell(f"http://{where}{page} (read-only; Ctrl-C ends it)")
            _flush()
            server.serve_forever()
    except KeyboardInterrupt:
        return


def _flush() -> None:
    # The address has to reach a pipe while the server runs.
    import sys

    sys.stdout.flush()
