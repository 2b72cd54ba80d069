"""What the package exports, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autometa import tables


def test_every_exported_name_exists() -> None:
    """Names are imported on first use, and all of them can be."""
    assert all(getattr(tables, name) is not None for name in tables.__all__)
    assert set(dir(tables)) == set(tables.__all__)


def test_other_names_do_not_exist() -> None:
    """A wrong name is an attribute error, as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tables.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import autometa.tables", {"pandas", "numpy", "scipy", "sklearn", "pyarrow"}),
        ("from autometa.tables import ScaledTable, scale_rows", {"pandas", "sklearn", "pyarrow"}),
        ("from autometa.tables import FrameEncoder", {"sklearn", "arff"}),
        ("from autometa.tables import load_roles", {"pandas", "sklearn", "arff"}),
    ],
)
def test_imports_stay_light(statement: str, absent: set[str]) -> None:
    """Large libraries come with the first table that needs them."""
    code = f"import sys; {statement}; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert absent.isdisjoint(done.stdout.split())
