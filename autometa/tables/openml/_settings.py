"""How OpenML is asked: which server, how long, how often."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from autometa.errors import UserError

KEY_VARIABLE = "OPENML_API_KEY"
"""Environment variable with the user's key for OpenML; never shown."""

SERVER_VARIABLE = "AUTOMETA_OPENML_SERVER"
DEADLINE_VARIABLE = "AUTOMETA_OPENML_DEADLINE"
DEFAULT_SERVER = "https://www.openml.org/api/v1/xml"

LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
_WAITS = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Settings:
    """How OpenML is asked.

    Attributes:
        server: URL of its XML interface.
        seconds: deadline of one request for facts.
        table_seconds: deadline of one request for a table's rows.
        waits: seconds between the tries of one request; there is one try more.
    """

    server: str = DEFAULT_SERVER
    seconds: float = 60.0
    table_seconds: float = 900.0
    waits: tuple[float, ...] = field(default_factory=lambda: _WAITS)

    @classmethod
    def from_environment(cls) -> Settings:
        """Returns the settings that the environment asks for.

        ``$AUTOMETA_OPENML_SERVER`` is another server, ``$AUTOMETA_OPENML_DEADLINE`` the seconds
        of every request.

        Raises:
            UserError: one of them is not what it must be.
        """
        server = os.environ.get(SERVER_VARIABLE, "").strip().rstrip("/") or DEFAULT_SERVER
        scheme, host = _scheme_and_host(server)
        if scheme not in ("http", "https") or not host:
            raise UserError(
                f"{SERVER_VARIABLE} must be a URL such as {DEFAULT_SERVER}; got {server!r}: "
                "correct or unset it"
            )
        if scheme == "http" and host not in LOCAL_HOSTS and os.environ.get(KEY_VARIABLE):
            raise UserError(
                f"{KEY_VARIABLE} is sent over https only, but {SERVER_VARIABLE} is {server!r}: "
                "unset one of them"
            )
        text = os.environ.get(DEADLINE_VARIABLE, "").strip()
        if not text:
            return cls(server=server)
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise UserError(
                f"{DEADLINE_VARIABLE} must be a number of seconds above 0; got {text!r}: "
                "correct or unset it"
            )
        return cls(server=server, seconds=seconds, table_seconds=seconds)


def _scheme_and_host(server: str) -> tuple[str, str]:
    try:
        parts = urlsplit(server)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return "", ""
    return parts.scheme, parts.hostname or ""
