"""Pages as a browser renders them.

For tests, and for the script that takes the README's pictures.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_TIMEOUT = 120
_LEAST_BYTES = 1000


class NoBrowserError(RuntimeError):
    """No browser is installed; the message says which ones would do."""


def rendered_text(url: str) -> str:
    """Returns the words of a page after its scripts have run; skips the test without a browser."""
    import pytest

    try:
        page = browse(url, "--dump-dom")
    except NoBrowserError as error:
        pytest.skip(str(error))
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "\n", body))


def save_screenshot(url: str, path: Path, *, width: int, height: int) -> None:
    """Writes the upper part of a page as a PNG, as it looks after its scripts have run.

    Args:
        url: of the page.
        path: of the picture.
        width: in pixels; browsers take 500 where it is less.
        height: in pixels.

    Raises:
        NoBrowserError: no browser is installed.
        RuntimeError: the browser made no picture.
    """
    # Beside the old picture, which stays where there is no new one.
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "page.png"
        browse(url, "--hide-scrollbars", f"--window-size={width},{height}", f"--screenshot={made}")
        if not made.exists() or made.stat().st_size < _LEAST_BYTES:
            raise RuntimeError(f"the browser made no picture of {url}")
        shutil.copyfile(made, path)


def browse(url: str, *options: str) -> str:
    """Returns what a headless browser prints of a page.

    Raises:
        NoBrowserError: no browser is installed.
    """
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        raise NoBrowserError(f"no browser: none of {', '.join(_NAMES)} is installed")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *_FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=15000"]
        command += [*options, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
    return done.stdout
