"""What a worker keeps for its next candidate."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autometa.search import _data


@pytest.fixture(autouse=True)
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the limit of a container would be read; there is none unless a test writes it."""
    path = tmp_path / "memory.max"
    monkeypatch.setattr(_data, "_CONTAINER_LIMIT", path)
    return path


@pytest.mark.parametrize(
    ("gibibytes", "cores", "mebibytes"), [(24, 2, 384), (16, 8, 128), (256, 64, 256)]
)
def test_memory_for_batches_follows_that_of_a_core(
    gibibytes: int, cores: int, mebibytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers on every core leave most of a machine's memory to others."""
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gibibytes * 2**30 // 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    assert _data.kept_bytes() == mebibytes * 2**20


@pytest.mark.parametrize(("limit", "mebibytes"), [("max", 384), (str(2 * 2**30), 64)])
def test_a_container_may_have_less(
    limit: str, mebibytes: int, container: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of the container counts where it is below the memory of the machine."""
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 24 * 2**30 // 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    container.write_text(limit + "\n")

    assert _data.kept_bytes() == mebibytes * 2**20


def test_memory_that_is_not_told_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the platform does not tell its memory, the most is kept."""

    def unknown(_name: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", unknown)

    assert _data.kept_bytes() == 384 * 2**20


def test_the_latest_streams_and_batches_are_kept() -> None:
    """However many numbers of axes a search tries, memory holds two of each."""
    kept: dict[int, list[int]] = {}
    made: list[int] = []

    def ask(key: int) -> list[int]:
        return _data._latest(kept, key, lambda: made.append(key) or [key])

    first = ask(1)
    ask(2)
    assert ask(1) is first
    ask(3)  # 2 goes, which was not asked for the longest

    assert ask(1) is first
    assert list(kept) == [3, 1]
    assert made == [1, 2, 3]
