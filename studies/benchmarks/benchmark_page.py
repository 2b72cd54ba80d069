"""What every benchmark writes: targets, tables, its page and its figures."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"
"""Where full runs write their figures and pages."""


@dataclass(frozen=True)
class Target:
    """A figure with the bound that it is to keep.

    Attributes:
        name: what is measured, with its unit where it has one.
        bound: the least value that will do, or the largest where ``is_upper``.
        value: what was found; None where it could not be measured, which is no failure.
        where: in which case the value was found.
        is_upper: whether the figure is to stay below the bound instead of reaching it.
    """

    name: str
    bound: float
    value: float | None
    where: str = ""
    is_upper: bool = field(default=False, kw_only=True)

    @property
    def is_missed(self) -> bool:
        """Whether the figure was measured and misses its bound; what is not a number does."""
        if self.value is None:
            return False
        return not (self.value <= self.bound if self.is_upper else self.value >= self.bound)

    @property
    def wanted(self) -> str:
        """What the figure is to be, in words."""
        return f"at {'most' if self.is_upper else 'least'} {self.bound:g}"

    @property
    def found(self) -> str:
        """What the figure is, in words."""
        return "not measured" if self.value is None else f"{self.value:.2f}"

    def __str__(self) -> str:
        """Returns the figure beside its bound."""
        return f"{self.name}: {self.found} (target {self.wanted})"


def parser_for(
    doc: str | None, *, quick: str, check: str = "there is no target: exits 0"
) -> argparse.ArgumentParser:
    """Returns a parser of the options of a benchmark on a folder of tables.

    Args:
        doc: the script's docstring.
        quick: what ``--quick`` does.
        check: what ``--check`` does.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with an index.csv")
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help=check)
    return parser


def machine() -> dict[str, str]:
    """Returns what the times depend on beside the code."""
    import torch  # here, so that a benchmark of other processes does not hold it in memory

    info = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def target_table(targets: Sequence[Target]) -> list[str]:
    """Returns a Markdown table of targets; nothing where there are none."""
    if not targets:
        return []
    rows = []
    for target in targets:
        verdict = "" if target.value is None else "missed" if target.is_missed else "met"
        rows.append([target.name, target.wanted, target.found, target.where, verdict])
    return table(["figure", "target", "found", "where it is worst", ""], rows)


def summary(targets: Sequence[Target]) -> str:
    """Returns all targets with what was found, and whether they are met, in one line."""
    missed = sum(target.is_missed for target in targets)
    verdict = f"NOT met: {missed}" if missed else "all measured targets met"
    return "; ".join([*map(str, targets), verdict])


def origin(name: str) -> str:
    """Returns the sentences that say where a page comes from, for the script of that name."""
    where = machine()
    return (
        f"Made by `studies/benchmarks/{name}.py`; its docstring says what is reported. "
        f"One thread of {where['processor']} ({where['instructions']}), Python {where['python']}, "
        f"torch {where['torch']}."
    )


def publish(
    name: str,
    page_lines: Sequence[str],
    figures: Mapping[str, Any],
    targets: Sequence[Target],
    options: argparse.Namespace,
) -> int:
    """Writes and prints what a benchmark found; returns its exit code.

    Args:
        name: the script's name without its ending, which names the files of a full run.
        page_lines: the page.
        figures: what was measured, ready for JSON.
        targets: what is checked.
        options: the command line's ``quick``, ``json`` and ``check``.
    """
    text = "\n".join([*page_lines, ""])
    if not options.quick:
        (RESULTS / f"{name}.md").write_text(text)
    json_file = options.json or (None if options.quick else RESULTS / f"{name}.json")
    if json_file is not None:
        found = {"machine": machine(), "targets": [asdict(target) for target in targets], **figures}
        json_file.write_text(json.dumps(found, indent=1) + "\n")
    print(text)
    print(summary(targets))
    return 1 if options.check and any(target.is_missed for target in targets) else 0
