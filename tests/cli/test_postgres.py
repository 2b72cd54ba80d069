from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from postgres_cluster import PASSWORD

if TYPE_CHECKING:
    from postgres_cluster import Cluster


def _command_lines(root: int) -> set[str]:
    """The command lines of a process and of all that it has started."""
    parent_of, line_of = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # The parent is the second field behind the name, which is in brackets.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        parent_of[int(folder.name)], line_of[int(folder.name)] = parent, line
    own = {root}
    while added := {pid for pid, parent in parent_of.items() if parent in own} - own:
        own |= added
    return {line_of[pid] for pid in own if pid in line_of}


@pytest.mark.slow
def test_password_stays_between_the_environment_and_the_server(
    study_file: Path, environment: dict[str, str], postgres_cluster: Cluster
) -> None:
    """It is in no output, file, log, attribute or command line of a whole study with workers."""
    url = postgres_cluster.new_storage()
    command = [sys.executable, "-m", "autometa", "tune", study_file.name]
    seen: set[str] = set()

    with subprocess.Popen(
        [*command, "--workers", "2"],
        cwd=study_file.parent,
        env=environment | {"AUTOMETA_STORAGE": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while process.poll() is None:
            seen |= _command_lines(process.pid)
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        assert process.stdout is not None
        output = process.stdout.read()

    assert process.returncode == 0, output
    assert any("autometa worker tiny --index 1" in line for line in seen)
    assert not [line for line in seen if PASSWORD in line]
    assert PASSWORD not in output
    files = [path for path in study_file.parent.rglob("*") if path.is_file()]
    assert any(path.name == "worker-1.log" for path in files)
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    names = "select tablename from pg_tables where schemaname = current_schema()"
    for (name,) in postgres_cluster.execute(names, url=url):
        rows = postgres_cluster.execute(f"select * from {name}", url=url)
        assert PASSWORD not in str(rows)
        assert name != "trials" or len(rows) == 2
