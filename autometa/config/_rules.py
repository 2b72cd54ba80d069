"""Broken rules of a study file, and the one sentence in which each is told to the user.

Validators raise :class:`Rule`, which knows no more than its own section; pydantic adds where that
section stands, and :func:`user_error` joins both into ``search.trials must be ...; got ...``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from autometa.errors import UserError

_INPUT: Final = object()
NOTHING: Final = object()
"""As ``got`` of a rule: there is no value worth showing."""

_LONGEST_VALUE = 80
# Greedy up to the last @, so that a password with an unescaped / or @ is hidden as a whole.
_PASSWORD = re.compile(r"(://[^:@/?#\s]*:).*@", re.DOTALL)

_KIND_RULES: Final = {
    "missing": "is required",
    "string_type": "must be text (put it in quotes)",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a section of keys and values",
    "model_type": "must be a section of keys and values",
}
_LIMIT_RULES: Final = {
    "greater_than": ("must be greater than", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than": ("must be less than", "lt"),
    "less_than_equal": ("must be at most", "le"),
}


class Rule(ValueError):
    """A rule that a value breaks.

    Attributes:
        rule: what must hold, written to follow the key's path: ``must be at least 1``.
        keys: where the value stands below the section that is being validated.
        got: the value; by default the one that pydantic was validating.
        is_rooted: ``keys`` start at the top of the study instead.
    """

    def __init__(
        self,
        rule: str,
        *,
        keys: Iterable[str | int] = (),
        got: Any = _INPUT,
        is_rooted: bool = False,
    ) -> None:
        super().__init__(rule)
        self.rule = rule
        self.keys = tuple(keys)
        self.got = got
        self.is_rooted = is_rooted

    def below(self, *keys: str | int) -> Rule:
        """Returns the same rule as seen from a section further up."""
        if self.is_rooted:
            return self
        return Rule(self.rule, keys=(*keys, *self.keys), got=self.got)

    def sentence(self, source: str = "the study file") -> str:
        """Returns the rule with the path of its key and the value that breaks it."""
        path = ".".join(str(key) for key in self.keys) or source
        got = "" if self.got is NOTHING else f"; got {shown(self.got)}"
        return f"{path} {self.rule}{got}"


def lifted(error: ValidationError) -> Rule:
    """Returns the first broken rule of a validation, with its path from the validated model."""
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    keys = _without_tags(first["loc"])
    if isinstance(cause, Rule):
        got = first["input"] if cause.got is _INPUT else cause.got
        return Rule(cause.rule, keys=cause.keys, got=got, is_rooted=cause.is_rooted).below(*keys)
    got = NOTHING if first["type"] == "missing" else first["input"]
    return Rule(_rule_of(first["type"], first.get("ctx", {}), first["msg"]), keys=keys, got=got)


def user_error(error: ValidationError, source: str = "the study file") -> UserError:
    """Returns one sentence on the first broken rule and the number of further ones.

    >>> from autometa.config import SearchSpec
    >>> try:
    ...     SearchSpec(trials=0, workers=-1)
    ... except ValidationError as error:
    ...     print(user_error(error))
    trials must be at least 1; got 0 (and 1 more)
    """
    # A list whose only entry is wrong is reported as too short as well.
    broken = [item for item in error.errors(include_url=False) if item["type"] != "too_short"]
    further = max(len(broken), 1) - 1
    tail = f" (and {further} more)" if further else ""
    return UserError(lifted(error).sentence(source) + tail)


def unknown_key(key: object, accepted: Iterable[str], kind: str = "key of this section") -> str:
    """Returns the rule for a key that a section does not have.

    >>> unknown_key("stpes", ["steps", "width"])
    'is not a key of this section; accepted: steps, width (did you mean steps?)'
    """
    keys = list(accepted)
    close = difflib.get_close_matches(str(key), keys, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"is not a {kind}; accepted: {', '.join(keys)}{hint}"


def shown(value: Any) -> str:
    """Returns a value as an error message may show it: short, and without passwords.

    >>> shown(None), shown(True), shown("postgresql://ann:hush@db/studies")
    ('null', 'true', "'postgresql://ann:***@db/studies'")
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Mapping() if not value:
            return "an empty section"
    text = _PASSWORD.sub(r"\1***@", repr(value))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _rule_of(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind in _KIND_RULES:
        return _KIND_RULES[kind]
    if kind in _LIMIT_RULES:
        words, limit = _LIMIT_RULES[kind]
        return f"{words} {context[limit]:g}"
    match kind:
        case "literal_error":
            return f"must be {context['expected'].replace(chr(39), '')}"
        case "too_short":
            return f"must list at least {context['min_length']} {_values(context['min_length'])}"
        case "too_long":
            return f"must list at most {context['max_length']} {_values(context['max_length'])}"
        case _:
            return f"cannot be accepted: {message}"


def _values(count: int) -> str:
    return "value" if count == 1 else "values"


def _without_tags(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    # Pydantic puts the kind of a source between its index and its key: train.0.sklearn.names.
    return tuple(
        key
        for index, key in enumerate(path)
        if isinstance(key, int) or index == 0 or not isinstance(path[index - 1], int)
    )
