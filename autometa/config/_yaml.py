"""YAML as people mean it: the plain part of YAML 1.2, without surprises.

``1e-3`` is a number; ``no``, ``on``, ``012``, ``1:30`` and ``2024-01-01`` are text; a key stands
once; there are no tags and no aliases, so that a small file cannot grow in memory.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml
from yaml.constructor import BaseConstructor
from yaml.reader import ReaderError

from autometa.errors import UserError

_DEEPEST = 30
_LONGEST_NUMBER = 100

_BOOLEAN = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
# No leading zero: YAML 1.1 reads 012 as octal, YAML 1.2 as decimal; as text it is asked about.
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(
    r"""[-+]?(?:
        (?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?
      | (?:0|[1-9][0-9]*)\.?(?:[eE][-+]?[0-9]+)
      | (?:0|[1-9][0-9]*)\.
      | \.(?:inf|Inf|INF))\Z
      | \.(?:nan|NaN|NAN)\Z""",
    re.VERBOSE,
)


class _PlainLoader(yaml.SafeLoader):
    """A safe loader with the scalars of YAML 1.2 and none of the features that surprise."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses aliases, anchors, tags and deep nesting before anything is built of them."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            _refuse(
                event.start_mark,
                "aliases (*) and anchors (&) are not accepted: repeat the value, or quote the text",
            )
        if getattr(event, "tag", None) is not None:
            _refuse(event.start_mark, f"tags such as {event.tag} are not accepted: leave it out")
        if self._depth >= _DEEPEST:
            _refuse(event.start_mark, f"sections may be nested {_DEEPEST} deep at most")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Returns a mapping whose keys are text and stand once."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                _refuse(key.start_mark, f"a key must be text (put it in quotes); got {name!r}")
            line = key.start_mark.line + 1
            if name in lines:
                _refuse(
                    key.start_mark,
                    f"the key {name!r} stands twice, first on line {lines[name]}: remove one",
                )
            lines[name] = line
        # Not the parent's method, which would first merge the values of << keys.
        return BaseConstructor.construct_mapping(self, node, deep=deep)

    def construct_number(self, node: Any) -> int | float:
        """Returns a number, unless it has so many digits that Python refuses to read it."""
        if len(node.value) > _LONGEST_NUMBER:
            _refuse(node.start_mark, f"a number has at most {_LONGEST_NUMBER} characters")
        if node.tag == "tag:yaml.org,2002:int":
            return int(node.value)
        return float(
            re.sub(r"\.(?=[inIN])", "", node.value)
        )  # Python writes inf and nan without a dot


def _refuse(mark: yaml.Mark, rule: str) -> NoReturn:
    raise UserError(f"line {mark.line + 1}: {rule}")


for _tag, _pattern, _first in (
    ("bool", _BOOLEAN, "tTfF"),
    ("int", _WHOLE, "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
    ("null", _NULL, "~nN"),
):
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, [*_first])
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:null", _NULL, [""])
for _tag in ("int", "float"):
    _PlainLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _PlainLoader.construct_number)


def parse_yaml(text: str) -> Any:
    """Returns the one document of a YAML text in plain Python values; None if it is empty.

    >>> parse_yaml("{inner_lr: 1e-3, name: no, clock: 1:30}")
    {'inner_lr': 0.001, 'name': 'no', 'clock': '1:30'}

    Args:
        text: the YAML.

    Raises:
        UserError: the text is not YAML, or uses what is not accepted; names the line.
    """
    try:
        loader = _PlainLoader(text)
        return loader.get_single_data()
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = text[error.position : error.position + 1]
        raise UserError(
            f"line {line}: the character {character!r} is not accepted: remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        if error.context == "expected a single document in the stream":
            raise UserError(
                f"line {line}: a file holds one document: remove everything from the second --- on"
            ) from None
        raise UserError(
            f"line {line}: this is not YAML ({error.problem or error.context}): correct it"
        ) from None
