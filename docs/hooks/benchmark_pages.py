"""mkdocs hook: what ``results/benchmarks`` has published becomes pages of the site.

The pages stay where the benchmarks write them, with their pictures and tables beside them. Those
that ``docs/benchmarks.md`` does not speak of yet are listed at its end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"
PAGE = "benchmarks.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds every published page, picture and table below ``benchmarks/``."""
    from mkdocs.structure.files import File

    for kind in ("md", "png", "csv"):
        for path in sorted(RESULTS.glob(f"*.{kind}")):
            target = f"benchmarks/{path.name}"
            files.append(File.generated(config, target, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Completes the list of the benchmarks."""
    return completed(markdown) if page.file.src_uri == PAGE else markdown


def completed(markdown: str) -> str:
    """Returns the page with a link to each published page that it does not name."""
    missing = [
        f"- [{_title(path)}](benchmarks/{path.name})"
        for path in sorted(RESULTS.glob("*.md"))
        if f"](benchmarks/{path.name})" not in markdown
    ]
    return "\n".join([markdown, "## Others", "", *missing, ""]) if missing else markdown


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
