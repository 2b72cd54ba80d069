"""A small threaded HTTP server for the loopback interface."""

from __future__ import annotations

import errno
import io
import ipaddress
import socket
import socketserver
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from autometa.errors import RunError, UserError

_CONNECTION_SECONDS = 30.0


def check_loopback(host: str) -> str:
    """Returns the address of a loopback host.

    Raises:
        UserError: the host is none; the dashboard has no login, so that others must not reach it.
    """
    if host.lower() == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise UserError(
            "the dashboard has no login and is served to this machine only, on 127.0.0.1, ::1 or "
            f"localhost; got --host {host!r}: from elsewhere, forward the port through SSH"
        )
    return str(address)


class LoopbackServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves a WSGI application, a thread per connection, without writing logs.

    Args:
        address: loopback address, IPv4 or IPv6.
        port: the port; 0 takes a free one, see ``server_port``.

    Raises:
        UserError: the port is taken.
        RunError: the address cannot be served.
    """

    daemon_threads = True

    def __init__(self, address: str, port: int) -> None:
        if ":" in address:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((address, port), _QuietHandler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UserError(
                    f"the port {port} is in use by another program: choose another by --port"
                ) from None
            raise RunError(
                f"the dashboard cannot be served on {address}, port {port} "
                f"({error.strerror or error}): choose another by --host and --port"
            ) from None

    def server_bind(self) -> None:
        """Binds without the name look-up of the parent, which may wait for a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a browser that closes a connection is no event."""


class _QuietHandler(WSGIRequestHandler):
    timeout = _CONNECTION_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps requests out of the terminal."""

    def get_stderr(self) -> TextIO:
        """Returns where errors of the application go: nowhere; the browser sees status 500."""
        return io.StringIO()
