"""A WSGI guard that makes an application read-only and deaf to other websites.

The dashboard has no login and answers every request that reaches its port, deletions included, and
also those that a foreign page sends through the user's browser under another host name (DNS
rebinding). The guard lets reading requests of the expected hosts through and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_READING = ("GET", "HEAD")
_HTTP_PORT = 80


class ReadOnlyGuard:
    """Wraps a WSGI application.

    Args:
        application: what answers the requests that are let through.
        hosts: host names and addresses under which it may be reached, IPv6 in brackets.
        port: the port under which it may be reached.
    """

    def __init__(self, application: WSGIApplication, hosts: Iterable[str], port: int) -> None:
        self._application = application
        names = {host.lower() for host in hosts}
        self._allowed = {f"{name}:{port}" for name in names}
        if port == _HTTP_PORT:
            self._allowed |= names

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers 403 to foreign hosts, 405 to writing methods, and passes the rest on."""
        if environ.get("HTTP_HOST", "").lower() not in self._allowed:
            return _refuse(start_response, "403 Forbidden", "unknown host\n")
        if environ["REQUEST_METHOD"] not in _READING:
            return _refuse(
                start_response,
                "405 Method Not Allowed",
                "this dashboard is read-only\n",
                ("Allow", ", ".join(_READING)),
            )
        return self._application(environ, start_response)


def _refuse(
    start_response: StartResponse, status: str, text: str, *headers: tuple[str, str]
) -> list[bytes]:
    body = text.encode()
    start_response(
        status,
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *headers,
        ],
    )
    return [body]
