from __future__ import annotations

import math

import pytest

from autometa.config import parse_yaml
from autometa.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E3", 1000.0),
        ("-2.5e+2", -250.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-0.0", -0.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
    ],
)
def test_numbers_are_numbers(text: str, value: float) -> None:
    """Every decimal notation of YAML 1.2 is read as a number of its kind."""
    parsed = parse_yaml(text)

    assert parsed == value
    assert type(parsed) is type(value)


def test_nan_is_a_number() -> None:
    """A .nan is read as such, so that it is refused as not finite and not as text."""
    assert math.isnan(parse_yaml(".nan"))


@pytest.mark.parametrize(
    "text",
    [
        *("no", "yes", "on", "off", "y", "n", "No", "ON"),
        *("012", "0o14", "0x1F", "0b1", "1_000", "1:30", "1:30.5", "012.5", "-01"),
        *("2024-01-01", "2024-01-01T10:00:00", "=", "<<", "1e", "e5", ".", "-", "+.nan", "1.5.2"),
    ],
)
def test_text_stays_text(text: str) -> None:
    """What only YAML 1.1 takes for a truth value, number, time or date is text."""
    if text == "-":
        text = "'-'"

    assert parse_yaml(f"key: {text}") == {"key": text.strip("'")}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("", None)],
)
def test_truth_and_nothing_have_few_names(text: str, value: bool | None) -> None:
    """Only true, false, null, ~ and the empty text are read as such."""
    assert parse_yaml(text) is value


def test_quotes_make_text() -> None:
    """A quoted number or truth value is text."""
    assert parse_yaml("""{a: "1", b: 'true', c: "1e-3"}""") == {"a": "1", "b": "true", "c": "1e-3"}


def test_keys_are_text_even_where_other_readers_see_truth() -> None:
    """A key such as on or no is that text."""
    assert parse_yaml("{on: 1, no: 2}") == {"on": 1, "no": 2}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice, first on line 1: remove one"),
        ("a:\n  b: 1\n  b: 1", "line 3: the key 'b' stands twice"),
        ("[{a: 1, a: 2}]", "line 1: the key 'a' stands twice"),
        ("{<<: {a: 1}, <<: {b: 1}}", "the key '<<' stands twice"),
        ("1: x", "line 1: a key must be text .*got 1"),
        ("null: x", "a key must be text .*got None"),
        ("true: x", "a key must be text .*got True"),
        ("[a, b]: x", r"a key must be text .*got \['a', 'b'\]"),
        ("? {a: 1}\n: x", "a key must be text"),
        ("a: &x 1\nb: *x", r"line 1: aliases \(\*\) and anchors \(&\) are not accepted"),
        ("a: *x", "line 1: aliases"),
        ("a: &x [*x]", "aliases"),
        ("a: !!python/object/apply:os.system [ls]", "line 1: tags such as .*python.* are not"),
        ("a: !!str 1", "tags such as"),
        ("a: ! 1", "tags such as"),
        ("!!map {a: 1}", "tags such as"),
        ("a: !!binary aGk=", "tags such as"),
        ("a: 1\n---\nb: 2", "line 2: a file holds one document: remove everything from the second"),
        ("a: [1, 2", "line 1: this is not YAML .*correct it"),
        ("a: 1\n b: 2", "line 2: this is not YAML"),
        ("\ta: 1", "line 1: this is not YAML"),
        ("a: @x", "this is not YAML"),
        ("%YAML 2.0\n---\na: 1", "this is not YAML"),
        ("a: 1\nb: \0", r"line 2: the character '\\x00' is not accepted: remove it"),
        ("[" * 5000, "line 1: sections may be nested 30 deep at most"),
        ("{a: " * 31 + "1" + "}" * 31, "nested 30 deep at most"),
        ("9" * 5000, "line 1: a number has at most 100 characters"),
    ],
)
def test_what_surprises_is_refused(text: str, sentence: str) -> None:
    """Duplicate keys, aliases, tags, several documents, depth and broken YAML name their line."""
    with pytest.raises(UserError, match=sentence):
        parse_yaml(text)


def test_an_alias_bomb_is_refused_at_once() -> None:
    """A few lines that would grow to gigabytes are refused at the first anchor."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]

    with pytest.raises(UserError, match=r"line 1: aliases"):
        parse_yaml("\n".join(lines))
