"""mkdocs hook: a page of all commands, read off the application itself."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from autometa.cli._app import app

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "commands.md"
_INTRODUCTION = """\
# Commands

Results go to stdout, progress and notes to stderr.
The exit code is 0 (done), 1 (something failed while running), 2 (something wrong was given),
130 (stopped by SIGINT) or 143 (stopped by SIGTERM).
`--debug`, anywhere, shows tracebacks of errors; `--help` shows what stands here.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Returns the page in Markdown."""
    return "\n".join([_INTRODUCTION, *(_section(name, item) for name, item in commands())])


def commands() -> Iterator[tuple[str, Any]]:
    """Yields every command with its full name, those of groups below them."""
    pending = [("autometa", get_command(app))]
    while pending:
        name, item = pending.pop(0)
        below = getattr(item, "commands", None)
        if below is None:
            yield name, item
        else:
            pending += [(f"{name} {own}", command) for own, command in below.items()]


def _section(name: str, command: Any) -> str:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    usage = [name, *(item.metavar for item in arguments if not item.hidden), "[OPTIONS]"]
    example = (command.epilog or "").removeprefix("Example: ")
    rows = [_row(item) for item in command.params if not getattr(item, "hidden", False)]
    lines = [f"## {name}", "", command.help, "", "```text", " ".join(usage), "```", ""]
    if rows:
        lines += ["| given | meaning | default |", "|---|---|---|", *rows, ""]
    if example:
        lines += ["```sh", example, "```", ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    """Returns the line of an option or argument."""
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or _values(parameter.default)}"
        names = ", ".join(f"`{name}{value}`" for name in parameter.opts)
    default = parameter.default
    is_said = default not in (None, False, (), []) and not parameter.required
    shown = f"`{getattr(default, 'value', default)}`" if is_said else ""
    must = "required" if parameter.required else shown
    return f"| {names} | {(parameter.help or '').replace('|', '&#124;')} | {must} |"


def _values(default: Any) -> str:
    """Returns what stands for an option's value where it has no name of its own."""
    if isinstance(default, Enum):
        return "/".join(str(choice.value) for choice in type(default))
    return "N" if isinstance(default, int) else "TEXT"
