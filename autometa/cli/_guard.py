"""A WSGI guard that makes an application read-only and deaf to other websites.

The dashboard has no login and answers every request that reaches its port, deletions included, and
also those that a foreign page sends through the user's browser under another host name (DNS
rebinding). The guard lets reading requests of the expected hosts through and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_READING = ("GET", "HEAD")
_HTTP_PORT = 80
_PORT = re.compile(r":\d+$")


class ReadOnlyGuard:
    """Wraps a WSGI application.

    Args:
        application: what answers the requests that are let through.
        hosts: host names and addresses under which it may be reached, IPv6 in brackets; with a
            port, as behind a proxy, or without.
        port: the port under which hosts without one may be reached.
    """

    def __init__(self, application: WSGIApplication, hosts: Iterable[str], port: int) -> None:
        self._application = application
        named = {host.lower() for host in hosts}
        self._allowed = {name if has_port(name) else f"{name}:{port}" for name in named}
        # Browsers leave the port of HTTP out.
        suffix = f":{_HTTP_PORT}"
        self._allowed |= {
            name.removesuffix(suffix) for name in self._allowed if name.endswith(suffix)
        }

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


def has_port(host: str) -> bool:
    """Tells whether a host's name or address, IPv6 in brackets, ends with a port."""
    return _PORT.search(host) is not None


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
