"""What the pages show can be run: Python, study files and commands."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sklearn.datasets import load_iris
from typer.main import get_command

from autometa.cli._app import app
from autometa.config import spec_from_dict
from autometa.export import PRETRAINED

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    """Yields the fenced blocks of a language, page by page."""
    for page in PAGES:
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.DOTALL | re.M):
            if match[1] == language:
                yield page, match[2]


def commands() -> Iterator[tuple[Path, str]]:
    """Yields every command of autometa that a page shows, without what a shell makes of it."""
    for page, block in [*blocks("sh"), *blocks("bash")]:
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;|&(?= |$)", line.partition("#")[0]):
                words = part.strip()
                if words.startswith("autometa "):
                    yield page, words


def _ids(found: list[tuple[Path, str]]) -> list[str]:
    return [f"{page.stem}-{number}" for number, (page, _) in enumerate(found)]


def links(page: Path) -> list[str]:
    """Returns the links of a page to other files."""
    found = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    return [link for link in found if "://" not in link]


_PYTHON = [page for page in PAGES if any(own == page for own, _ in blocks("python"))]
_YAML = list(blocks("yaml"))
_COMMANDS = list(commands())


@pytest.mark.parametrize("page", _PYTHON, ids=lambda page: page.stem)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run one after the other, beside two CSV files and an export."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PRETRAINED, "results/runs/quickstart/export")
    iris = load_iris(as_frame=True).frame.rename(columns={"target": "species"})
    labelled = iris.groupby("species").head(5)
    labelled.to_csv("labelled.csv", index=False)
    iris.drop(labelled.index).drop(columns="species").to_csv("new.csv", index=False)
    names: dict[str, object] = {"__name__": "page"}

    for own, block in blocks("python"):
        if own == page:
            exec(compile(block, f"{page.name}", "exec"), names)  # the pages are the project's own


@pytest.mark.parametrize(("page", "block"), _YAML, ids=_ids(_YAML))
def test_study_files_are_accepted(page: Path, block: str) -> None:
    """A study file on a page passes the checks of ``autometa tune``."""
    content = yaml.safe_load(block)
    if "version" not in content:
        pytest.skip(f"a part of a study file, or another file, on {page.name}")

    assert spec_from_dict(content).name == content["name"]


@pytest.mark.parametrize(("page", "line"), _COMMANDS, ids=_ids(_COMMANDS))
def test_commands_exist_with_their_options(page: Path, line: str) -> None:
    """Every word that a page types is a command or an option that there is."""
    _, *words = shlex.split(line)
    command = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]

    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    assert not hasattr(command, "commands") or words == ["--help"], f"{page.name}: {line}"
    options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert options <= known, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_names_its_language(page: Path) -> None:
    """A block without one would be neither coloured nor checked here."""
    fences = re.findall(r"^```.*$", page.read_text(), re.MULTILINE)

    assert all(fence != "```" for fence in fences[::2])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Links go to files beside the page, or to pages that the site makes (docs/hooks)."""
    made = {"commands.md", "study-file.md", "first-study.md"}
    for link in links(page):
        is_benchmark = page.parent == ROOT / "docs" and link.startswith("benchmarks/")
        target = ROOT / "results" / link if is_benchmark else page.parent / link

        assert target.exists() or link in made, f"{page.name}: {link}"
