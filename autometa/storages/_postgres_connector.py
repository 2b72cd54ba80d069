"""Connections to a PostgreSQL server: how they are made, and when a silent one is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autometa.storages._locks import LOCK_TIMEOUT_SECONDS
from autometa.storages._postgres_url import PostgresAddress

if TYPE_CHECKING:
    import psycopg

_CONNECT_TIMEOUT_SECONDS = 10

# A machine that vanished is noticed within a minute by both sides; by default, a server keeps its
# session, and with it the lock, for two hours.
_KEEPALIVES = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
_SESSION = f"""
    set lock_timeout = '{LOCK_TIMEOUT_SECONDS:g}s';
    set tcp_keepalives_idle = 30;
    set tcp_keepalives_interval = 10;
    set tcp_keepalives_count = 3;
"""


class Connector:
    """Connects to a database; a copy in another process has to find the password by itself."""

    def __init__(self, address: PostgresAddress) -> None:
        self.address = address

    def __getstate__(self) -> dict[str, Any]:
        return {"address": self.address.without_password()}

    def __call__(self) -> psycopg.Connection:
        """Returns a new connection, outside of a transaction.

        Raises:
            psycopg.Error: the server is gone or refuses.
            UserError: the password file cannot be read.
        """
        import psycopg

        parameters: dict[str, Any] = {
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            "application_name": "autometa",
            **_KEEPALIVES,
            **self.address.connect_parameters(),
        }
        connection = psycopg.connect(autocommit=True, **parameters)
        try:
            connection.execute(_SESSION)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return connection
