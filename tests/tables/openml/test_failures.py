from __future__ import annotations

import errno

import pytest

from autometa.tables.openml._failures import DISK, NETWORK, UNREADABLE, explained


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DISK),
        (OSError(errno.EIO, "I/O error"), UNREADABLE),
        (ValueError("Duplicate column names found"), UNREADABLE),
    ],
)
def test_faults_of_this_machine_are_not_the_servers(error: Exception, kind: str) -> None:
    """A full disk ends a fetch; a file without sense is one table's fault."""
    assert explained(error, "")[1] == kind


def test_a_key_in_a_url_is_not_shown() -> None:
    """Neither as it is nor as a parameter, whatever raised the error."""
    import requests

    url = "https://example.org/data?api_key=ab%2Fcd&x=1"
    shown, _ = explained(ValueError(f"bad answer of {url} for ab/cd"), "ab/cd")
    network, kind = explained(requests.ConnectionError(url), "ab/cd")

    assert "bad answer" in shown
    assert "ab/cd" not in shown
    assert "ab%2Fcd" not in shown + network
    assert kind == NETWORK
