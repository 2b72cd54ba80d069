from __future__ import annotations

import pytest

from autometa.tables.openml._client import _may_have_key


@pytest.mark.parametrize(
    ("url", "server", "may"),
    [
        ("https://www.openml.org/data/download/1/a.arff", "www.openml.org", True),
        ("https://api.openml.org/data/download/1/a.arff", "www.openml.org", True),
        ("http://www.openml.org/data/download/1/a.arff", "www.openml.org", False),
        ("https://openml.org.example.com/a.arff", "www.openml.org", False),
        ("https://example.com/a.arff", "www.openml.org", False),
        ("http://127.0.0.1:5000/a.arff", "127.0.0.1", True),
        ("http://localhost:5000/a.arff", "127.0.0.1", False),
        ("", "www.openml.org", False),
    ],
)
def test_the_key_goes_to_openml_alone_and_never_in_the_clear(
    url: str, server: str, may: bool
) -> None:
    """Descriptions name where a file is, and could name any host."""
    assert _may_have_key(url, server) is may
