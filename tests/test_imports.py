"""Which part of the package may import which, and what stays out of the quick imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "autometa"

# What each room may import directly; it may import everything below that as well.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "logging": set(),
    "typing": set(),
    "atomic": set(),
    "pools": set(),
    "config": set(),
    "storages": {"config"},
    "tables": {"config"},
    "episodes": {"tables"},
    "learners": {"episodes"},
    "evaluation": {"learners"},
    "export": {"evaluation"},
    "priors": {"config", "storages"},
    "search": {"evaluation", "priors"},
    "testing": {"evaluation", "storages"},
    "study_export": {"search", "export"},
    "report": {"search", "export"},
    "study_result": {"search", "export"},
    "tune": {"study_export", "study_result", "report"},
    "study_refit": {"tune"},
    "cli": {"study_refit"},
    "__main__": {"cli"},
}
LEAVES = {"atomic", "errors", "logging", "pools", "typing"}

# The only rooms that may import a library, wherever in their files.
ONLY_IN: dict[str, set[str]] = {
    "optuna": {
        *("storages", "priors", "search", "testing", "report"),
        *("study_export", "study_refit", "tune", "cli"),
    },
    "optuna_dashboard": {"cli", "report"},
    "plotly": {"report"},
    "psycopg": {"storages"},
    "ray": {"search"},
    "openml": {"tables"},
    "typer": {"cli"},
    "rich": {"cli"},
    "pickle": set(),
}
WITHOUT_TORCH = {"config", "storages", "priors", "tables"}
HEAVY = {"torch", "optuna", "sklearn", "openml", "pandas", "scipy", "pyarrow"}

FILES = sorted(PACKAGE.rglob("*.py"))


def below(room: str) -> set[str]:
    """Returns every room that a room may import: itself, the leaves, and all that is below."""
    reached = {room}
    waiting = [room]
    while waiting:
        new = ALLOWED[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached | (LEAVES if room not in LEAVES else set())


def room_of(path: Path) -> str:
    """Returns the room that a file belongs to; the package's own __init__ is the room ''."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imported_modules(tree: ast.AST, path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and absolute name of everything imported, also in functions and for types."""
    package = ["autometa", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def back_edges(path: Path, text: str) -> list[str]:
    """Returns one line for each import that the tables above do not allow."""
    room = room_of(path)
    found = []
    for line, name in imported_modules(ast.parse(text), path):
        where = f"{path.relative_to(PACKAGE.parent)}:{line} imports {name}"
        library, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if library == "autometa":
            is_version = target == "__version__"
            if room and not is_version and target not in below(room):
                found.append(where)
        elif room not in ONLY_IN.get(library, {room}) or (
            library == "torch" and room in WITHOUT_TORCH
        ):
            found.append(where)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    """No file imports a room above its own, nor a library that is another room's."""
    assert back_edges(path, path.read_text(encoding="utf-8")) == []


def test_every_room_is_in_the_table() -> None:
    """A new room needs its place in the order."""
    assert {room_of(path) for path in FILES} - {""} <= set(ALLOWED)


def test_the_table_has_no_cycle() -> None:
    """No room is below a room that is below it."""
    for room in ALLOWED:
        for other in below(room) - {room}:
            assert room not in below(other)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config/_spec.py", "from autometa.tables import Table"),
        ("config/_spec.py", "import autometa.search"),
        ("config/_spec.py", "from autometa import tune"),
        ("config/_spec.py", "import autometa"),
        ("errors.py", "from autometa.typing import Setting"),
        ("storages/_open.py", "def f():\n    from autometa.tables import Table"),
        ("tables/_table.py", "if TYPE_CHECKING:\n    from autometa.episodes import Episode"),
        ("tables/_table.py", "from ..learners import build"),
        ("tables/_table.py", "from .. import learners"),
        ("tables/_table.py", "import torch.nn"),
        ("learners/_maml.py", "from autometa.storages import open_storage"),
        ("export/_read.py", "import optuna"),
        ("export/_read.py", "from optuna.trial import Trial"),
        ("search/_study.py", "from autometa.export import load"),
        ("learners/_maml.py", "import openml"),
        ("search/_study.py", "from rich.table import Table"),
        ("export/_read.py", "import pickle"),
    ],
)
def test_a_back_edge_is_found(file: str, text: str) -> None:
    """The test sees imports in functions, for types only, relative ones and submodules."""
    assert len(back_edges(PACKAGE / file, text)) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config/_spec.py", "from autometa.errors import UserError\nimport numpy as np"),
        ("config/_spec.py", "from . import _rules\nfrom ._parts import Part"),
        ("learners/_maml.py", "from autometa.config import MamlConfig"),
        ("export/_write.py", "from autometa import __version__"),
        ("cli/_tune.py", "from autometa.tune import tune\nfrom autometa.storages import mask_url"),
        ("__init__.py", "from autometa.tune import tune"),
    ],
)
def test_a_downward_import_is_accepted(file: str, text: str) -> None:
    """What is below may be imported, however far."""
    assert back_edges(PACKAGE / file, text) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints(path: Path) -> None:
    """The library returns, raises and logs; printing is left to the command line."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if _is_print(node)]

    assert room_of(path) == "cli" or calls == []


@pytest.mark.parametrize(
    "module", ["autometa", "autometa.config", "autometa.priors", "autometa.tables"]
)
def test_quick_imports_load_nothing_heavy(module: str) -> None:
    """The package, its configuration and its tables are imported without the large libraries."""
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )

    assert done.stdout.split() == []


def _is_print(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "pprint"}
    )
