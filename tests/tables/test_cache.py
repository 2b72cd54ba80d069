"""The cache: whole or absent, checked when read, rebuilt when damaged."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autometa.errors import RunError
from autometa.tables import Table, default_cache_dir, encode_table, load_scaled, scale_table
from autometa.tables import _cache as cache_module
from autometa.tables._cache import CacheEntry, cached


class _Builder:
    """Builds an entry and counts how often."""

    def __init__(self, large: bool = False) -> None:
        self.times = 0
        self.size = 300_000 if large else 10

    def __call__(self) -> CacheEntry:
        self.times += 1
        return CacheEntry({"a": np.arange(self.size, dtype=np.float64)}, {"names": ["x", "y"]})


def test_an_entry_is_built_once(cache: Path) -> None:
    """The second call reads what the first wrote."""
    build = _Builder()

    first, second = cached(cache, "k", build), cached(cache, "k", build)

    assert build.times == 1
    assert np.array_equal(first.arrays["a"], second.arrays["a"])
    assert second.values == {"names": ["x", "y"]}


@pytest.mark.parametrize("large", [False, True])
def test_cached_arrays_are_read_only(cache: Path, large: bool) -> None:
    """Nobody can change what others read, mapped or not."""
    array = cached(cache, "k", _Builder(large)).arrays["a"]

    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0


def test_large_arrays_are_memory_mapped(cache: Path) -> None:
    """Workers share the pages of large arrays."""
    array = cached(cache, "k", _Builder(large=True)).arrays["a"]

    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_the_folder_is_the_users_alone(cache: Path) -> None:
    """Tables may be private."""
    cached(cache, "k", _Builder())

    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def _cut(entry: Path) -> None:
    path = entry / "a.npy"
    path.write_bytes(path.read_bytes()[:-8])


def _flip(entry: Path) -> None:
    path = entry / "a.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 0xFF
    path.write_bytes(bytes(raw))


def _empty(entry: Path) -> None:
    (entry / "a.npy").write_bytes(b"")


def _remove(entry: Path) -> None:
    (entry / "a.npy").unlink()


def _no_manifest(entry: Path) -> None:
    (entry / "manifest.json").unlink()


def _half_manifest(entry: Path) -> None:
    path = entry / "manifest.json"
    path.write_text(path.read_text()[:20])


def _odd_manifest(entry: Path) -> None:
    (entry / "manifest.json").write_text("[1, 2]")


def _other_shape(entry: Path) -> None:
    path = entry / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["arrays"]["a"]["shape"] = [3]
    path.write_text(json.dumps(manifest))


def _file_instead(entry: Path) -> None:
    for path in entry.iterdir():
        path.unlink()
    entry.rmdir()
    entry.write_text("no folder")


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "damage",
    [
        *(_cut, _flip, _empty, _remove, _no_manifest),
        *(_half_manifest, _odd_manifest, _other_shape, _file_instead),
    ],
)
def test_a_damaged_entry_is_built_again(
    cache: Path, large: bool, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happened to the files, the caller gets a whole entry, and a warning is logged."""
    build = _Builder(large)
    cached(cache, "k", build)
    damage(cache / "k")

    with caplog.at_level(logging.WARNING):
        entry = cached(cache, "k", build)
    again = cached(cache, "k", build)

    assert build.times == 2
    assert "built again" in caplog.text
    assert np.array_equal(entry.arrays["a"], np.arange(build.size))
    assert np.array_equal(again.arrays["a"], np.arange(build.size))
    assert [path.name for path in cache.iterdir()] == ["k"]


def test_every_byte_is_compared_where_that_is_asked_for(cache: Path) -> None:
    """What the quick look at a large file cannot see, the sha256 does."""
    build = _Builder(large=True)
    cached(cache, "k", build)
    path = cache / "k" / "a.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    path.write_bytes(content)

    cached(cache, "k", build)
    assert build.times == 1
    entry = cached(cache, "k", build, is_thorough=True)

    assert build.times == 2
    assert np.array_equal(entry.arrays["a"], build().arrays["a"])


def test_a_failed_write_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry appears by one rename at the end, or not at all."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.os, "fsync", full)

    with pytest.raises(RunError, match=r"No space left.*set AUTOMETA_CACHE"):
        cached(cache, "k", _Builder())

    assert list(cache.iterdir()) == []


def test_an_entry_is_renamed_into_place_whole(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of the rename every file is written."""
    seen: list[set[str]] = []
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        seen.append({path.name for path in self.iterdir()})
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)

    cached(cache, "k", _Builder())

    assert seen == [{"a.npy", "manifest.json"}]


def test_the_faster_of_two_writers_wins(cache: Path) -> None:
    """A process that finds the entry there when it is done uses that one."""

    def slow() -> CacheEntry:
        cached(cache, "k", _Builder())
        return CacheEntry({"a": np.zeros(1)}, {"names": ["slow"]})

    entry = cached(cache, "k", slow)

    assert entry.values == {"names": ["x", "y"]}
    assert [path.name for path in cache.iterdir()] == ["k"]


def test_an_error_while_building_stores_nothing(cache: Path) -> None:
    """The builder's errors pass through."""

    def broken() -> CacheEntry:
        raise KeyError("missing")

    with pytest.raises(KeyError, match="missing"):
        cached(cache, "k", broken)

    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file in the place of the folder is reported with the remedy."""
    place = tmp_path / "file"
    place.write_text("")

    with pytest.raises(RunError, match="set AUTOMETA_CACHE"):
        cached(place, "k", _Builder())


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AUTOMETA_CACHE": "/a/b", "XDG_CACHE_HOME": "/x"}, Path("/a/b")),
        ({"AUTOMETA_CACHE": "~/b"}, Path("/home/user/b")),
        ({"XDG_CACHE_HOME": "/x"}, Path("/x/autometa")),
        ({"XDG_CACHE_HOME": "relative"}, Path("/home/user/.cache/autometa")),
        ({}, Path("/home/user/.cache/autometa")),
    ],
)
def test_the_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: Path
) -> None:
    """AUTOMETA_CACHE comes first, then the XDG folder, then the home folder."""
    for name in ("AUTOMETA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/user")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert default_cache_dir() == expected


def test_a_table_from_the_cache_equals_the_one_that_was_built(make_named: Any, cache: Path) -> None:
    """Every field comes back, with name and family of the table that was asked for."""
    table: Table = make_named("t", seed=1, family="f")
    expected = scale_table(encode_table(table))
    load_scaled(make_named("other", seed=1, family="g"), cache)

    loaded = load_scaled(table, cache)

    assert len(list(cache.iterdir())) == 1
    for name in vars(expected):
        got, want = getattr(loaded, name), getattr(expected, name)
        if isinstance(want, np.ndarray):
            assert np.array_equal(got, want, equal_nan=want.dtype.kind == "f"), name
            assert got.dtype == want.dtype
            assert not got.flags.writeable
        elif name != "hashes":
            assert got == want, name
    assert loaded.hashes.contents == expected.hashes.contents
    for name in ("features", "cells"):
        got, want = getattr(loaded.hashes, name), getattr(expected.hashes, name)
        assert np.array_equal(got.smallest_K, want.smallest_K)
        assert got.repeated == want.repeated


def test_an_encoded_table_is_cached_as_well(make_named: Any) -> None:
    """Without a folder the default one is used."""
    encoded = encode_table(make_named("t", seed=1))

    loaded = load_scaled(encoded)

    assert len(os.listdir(default_cache_dir())) == 1
    assert np.array_equal(loaded.values_RF, encoded.values_RF)
