"""Prior files: what was learned comes back, and anything else is refused in one sentence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autometa.errors import UserError
from autometa.priors import StudyPrior, parse_sources, sources_text

Past = Callable[..., optuna.Study]


@pytest.fixture
def content(past: Past) -> dict[str, Any]:
    """What a prior file holds."""
    found: dict[str, Any] = json.loads(sources_text(StudyPrior.learn(past()).sources))
    return found


def test_a_saved_prior_comes_back_whole(past: Past, tmp_path: Path) -> None:
    """Sources and suggestions of the file are those of what was saved."""
    prior = StudyPrior.learn([past("one"), past("two", seed=1)], meta_features={"rows": 3.0})

    prior.save(tmp_path / "prior.json")
    loaded = StudyPrior.load(tmp_path / "prior.json")

    assert loaded.sources == prior.sources
    assert loaded.suggest(3) == prior.suggest(3)


def test_merging_keeps_each_source_once(past: Past) -> None:
    """A study that two priors share counts once."""
    one, both = StudyPrior.learn(past("one")), StudyPrior.learn([past("one"), past("two", seed=1)])

    assert [source.name for source in one.merge(both).sources] == ["one", "two"]


def test_a_truncated_file_is_refused(past: Past, tmp_path: Path) -> None:
    """Half a file is no prior, and the message names the file."""
    path = tmp_path / "prior.json"
    StudyPrior.learn(past()).save(path)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(UserError, match=r"whole JSON; .*prior\.json"):
        StudyPrior.load(path)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"null", b"[]", b'{"format": "other"}'])
def test_another_file_is_refused(data: bytes, tmp_path: Path) -> None:
    """What is no prior at all gives one sentence."""
    (tmp_path / "other.json").write_bytes(data)

    with pytest.raises(UserError, match=r"a prior file"):
        StudyPrior.load(tmp_path / "other.json")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The name may be mistyped."""
    with pytest.raises(UserError, match="cannot be read"):
        StudyPrior.load(tmp_path / "nowhere.json")


def test_a_newer_file_asks_for_a_newer_autometa(content: dict[str, Any]) -> None:
    """Its keys may mean something else."""
    content["version"] = 2

    with pytest.raises(UserError, match=r"version 1; it has 2"):
        parse_sources(json.dumps(content), "it")


def _nested() -> str:
    return "[" * 100_000


@pytest.mark.parametrize("text", [_nested(), '{"format": NaN}', "{" * 50, '{"a": 1e999'])
def test_hostile_json_is_refused(text: str) -> None:
    """Depth and numbers beyond JSON end in a message, not in a traceback."""
    with pytest.raises(UserError, match="a prior file"):
        parse_sources(text, "it")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("parameters", 0, "low"), 2.0),
        (("parameters", 0, "low"), -1.0),
        (("parameters", 0, "kind"), "code"),
        (("parameters", 2, "choices"), []),
        (("parameters", 0, "extra"), 1),
        (("configurations", 0), [1.0]),
        (("configurations", 0, 2), 7.0),
        (("configurations", 0, 2), 0.5),
        (("configurations", 0, 0), 1e999),
        (("configurations", 0, 0), "1"),
        (("scores",), []),
        (("scores", 0), 1e6),
        (("reliability", 0), 0.0),
        (("lengths", 0), -1.0),
        (("noise",), 0.0),
        (("name",), ""),
        (("trials",), 0),
    ],
)
def test_a_damaged_source_is_refused(
    content: dict[str, Any], path: tuple[Any, ...], value: Any
) -> None:
    """Each value is checked, and the message says where it is wrong in one line."""
    place = content["sources"][0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    with pytest.raises(UserError, match=r"source 0 of it|whole JSON") as caught:
        parse_sources(json.dumps(content), "it")

    assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_any_flipped_byte_gives_a_prior_or_one_sentence(
    data: st.DataObject, content: dict[str, Any]
) -> None:
    """However a file is damaged, nothing but UserError comes of it."""
    text = json.dumps(content)
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.characters(codec="utf-8")) + text[at + 1 :]

    with contextlib.suppress(UserError):
        StudyPrior(parse_sources(damaged, "it")).suggest(2)


def test_a_larger_file_than_allowed_is_not_written(
    past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left behind, and reading has the same limit."""
    from autometa.priors import _file

    prior = StudyPrior.learn(past())
    prior.save(tmp_path / "prior.json")
    monkeypatch.setattr(_file, "MOST_BYTES", 100)

    with pytest.raises(UserError, match="holds at most"):
        prior.save(tmp_path / "large.json")
    with pytest.raises(UserError, match="at most"):
        StudyPrior.load(tmp_path / "prior.json")
    assert [path.name for path in tmp_path.iterdir()] == ["prior.json"]
