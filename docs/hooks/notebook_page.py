"""mkdocs hook: the notebook of a first study becomes a page, without what a run would print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

NOTEBOOK = Path(__file__).parents[1] / "first-study.ipynb"
PAGE = "first-study.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page beside the notebook, which can be downloaded."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Returns the notebook in Markdown."""
    parts = []
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    parts.insert(1, f"[The notebook]({NOTEBOOK.name}) can be downloaded and run.")
    return "\n\n".join(parts) + "\n"
