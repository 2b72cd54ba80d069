"""Tables from files: one file, or a folder of them with or without an ``index.csv``.

``index.csv`` has one row per table: ``name`` (its file is ``<name>.parquet``, ``.csv`` or
``.arff``), ``target`` (the last column where empty), and optionally ``role``, ``family`` and
``sha256`` (of the file). Without an index every table file counts, with its last column as target.
Tables without a declared family get one of their own; shared rows are found later.

A table that was asked for by name must be usable. Of a folder, tables that are not are skipped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autometa.errors import UserError
from autometa.tables._contents import make_table
from autometa.tables._read_file import SUFFIXES, read_frame, read_records
from autometa.tables._records import Skipped, Table

if TYPE_CHECKING:
    from autometa.config import FilesSource

INDEX = "index.csv"


@dataclass(frozen=True)
class TableFile:
    """A table that can be read, and what the index says of it.

    Attributes:
        path: its file, or the place where one was looked for.
        name: what to call it.
        target: its target column; the last one where None.
        family: its declared family.
        sha256: of the file, to be verified.
        is_required: whether it was asked for by name.
    """

    path: Path
    name: str
    target: str | None = None
    family: str | None = None
    sha256: str | None = None
    is_required: bool = False

    def read(self) -> Table:
        """Returns the table.

        Raises:
            UserError: the file is absent, unreadable or not the one that the index means, or has
                no such target.
        """
        if self.sha256 is not None and self.path.is_file():
            found = hashlib.sha256(self.path.read_bytes()).hexdigest()
            if found != self.sha256.lower():
                raise UserError(
                    f"a table file must have the sha256 that {INDEX} gives, but {self.path.name!r} "
                    f"has {found[:12]}… instead of {self.sha256[:12]}…: restore the file or "
                    f"correct {INDEX}"
                )
        frame = read_frame(self.path)
        return make_table(self.name, frame, target=self.target, source="files", family=self.family)


def file_tables(source: FilesSource, role: str | None = None) -> Iterator[Table | Skipped]:
    """Yields the tables of a source, or why one of a folder is skipped.

    Args:
        source: path of a file or folder, target, names to choose.
        role: the role whose rows of the index count, if the source says ``roles: index``.

    Raises:
        UserError: no such path, a name that the folder does not have, a bad index, or a table
            asked for by name that cannot be used.
    """
    for listed in list_files(source, role):
        if listed.is_required:
            yield listed.read()
            continue
        try:
            yield listed.read()
        except UserError as error:
            yield Skipped(listed.name, str(error))


def list_files(source: FilesSource, role: str | None = None) -> list[TableFile]:
    """Returns the tables of a source without reading them; see ``file_tables``.

    Raises:
        UserError: there is no such path or no table in it, its index is no index, or it lacks a
            table that is named.

    >>> from pathlib import Path
    >>> from autometa.config import FilesSource
    >>> for file in ("orders.parquet", "loans.csv", "notes.txt"):
    ...     Path(file).touch()
    >>> [listed.name for listed in list_files(FilesSource(path="."))]
    ['loans', 'orders']
    """
    path = Path(source.path).expanduser()
    if not path.exists():
        raise UserError(
            f"a table file or folder must exist, but {source.path!r} does not: check it"
        )
    if not path.is_dir():
        _refuse_index_only(source, f"{source.path!r} is a file")
        if source.names is not None:
            raise UserError(
                f"names choose tables of a folder, but {source.path!r} is a file: leave names out"
            )
        return [TableFile(path, path.stem, target=source.target, is_required=True)]
    if (path / INDEX).is_file():
        files = _indexed(path, source, role)
    else:
        _refuse_index_only(source, f"{source.path!r} has no {INDEX}")
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        files = [TableFile(file, file.stem, target=source.target) for file in found]
    if not files and source.roles is None:
        raise UserError(
            f"a folder of tables must hold files that end in {', '.join(SUFFIXES)}, but "
            f"{source.path!r} holds none: check the path"
        )
    return files if source.names is None else _chosen(files, source)


def _refuse_index_only(source: FilesSource, fact: str) -> None:
    if source.roles is not None:
        raise UserError(
            f"roles: index needs a folder with {INDEX}, but {fact}: leave roles out or add {INDEX}"
        )


def _indexed(folder: Path, source: FilesSource, role: str | None) -> list[TableFile]:
    columns, rows = read_records(folder / INDEX)
    for column in ("name", "target", *(["role"] if source.roles == "index" else [])):
        if column not in columns:
            raise UserError(
                f"{INDEX} must have a column {column!r}, but {str(folder / INDEX)!r} has only "
                f"{', '.join(columns)}: add it"
            )
    files: dict[str, TableFile] = {}
    for row in rows:
        name = row.get("name", "")
        if not name or name != Path(name).name or name.startswith(".") or name in files:
            raise UserError(
                f"every row of {INDEX} must have its own name of a file in the folder; got "
                f"{name!r} in {str(folder / INDEX)!r}: correct that row"
            )
        if source.roles == "index" and row.get("role") != role:
            continue
        candidates = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
        files[name] = TableFile(
            path=next((file for file in candidates if file.is_file()), candidates[0]),
            name=name,
            target=row.get("target", source.target),
            family=row.get("family"),
            sha256=row.get("sha256"),
        )
    return list(files.values())


def _chosen(files: list[TableFile], source: FilesSource) -> list[TableFile]:
    by_name = {file.name: file for file in files}
    unknown = [name for name in source.names or () if name not in by_name]
    if unknown:
        raise UserError(
            f"names must be those of tables in {source.path!r}, which has no {unknown[0]!r}: "
            f"choose among {', '.join(list(by_name)[:10])}{'…' if len(by_name) > 10 else ''}"
        )
    return [
        TableFile(f.path, f.name, f.target, f.family, f.sha256, is_required=True)
        for f in (by_name[name] for name in source.names or ())
    ]
