"""PostgreSQL URLs: ``postgresql://USER@HOST:PORT/DATABASE``, and where the password comes from.

A password in the URL is kept in memory and handed to workers in their environment. Nothing that is
shown, stored or pickled has it: see :attr:`PostgresAddress.place`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from autometa.errors import UserError

PASSWORD_FILE_VARIABLE = "AUTOMETA_STORAGE_PASSWORD_FILE"
"""Environment variable that names a file whose first line is the password."""

SCHEMES = frozenset({"postgresql", "postgresql+psycopg", "postgres"})

# Of libpq's parameters those that name no secret and change nothing that autometa relies on.
_PARAMETERS = frozenset({"host", "passfile", "sslcert", "sslkey", "sslmode", "sslrootcert"})


@dataclass(frozen=True)
class PostgresAddress:
    """A database of a PostgreSQL server; parts that are missing are libpq's to choose.

    Attributes:
        database: name of the database.
        user: name of the role.
        host: name or address of the server.
        port: its port.
        parameters: further parameters of libpq, sorted.
        password: from the URL; in no representation.
    """

    database: str
    user: str | None = None
    host: str | None = None
    port: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL with its password, if it has one: for a worker's environment alone."""
        password = "" if self.password is None else f":{quote(self.password, safe='')}"
        user = "" if self.user is None else quote(self.user, safe="")
        host = self.host or ""
        host = f"[{host}]" if ":" in host else host
        port = "" if self.port is None else f":{self.port}"
        query = f"?{urlencode(self.parameters)}" if self.parameters else ""
        at = "@" if user or password else ""
        return f"postgresql://{user}{password}{at}{host}{port}/{quote(self.database)}{query}"

    @property
    def place(self) -> str:
        """The URL without its password: what may be shown."""
        return self.without_password().url

    def without_password(self) -> PostgresAddress:
        """Returns the same database without the password."""
        return replace(self, password=None)

    def connect_parameters(self) -> dict[str, str | int]:
        """Returns what libpq is given to connect, the password among it where it is known here.

        The URL's password comes first, then the file's; without both libpq looks into
        ``PGPASSWORD`` and ``PGPASSFILE`` by itself.

        Raises:
            UserError: the file of the password cannot be read, or its first line is empty.
        """
        password = self.password if self.password is not None else _password_of_file()
        known = {
            "dbname": self.database,
            "user": self.user,
            "host": self.host,
            "port": self.port,
            "password": password,
        }
        given = {key: value for key, value in known.items() if value is not None}
        return given | dict(self.parameters)


def parse_postgres_url(text: str) -> PostgresAddress:
    """Returns what a PostgreSQL URL means; asks no server.

    Raises:
        ValueError: it breaks a rule; the message is the rule, without any part of the URL.
    """
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError(
            "a PostgreSQL URL has a host and a port number, and signs such as / ? # @ in its "
            "password as %2F %3F %23 %40"
        ) from None
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database or "\0" in unquote(text):
        raise ValueError("a PostgreSQL URL must name a database after its host")
    if "#" in text:
        raise ValueError("the sign # stands in a PostgreSQL URL as %23")
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(parameters.keys() - _PARAMETERS)
    if unknown:
        raise ValueError(
            f"a PostgreSQL URL takes the parameters {', '.join(sorted(_PARAMETERS))} and its "
            f"password before the @, not {unknown[0]}"
        )
    return PostgresAddress(
        database=database,
        user=None if parts.username is None else unquote(parts.username) or None,
        # urlsplit writes names in small letters, which is what they mean.
        host=host,
        port=port,
        parameters=tuple(sorted(parameters.items())),
        password=None if parts.password is None else unquote(parts.password),
    )


def _password_of_file() -> str | None:
    """The first line of the file that the environment names; None where it names none."""
    name = os.environ.get(PASSWORD_FILE_VARIABLE, "").strip()
    if not name:
        return None
    try:
        lines = Path(name).expanduser().read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UserError(
            f"${PASSWORD_FILE_VARIABLE} must name a file with the password in its first line, but "
            f"{name} cannot be read ({reason}); correct the name or give access to it."
        ) from None
    if not lines or not lines[0]:
        raise UserError(
            f"the first line of {name}, which ${PASSWORD_FILE_VARIABLE} names, must be the "
            "password, but is empty; write it there."
        )
    return lines[0]
