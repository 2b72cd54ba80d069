"""What the pages tell a user to type runs, block after block, in a shell.

Studies are cut to seconds; Slurm, SSH and pip are stood in for, and a PostgreSQL server of the
test's own plays ``db.example``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from openml_stand_in import Entry, StandIn
from sklearn.datasets import load_iris

if TYPE_CHECKING:
    from postgres_cluster import Cluster

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BEFORE = {
    "use-an-export": "autometa tune studies/quickstart.yaml",
    "priors": "autometa tune studies/quickstart.yaml",
}
"""What a page takes for done, by its name."""

ELSEWHERE = ("--engine ray",)
"""Lines that need a cluster: ``tests/cli/test_ray.py`` has them with one."""

AUTOMETA = f"""\
#!{sys.executable}
import os, signal, subprocess, sys

command = [sys.executable, "-m", "autometa", *sys.argv[1:]]
if sys.argv[1] == "tune":
    command += ["--trials", "6", "--set", "training.outer_steps=4", "--set", "search.confirm=1"]
    command += ["--set", "training.rungs=[2, 4]", "--set", "search.finalists=1"]
    command += ["--set", "episodes.per_table=1", "--seconds", "100"]
if sys.argv[1] != "dashboard":
    sys.exit(subprocess.run(command).returncode)
# A dashboard serves until it is interrupted, here as soon as it says where.
server = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
print(server.stdout.readline())
server.send_signal(signal.SIGINT)
sys.exit(server.wait(timeout=30))
"""

STAND_INS = {
    "autometa": AUTOMETA,
    "pip": "#!/bin/sh\nexit 0\n",  # all is installed
    "pytest": "#!/bin/sh\nexit 0\n",  # it is running
    "srun": '#!/bin/sh\nexec "$@"\n',
    "sbatch": '#!/bin/sh\nfor script; do :; done\nsh "$script" >&2 && echo 17\n',
    "ssh": '#!/bin/sh\nshift 3\nexec "$@"\n',
}


def shell_blocks(page: Path) -> list[str]:
    """Returns the blocks of a page that are typed into a shell."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


_PAGES = [page for page in PAGES if shell_blocks(page)]


@pytest.fixture
def folder(tmp_path: Path, study_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder: study files, two CSV files, a shelf of tables, and programs."""
    monkeypatch.setenv("AUTOMETA_CACHE", str(study_cache))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "100")
    for name, text in STAND_INS.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    home = tmp_path / "study"
    for path in (home / "studies", home / "shelf"):
        path.mkdir(parents=True)
    for study in (ROOT / "studies").glob("*.yaml"):
        (home / "studies" / study.name).write_text(_cut(study.read_text()))
    iris = load_iris(as_frame=True).frame.rename(columns={"target": "species"})
    labelled = iris.groupby("species").head(5)
    labelled.to_csv(home / "labelled.csv", index=False)
    iris.drop(labelled.index).drop(columns="species").to_csv(home / "new.csv", index=False)
    for number in range(8):
        _table(number).to_csv(home / "shelf" / f"{chr(ord('a') + number)}.csv", index=False)
    return home


@pytest.fixture
def openml(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server with a suite 99 of eight tables."""
    entries = [
        Entry(number, 1000 + number, f"{chr(ord('a') + number)}", _table(number), "class")
        for number in range(1, 9)
    ]
    server = StandIn(entries, {99: [entry.task for entry in entries]}).start()
    monkeypatch.setenv("AUTOMETA_OPENML_SERVER", server.url)
    yield
    server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_commands_run(
    page: Path, folder: Path, openml: None, request: pytest.FixtureRequest
) -> None:
    """Every block of a page ends with exit code 0, after those above it."""
    script = BEFORE.get(page.stem, ":")
    for block in shell_blocks(page):
        if block.startswith("#!"):  # a batch script, which is typed into a file
            name = "tune" if "--job-name=tune" in block else "workers"
            (folder / f"{name}.sh").write_text(block)
        else:
            script += "\n" + block
    for block in re.findall(r"^```yaml\n(version: 1.*?)^```$", page.read_text(), re.DOTALL | re.M):
        (folder / "mine.yaml").write_text(_cut(block))
    if "db.example" in page.read_text():
        cluster = request.getfixturevalue("postgres_cluster")
        script = _beside(script, cluster, page, folder)

    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout


def _cut(study: str) -> str:
    """Returns a study file with fewer random tables, searched in the process of the command."""
    return study.replace("count: 2000", "count: 20").replace("workers: 2", "workers: 1")


def _table(number: int) -> pd.DataFrame:
    generator = np.random.default_rng(number)
    classes = generator.permutation(np.arange(80) % 2)
    return pd.DataFrame(
        {
            "x": generator.normal(size=80) + classes,
            "y": generator.normal(size=80),
            "class": pd.Categorical(np.where(classes, "yes", "no")),
        }
    )


def _beside(script: str, cluster: Cluster, page: Path, folder: Path) -> str:
    """Returns the script with the server of the test, for a database of the page's own."""
    from postgres_cluster import PASSWORD

    database = page.stem.lower().replace("-", "_")
    (folder.parent / ".studies-password").write_text(f"{PASSWORD}\n")
    createdb = folder.parent / "bin" / "createdb"
    createdb.write_text(
        f'#!/bin/sh\nPGPASSWORD={PASSWORD} exec {cluster.programs}/createdb -p {cluster.port} "$@"'
    )
    createdb.chmod(0o755)
    if "createdb" not in script:
        cluster.execute(f"create database {database}")

    def told(text: str) -> str:
        lines = [line for line in text.splitlines() if not any(word in line for word in ELSEWHERE)]
        text = "\n".join(lines).replace("db.example:5432/studies", f"db.example:5432/{database}")
        text = text.replace("--username ann studies", f"--username ann {database}")
        return text.replace(":5432", f":{cluster.port}").replace("db.example", "127.0.0.1")

    for batch in folder.glob("*.sh"):
        batch.write_text(told(batch.read_text()))
    return told(script)
