"""The README's pictures: the dashboard and the report of a finished study, as Chromium shows them.

Runs ``autometa dashboard STUDY`` on a free port in the folder that the study was run in, waits
until it answers, and writes ``dashboard.png``; ``report.png`` is of the study's own page.

    python studies/benchmarks/screenshots.py quickstart
    python studies/benchmarks/screenshots.py quickstart --folder ~/runs --output /tmp/pictures
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autometa.storages import run_folder_of

_ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT / "tests" / "support"))  # for its browser

_WIDTH = 1300
_DASHBOARD_HEIGHT, _REPORT_HEIGHT = 1680, 1680
_SECONDS = 60.0
_ADDRESS = re.compile(r"http://\S+")


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="name of a finished study")
    parser.add_argument("--folder", type=Path, default=Path(), help="where it was run")
    parser.add_argument("--output", type=Path, default=_ROOT / "results" / "benchmarks")
    return parser.parse_args()


@contextmanager
def dashboard(study: str, folder: Path) -> Iterator[str]:
    """Serves the dashboard inside the block; yields the address of the study's page.

    Raises:
        RuntimeError: it did not start; the message is its own.
    """
    command = [sys.executable, "-m", "autometa", "dashboard", study, "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = _ADDRESS.search(server.stdout.readline())
            if address is None:
                server.terminate()
                raise RuntimeError(server.communicate()[1].strip() or "the dashboard says nothing")
            wait_for(address.group())
            yield address.group()
        finally:
            server.terminate()


def wait_for(url: str) -> None:
    """Returns once a page answers.

    Raises:
        RuntimeError: it does not within a minute.
    """
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer")


def take(study: str, folder: Path, output: Path) -> None:
    """Writes both pictures of a study.

    Args:
        study: its name.
        folder: that it was run in.
        output: folder of the pictures.

    Raises:
        RuntimeError: there is no browser or no report, or the dashboard did not start.
    """
    from chromium import save_screenshot

    report = (folder / run_folder_of(study) / "report.html").resolve()
    if not report.is_file():
        raise RuntimeError(f"{report} is not there: run `autometa report {study}` in {folder}")
    output.mkdir(parents=True, exist_ok=True)
    with dashboard(study, folder) as address:
        picture = output / "dashboard.png"
        save_screenshot(address, picture, width=_WIDTH, height=_DASHBOARD_HEIGHT)
        print(picture)
    picture = output / "report.png"
    save_screenshot(report.as_uri(), picture, width=_WIDTH, height=_REPORT_HEIGHT)
    print(picture)


def main() -> int:
    """Takes the pictures; returns the exit code."""
    options = parse_arguments()
    try:
        take(options.study, options.folder, options.output)
    except RuntimeError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
