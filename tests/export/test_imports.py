"""What using an export costs and needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"optuna", "openml"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
"""

_PREDICT = """
import sys
from autometa.export import load, predict_csv
classifier = load(sys.argv[1])
classifier.fit([[0.0, 1.0], [1.0, 0.0], [9.0, 8.0], [8.0, 9.0]], ["a", "a", "b", "b"])
assert classifier.predict([[0.5, 0.5], [8.5, 8.5]]).tolist() == ["a", "b"]
answer = predict_csv(sys.argv[2], sys.argv[3], target="y", export=sys.argv[1])
assert answer["prediction"].tolist() == ["a", "b"]
heavy = {"optuna", "openml", "optuna_dashboard", "rich", "typer", "matplotlib"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
print("autometa.evaluation" in sys.modules, "autometa.search" in sys.modules)
"""


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Writes labelled rows and rows to predict."""
    support, rows = tmp_path / "support.csv", tmp_path / "rows.csv"
    support.write_text("u,v,y\n0,1,a\n1,0,a\n9,8,b\n8,9,b\n")
    rows.write_text("u,v\n0.5,0.5\n8.5,8.5\n")
    return support, rows


def test_predicting_needs_neither_optuna_nor_openml(
    export: Path, tables: tuple[Path, Path]
) -> None:
    """With both blocked, an export loads, fits and predicts; nothing of the search is imported."""
    result = subprocess.run(
        [sys.executable, "-c", _BLOCKED + _PREDICT, str(export), *map(str, tables)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["[]", "False", "False"]
