"""Sources on the command line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autometa.config import FilesSource, OpenmlSource, SklearnSource
from autometa.errors import UserError
from autometa.tables import load_source, parse_source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("sklearn:iris", SklearnSource(names=("iris",))),
        (" sklearn: iris, wine ", SklearnSource(names=("iris", "wine"))),
        ("openml:suite:99", OpenmlSource(suite=99)),
        ("openml:task:31", OpenmlSource(tasks=(31,))),
        ("openml:task:31, 3,31", OpenmlSource(tasks=(31, 3))),
        ("openml:dataset:61", OpenmlSource(datasets=(61,))),
        ("some/folder", FilesSource(path="some/folder")),
        ("table.csv", FilesSource(path="table.csv")),
        ("table.csv#the target", FilesSource(path="table.csv", target="the target")),
        ("a#b.csv#y", FilesSource(path="a#b.csv", target="y")),
        ("table.csv#", FilesSource(path="table.csv")),
    ],
)
def test_words_mean_sources(text: str, source: Any) -> None:
    """Each form of the command line has its source."""
    assert parse_source(text) == source


def test_an_existing_path_is_a_path_whatever_its_name(tmp_path: Path) -> None:
    """A hash sign in the name of a file is no target."""
    path = tmp_path / "c#.csv"
    path.write_text("a,y\n")

    assert parse_source(str(path)) == FilesSource(path=str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("openml:", "must be openml:suite:ID, .*; got 'openml:'"),
        ("openml:suite:CC18", "got 'openml:suite:CC18'"),
        ("openml:suite:99,353", "got 'openml:suite:99,353'"),
        ("openml:task:0", "got 'openml:task:0'"),
        ("openml:run:5", "got 'openml:run:5'"),
        ("sklearn:", "one of iris, wine, breast_cancer, digits; got 'no name'"),
        ("sklearn:iris,boston", "got 'boston'"),
        ("", "got ''"),
        ("#y", "got '#y'"),
    ],
)
def test_other_words_are_refused_with_what_is_accepted(text: str, message: str) -> None:
    """The message says what a source can be."""
    with pytest.raises(UserError, match=message):
        parse_source(text)


def test_an_unknown_kind_of_source_is_refused() -> None:
    """Sources are known by name."""
    with pytest.raises(UserError, match="got 'kaggle'"):
        load_source(SimpleNamespace(source="kaggle"))  # type: ignore[arg-type]


def test_an_unknown_scikit_learn_table_is_refused(cache: Path) -> None:
    """The accepted names are listed."""
    with pytest.raises(UserError, match="iris, wine, breast_cancer, digits; got 'boston'"):
        load_source(SimpleNamespace(source="sklearn", names=("boston",)), cache)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["openml:suite:99", "openml:task:31,3", "openml:dataset:61"])
def test_sources_of_openml_say_their_word(text: str) -> None:
    """What a message tells to type is what is understood."""
    source = parse_source(text)

    assert isinstance(source, OpenmlSource)
    assert source.word() == text
