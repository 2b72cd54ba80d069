"""The dashboard is only for reading, and for this machine only unless it is opened."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from autometa.cli._guard import ReadOnlyGuard
from autometa.cli._server import check_name
from autometa.storages import create_or_load_study, open_storage

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal that holds one study."""
    path = tmp_path_factory.mktemp("home")
    storage = open_storage(f"journal:{path / 'results/runs/studies.journal'}")
    study, _ = create_or_load_study(storage, "tiny", spec={}, fingerprint={})
    study.tell(study.ask(), 0.5)
    return path


@pytest.fixture(scope="module")
def served(home: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running dashboard and the first line that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autometa", "dashboard", "tiny", "--port", "0"],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process, process.stdout.readline()
    process.kill()
    process.communicate()


def _port(line: str) -> int:
    return int(line.split("127.0.0.1:")[1].split("/", maxsplit=1)[0])


def _request(
    port: int, method: str, path: str, host: str | None = None
) -> tuple[int, bytes, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    response = connection.getresponse()
    answer = response.status, response.read(), dict(response.getheaders())
    connection.close()
    return answer


pytestmark = pytest.mark.xdist_group("dashboard")


def test_the_address_leads_to_the_study(served: tuple[Any, str]) -> None:
    """The printed address is that of the study's page, and the page is there."""
    line = served[1]

    status, body, _ = _request(_port(line), "GET", "/dashboard/studies/0")

    assert line.startswith("http://127.0.0.1:")
    assert "/dashboard/studies/0 " in line
    assert (status, b"<html" in body.lower()) == (200, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_the_studies_are_listed(served: tuple[Any, str], host: str) -> None:
    """The data behind the page can be read under every name of this machine."""
    port = _port(served[1])

    status, body, _ = _request(port, "GET", "/api/studies", f"{host}:{port}")

    assert status == 200
    assert [study["study_name"] for study in json.loads(body)["study_summaries"]] == ["tiny"]


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(served: tuple[Any, str], method: str) -> None:
    """Every method but reading ones is refused, and the study is still there."""
    port = _port(served[1])

    status, _, headers = _request(port, method, "/api/studies/0")

    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert _request(port, "GET", "/api/studies/0")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "localhost"]
)
def test_foreign_hosts_are_refused(served: tuple[Any, str], host: str) -> None:
    """A page of another site cannot read the studies through a name that it controls."""
    port = _port(served[1])

    status, body, _ = _request(port, "GET", "/api/studies", host.format(port=port))

    assert (status, b"tiny" in body) == (403, False)


def test_a_taken_port_is_one_sentence(
    served: tuple[Any, str], home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second dashboard on the same port is refused with a remedy."""
    monkeypatch.chdir(home)
    port = _port(served[1])

    result = run("dashboard", "--port", port)

    assert result.code == 2
    assert result.err == (
        f"autometa: the port {port} is in use by another program: choose another by --port\n"
    )


def test_ctrl_c_ends_it_quietly(home: Path, environment: dict[str, str]) -> None:
    """Ctrl-C is how it is meant to be ended: exit code 0 and nothing on stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autometa", "dashboard", "--port", "0"],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    _request(_port(line), "GET", "/api/studies")

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (0, "")


def test_an_unknown_study_is_refused(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message lists the studies that there are."""
    monkeypatch.chdir(home)

    result = run("dashboard", "tyni", "--port", "0")

    assert result.code == 2
    assert "known studies: tiny" in result.err


def test_ipv6_is_served(home: Path, environment: dict[str, str]) -> None:
    """--host ::1 prints an address in brackets and answers there."""
    if not socket.has_ipv6 or not _has_ipv6_loopback():
        pytest.skip("this machine has no IPv6 loopback")
    with subprocess.Popen(
        [sys.executable, "-m", "autometa", "dashboard", "--port", "0", "--host", "::1"],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split("[::1]:")[1].split("/")[0])

        connection = HTTPConnection("::1", port, timeout=30)
        connection.request("GET", "/api/studies")
        status = connection.getresponse().status
        connection.close()
        process.send_signal(signal.SIGINT)

    assert (status, process.returncode) == (200, 0)


def test_it_is_opened_to_a_name(home: Path, environment: dict[str, str]) -> None:
    """--open serves one more name, warns, and stays read-only and deaf to other names."""
    names = ["--open", "Lab.example", "--open", "lab.example:80"]
    with subprocess.Popen(
        [sys.executable, "-m", "autometa", "dashboard", "--port", "0", *names],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.split("lab.example:")[1].split("/")[0])
        hosts = [f"lab.example:{port}", "lab.example", f"localhost:{port}", f"evil.example:{port}"]
        read = [_request(port, "GET", "/api/studies", host)[0] for host in hosts]
        written = _request(port, "DELETE", "/api/studies/0", hosts[0])[0]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert line == f"http://lab.example:{port}/dashboard (read-only; Ctrl-C ends it)\n"
    assert (read, written) == ([200, 200, 200, 403], 405)
    assert err == (
        f"warning: there is no login: whoever reaches 0.0.0.0:{port} can read every study of the "
        "storage\n"
    )


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("lab", "lab"),
        ("Lab.Example.org:8080", "lab.example.org:8080"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:80", "192.0.2.7:80"),
        ("2001:DB8::1", "[2001:db8::1]"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
    ],
)
def test_names_as_browsers_send_them(given: str, sent: str) -> None:
    """Names are lower-case, IPv6 addresses in brackets, and a port stays."""
    assert check_name(given) == sent


@pytest.mark.parametrize(
    "name",
    ["", "*", "http://lab", "lab/path", "me@lab", "lab:0", "lab:65536", "lab:", "a b", "[x"],
)
def test_what_is_no_name_is_refused(name: str, run: Run) -> None:
    """A wildcard, an address of a page or nonsense is one sentence with an example."""
    result = run("dashboard", "--open", name)

    assert result.code == 2
    assert result.err == (
        "autometa: --open takes a host name or an address under which others reach this machine, "
        f"like lab.example.org or 192.0.2.7:80; got {name!r}\n"
    )


def test_a_name_is_no_address(run: Run) -> None:
    """--host takes addresses; with --open the sentence says where names belong."""
    result = run("dashboard", "--open", "lab", "--host", "lab")

    assert result.code == 2
    assert "got 'lab': names under which others reach it belong to --open" in result.err


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_the_default_port_of_http_may_be_left_out() -> None:
    """Browsers send no port for port 80."""
    statuses: list[str] = []
    guard = ReadOnlyGuard(lambda _environ, start: _ok(start), ["localhost"], 80)

    for host in ("localhost", "localhost:80", "evil.example", ""):
        guard(
            {"HTTP_HOST": host, "REQUEST_METHOD": "GET"},
            lambda status, _headers, _info=None: statuses.append(status) or bytes.__len__,
        )

    assert [status[:3] for status in statuses] == ["200", "200", "403", "403"]


def _ok(start: Callable[..., Any]) -> list[bytes]:
    start("200 OK", [])
    return [b""]
