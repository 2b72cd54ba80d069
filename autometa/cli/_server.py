"""A small threaded HTTP server, and the addresses and names that it may have."""

from __future__ import annotations

import contextlib
import errno
import io
import ipaddress
import re
import socket
import socketserver
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from autometa.cli._guard import has_port
from autometa.errors import RunError, UserError

_CONNECTION_SECONDS = 30.0
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def check_address(host: str, *, is_open: bool) -> str:
    """Returns the address to serve on.

    Args:
        host: an IP address, IPv6 in brackets or not, or ``localhost``.
        is_open: whether others than this machine may be served.

    Raises:
        UserError: the host is none, or it is no loopback address and ``is_open`` was not said: the
            dashboard has no login.
    """
    if host.lower() == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        address = None
    if address is None and is_open:
        raise UserError(
            f"--host takes an address of this machine, like 0.0.0.0; got {host!r}: names under "
            "which others reach it belong to --open"
        )
    if address is None or not (is_open or address.is_loopback):
        raise UserError(
            "the dashboard has no login and is served to this machine only, on 127.0.0.1, ::1 or "
            f"localhost; got --host {host!r}: from elsewhere, forward the port through SSH, or "
            "name with --open how others reach this machine"
        )
    return str(address)


def check_name(name: str) -> str:
    """Returns the name, or address, under which others reach a server, as a browser sends it.

    Args:
        name: a host name or IP address, with or without a port.

    Raises:
        UserError: it is neither.
    """
    lowered = name.lower()
    with contextlib.suppress(ValueError):
        return _bracketed(ipaddress.ip_address(lowered.strip("[]")))
    with contextlib.suppress(ValueError):
        host, _, port = lowered.rpartition(":") if has_port(lowered) else (lowered, "", "")
        if host.startswith("["):
            host = _bracketed(ipaddress.IPv6Address(host.strip("[]")))
        elif not _HOST_NAME.fullmatch(host):
            raise ValueError
        if not port:
            return host
        if 0 < int(port) < 2**16:
            return f"{host}:{port}"
    raise UserError(
        "--open takes a host name or an address under which others reach this machine, like "
        f"lab.example.org or 192.0.2.7:80; got {name!r}"
    )


def _bracketed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


class DashboardServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves a WSGI application, a thread per connection, without writing logs.

    Args:
        address: address of this machine, IPv4 or IPv6.
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
