"""mkdocs hook: what ``results/benchmarks`` has published becomes pages of the site.

The pages stay where the benchmarks write them, with their pictures and tables beside them.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds every published page, picture and table below ``benchmarks/``."""
    for kind in ("md", "png", "csv"):
        for path in sorted(RESULTS.glob(f"*.{kind}")):
            target = f"benchmarks/{path.name}"
            files.append(File.generated(config, target, abs_src_path=str(path)))
    return files
