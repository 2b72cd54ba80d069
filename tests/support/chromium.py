"""Pages as a browser renders them."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_TIMEOUT = 120


def rendered_text(url: str) -> str:
    """Returns the words of a page after its scripts have run; skips the test without a browser."""
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ]
        command += [f"--user-data-dir={profile}", "--virtual-time-budget=15000", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
    body = re.sub(r"<(script|style).*?</\1>", "", done.stdout, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "\n", body))
