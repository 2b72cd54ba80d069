"""mkdocs hook: a page of all keys of a study file, read off the models that check it."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from autometa import config
from autometa.config import LEARNERS, learner_config_class

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "study-file.md"
_INTRODUCTION = """\
# The study file

YAML with these sections; `name`, `tables` and `space` must be given, the rest has defaults.
`autometa tune --set key.path=value` replaces any of them for one command.
Unknown keys, wrong kinds and impossible values are refused before anything runs.
"""
_SECTIONS = (
    ("The whole", "StudySpec"),
    ("tables", "TablesSpec"),
    ("tables.split", "SplitSpec"),
    ("A source: sklearn", "SklearnSource"),
    ("A source: files", "FilesSource"),
    ("A source: openml", "OpenmlSource"),
    ("A source: synthetic", "SyntheticSource"),
    ("episodes", "EpisodesSpec"),
    ("training", "TrainingSpec"),
    ("search", "SearchSpec"),
)
_SPACE = """\
## space

Each searched meta-parameter has a range or a list of choices; what is not searched keeps the
value under `learner`, or its default.

```yaml
learner: {name: column_kernel}
space:
  inner_lr: {low: 0.01, high: 10.0, log: true}
  depth:    {low: 1, high: 4}
  adapt:    {choices: [head, head+scales]}
```

Where the learner itself is searched, each has a branch of its own:

```yaml
space:
  learner:
    choices:
      maml:          {inner_lr: {low: 0.01, high: 1.0, log: true}}
      column_kernel: {depth: {low: 1, high: 4}}
```
"""
_DIMENSIONS = (
    ("A range of numbers", "FloatRange"),
    ("A range of whole numbers", "IntRange"),
    ("Choices", "Choices"),
)
_KINDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "section",
}
_BOUNDS = (
    ("ge", "from"),
    ("minimum", "from"),
    ("gt", "above"),
    ("le", "to"),
    ("maximum", "to"),
    ("lt", "below"),
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Returns the page in Markdown."""
    lines = [_INTRODUCTION]
    for title, name in _SECTIONS:
        lines += [f"## {title}", "", *_keys(getattr(config, name))]
    lines.append(_SPACE)
    for title, name in _DIMENSIONS:
        lines += [f"### {title}", "", *_keys(getattr(config, name))]
    lines += ["## learner", "", f"`name` is one of {', '.join(LEARNERS)}.", ""]
    for learner in LEARNERS:
        lines += [f"### {learner}", "", *_keys(learner_config_class(learner))]
    return "\n".join(lines)


def _keys(model: Any) -> list[str]:
    """Returns what a model is for and a table of its keys."""
    about = inspect.cleandoc(model.__doc__).partition("\n\n>>>")[0]
    schema = model.model_json_schema()
    rows = [
        _row(key, field, schema["properties"][key])
        for key, field in model.model_fields.items()
        if key != "name" or "const" not in schema["properties"][key]
    ]
    header = ["| key | value | default | meaning |", "|---|---|---|---|"]
    return [about.replace("``", "`"), "", *header, *rows, ""]


def _row(key: str, field: Any, schema: dict[str, Any]) -> str:
    if field.is_required():
        default = "required"
    elif field.default_factory is not None or field.default in (None, ()):
        default = ""
    else:
        plain = list(field.default) if isinstance(field.default, tuple) else field.default
        default = f"`{plain if isinstance(plain, str) else json.dumps(plain)}`"
    return f"| `{key}` | {_value(schema)} | {default} | {field.description or 'names the kind'} |"


def _value(schema: dict[str, Any]) -> str:
    """Returns in words what a JSON schema accepts."""
    if "$ref" in schema:
        return "section"
    if "oneOf" in schema:
        return "sections with a `source`"
    if "anyOf" in schema:
        others = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return ", or ".join(_value(one) for one in others)
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_value(schema['items'])}" if schema["items"] else "list"
    bounds = [f"{word} {_number(schema[bound])}" for bound, word in _BOUNDS if bound in schema]
    return " ".join([_KINDS[schema["type"]], *bounds])


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else str(value)
