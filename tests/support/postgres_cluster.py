"""A PostgreSQL server of one's own: on loopback, with a password, and gone afterwards.

For tests, and for benchmarks of the storages.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

USER = "ann"
PASSWORD = "canary-7f3e"
"""Nothing that autometa prints, stores or pickles may hold it."""

_DEBIAN = Path("/usr/lib/postgresql")  # where Debian puts what is not on the path


class NoClusterError(RuntimeError):
    """No server can be started here; the message says what is not installed."""


@dataclass
class Cluster:
    """A running server.

    Attributes:
        folder: its data and its log.
        programs: folder of ``initdb`` and ``pg_ctl``.
        port: on 127.0.0.1.
    """

    folder: Path
    programs: Path
    port: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(
        self, database: str = "studies", *, user: str = USER, password: str | None = PASSWORD
    ) -> str:
        """The URL of a database, which need not exist."""
        secret = "" if password is None else f":{password}"
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def new_storage(self) -> str:
        """Makes an empty place for a storage, and returns its URL.

        It is a schema of a user of its own: a database of its own takes 7 MB and 300 files.
        """
        user = f"user_{next(self._numbers)}"
        self.execute(f"create role {user} login password '{PASSWORD}'")
        self.execute(f"create schema authorization {user}")
        return self.url(user=user)

    def execute(self, statement: str, *, url: str | None = None) -> list[tuple[object, ...]]:
        """Runs a statement as the superuser, or as a URL's user, and returns its rows."""
        import psycopg

        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Starts the server and waits until it accepts connections."""
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
            "-c fsync=off -c max_connections=60"
        )
        self._control("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, *, mode: str = "fast") -> None:
        """Ends the server and every connection to it."""
        self._control("stop", "-m", mode, "-w")

    def restart(self) -> None:
        """Stops and starts the server."""
        self._control("restart", "-m", "fast", "-w", "-l", str(self.folder / "log"))

    def _control(self, *arguments: str) -> None:
        data = str(self.folder / "data")
        _run(self.programs / "pg_ctl", "-D", data, "-t", "60", *arguments)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Starts a server for as long as the block lasts.

    Raises:
        NoClusterError: PostgreSQL or its driver is not installed.
    """
    programs = _programs()
    if programs is None:
        raise NoClusterError("PostgreSQL's initdb and pg_ctl are not installed")
    if find_spec("psycopg") is None:
        raise NoClusterError("psycopg is not installed: pip install autometa[postgres]")
    # pytest's own folders are closed to other users, and the server refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="autometa-postgres-"))
    cluster = Cluster(folder, programs, _free_port())
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, _server_user())
        _run(
            programs / "initdb",
            *("-D", str(folder / "data"), "-U", USER, "-A", "scram-sha-256"),
            *("--pwfile", str(secret), "-E", "UTF8", "--no-locale", "--no-sync"),
        )
        cluster.start()
        cluster.execute("create database studies", url=cluster.url("postgres"))
        yield cluster
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            cluster.stop(mode="immediate")
        shutil.rmtree(folder)


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


def _server_user() -> str:
    import pwd  # which Windows does not have

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(program: Path, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs, as another user where this one is root."""
    user = _server_user() if os.geteuid() == 0 else None
    done = subprocess.run(
        [program, *arguments],
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        user=user,
        group=None if user is None else _group_of(user),
        extra_groups=None if user is None else [],
    )
    assert done.returncode == 0, f"{program.name} failed: {done.stdout}{done.stderr}"


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
