"""The reference lists what is public, with examples; the pages that the site makes are whole."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import autometa
from autometa.config import LEARNERS, StudySpec, learner_fields

DOCS = Path(__file__).parents[1] / "docs"
LISTED = re.findall(r"^::: (\S+)$", (DOCS / "reference.md").read_text(), re.MULTILINE)


def _object(name: str) -> Any:
    room, _, own = name.rpartition(".")
    return getattr(importlib.import_module(room), own)


def _hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LISTED)
def test_what_is_listed_exists_and_shows_its_use(name: str) -> None:
    """Each name is there and its docstring has an example, which the doctests run."""
    assert ">>> " in _object(name).__doc__, f"{name} needs an example in its docstring"


def test_every_name_of_the_package_is_listed() -> None:
    """Whatever ``import autometa`` offers stands in the reference."""
    listed = [_object(name) for name in LISTED]

    for name in autometa.__all__:
        assert name == "__version__" or getattr(autometa, name) in listed


def _rooms() -> Iterator[tuple[str, Any]]:
    """Yields what each room of the package offers to the others, by its name."""
    for found in pkgutil.iter_modules(autometa.__path__, "autometa."):
        if found.ispkg:
            room = importlib.import_module(found.name)
            for name in getattr(room, "__all__", []):
                yield f"{found.name}.{name}", getattr(room, name)


_OFFERED = {
    name: offered
    for name, offered in _rooms()
    if inspect.isclass(offered) or inspect.isfunction(offered)
}


@pytest.mark.parametrize("name", _OFFERED)
def test_what_a_room_offers_shows_its_use(name: str) -> None:
    """A class or function has an example, a class perhaps in one of its methods."""
    offered = _OFFERED[name]
    own = vars(offered).items() if inspect.isclass(offered) else ()
    methods = [method for key, method in own if not key.startswith("_")]

    texts = [inspect.getdoc(item) or "" for item in (offered, *methods)]

    assert any(">>> " in text for text in texts), f"{name} needs an example in its docstring"


def test_examples_get_a_heading() -> None:
    """The site shows examples as code, below what they are examples of."""
    pytest.importorskip("griffe", reason="comes with the extra docs")
    docstring = "Adds.\n\n    Raises:\n        E: no.\n\n    >>> 1\n    1\n"

    text = _hook("examples").with_heading(docstring)

    assert text == "Adds.\n\nRaises:\n    E: no.\n\nExamples:\n    >>> 1\n    1\n"


def test_the_page_of_commands_has_each_with_help_options_and_an_example() -> None:
    """A new command or option is on the page without anybody writing it there."""
    hook = _hook("command_page")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", hook.page(), re.DOTALL | re.M))

    for name, command in hook.commands():
        assert command.help in sections[name]
        assert f"```sh\n{name} " in sections[name], f"{name} needs an epilog 'Example: {name} ...'"
        for option in command.params:
            assert getattr(option, "hidden", False) or option.help, f"{name}: {option.name}"
    assert list(sections) == [name for name, _ in hook.commands()]
    assert "| `--engine processes/ray` | What starts" in sections["autometa tune"]


def test_the_page_of_the_study_file_has_each_key_with_its_meaning() -> None:
    """Keys, defaults and descriptions are those of the models."""
    page = _hook("study_file_page").page()
    names = [key for key, field in StudySpec.model_fields.items() if field.description]
    names += [field for learner in LEARNERS for field in learner_fields(learner)]

    assert set(names) <= set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert len(names) > len(StudySpec.model_fields)
    assert "| `trials` | whole number from 1 to 1,000,000 | `30` | trials of the study" in page
    assert "| `counts` | `equal`, `unequal`, `natural` | `equal` | how the labelled" in page
    assert ">>>" not in page


def test_every_published_benchmark_is_linked() -> None:
    """A page that docs/benchmarks.md does not speak of yet is listed at its end, by its title."""
    hook = _hook("benchmark_pages")
    written = (DOCS / hook.PAGE).read_text()
    without = written.replace("](benchmarks/faults.md)", "")

    page = hook.completed(written)

    for path in hook.RESULTS.glob("*.md"):
        assert page.count(f"](benchmarks/{path.name})") == 1
    assert page.startswith(written)
    assert "- [A storm of faults](benchmarks/faults.md)" in hook.completed(without)


def test_the_page_of_the_notebook_has_its_cells() -> None:
    """Text stays text, and code is shown as code."""
    page = _hook("notebook_page").page()

    assert page.startswith("# A first study\n")
    assert page.count("```") % 2 == 0
    assert "```python\nimport autometa\n" in page
