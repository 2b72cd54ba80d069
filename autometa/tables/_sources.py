"""From a source to scaled tables, and from a command line's word to a source."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from autometa.errors import UserError
from autometa.tables._load_scaled import load_scaled
from autometa.tables._records import ScaledTable, Skipped, Table

if TYPE_CHECKING:
    from autometa.config import FilesSource, SklearnSource, SyntheticSource

    Source: TypeAlias = SklearnSource | FilesSource | SyntheticSource


def load_source(
    source: Source, cache_dir: str | os.PathLike[str] | None = None, *, role: str | None = None
) -> tuple[list[ScaledTable], list[Skipped]]:
    """Returns the tables of a source, scaled, and those of a folder that could not be used.

    Args:
        source: a source of the study file.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.
        role: the role whose rows of an index count, for a source with ``roles: index``.

    Raises:
        UserError: the source does not exist, or a table that it names cannot be used.
        RunError: the cache folder cannot be written.
    """
    tables: list[ScaledTable] = []
    skipped: list[Skipped] = []
    if source.source == "synthetic":
        from autometa.tables._synthetic import synthetic_tables

        tables = synthetic_tables(source, cache_dir)
    elif source.source == "sklearn":
        from autometa.tables._sklearn import sklearn_tables

        tables = [load_scaled(table, cache_dir) for table in sklearn_tables(source.names)]
    elif source.source == "files":
        from autometa.tables._files import file_tables

        is_folder = Path(source.path).expanduser().is_dir() and source.names is None
        for item in file_tables(source, role):
            usable = _usable(item, cache_dir, is_optional=is_folder)
            if isinstance(usable, Skipped):
                skipped.append(usable)
            else:
                tables.append(usable)
    else:
        raise UserError(
            f"a source must be one of sklearn, files, synthetic; got {source.source!r}: choose one"
        )
    return tables, skipped


def _usable(
    item: Table | Skipped, cache_dir: str | os.PathLike[str] | None, *, is_optional: bool
) -> ScaledTable | Skipped:
    if isinstance(item, Skipped):
        return item
    try:
        return load_scaled(item, cache_dir)
    except UserError as error:
        if not is_optional:
            raise
        return Skipped(item.name, str(error))


def parse_source(text: str) -> SklearnSource | FilesSource:
    """Returns the source that a word of the command line means.

    ``sklearn:iris``, ``sklearn:iris,wine``, ``DIR``, ``file.csv`` (the last column is the target)
    and ``file.csv#target``.

    Args:
        text: the word.

    Raises:
        UserError: an empty word, an unknown scikit-learn table, or OpenML.
    """
    from autometa.config import FilesSource, SklearnSource

    text = text.strip()
    scheme, colon, rest = text.partition(":")
    if scheme == "openml" and colon:
        raise UserError(
            f"a table must come from scikit-learn or from files in this version; got {text!r}: "
            "download it and give the file, since OpenML comes with a later version"
        )
    if scheme == "sklearn" and colon:
        from autometa.tables._sklearn import check_names

        names = tuple(name.strip() for name in rest.split(",") if name.strip())
        check_names(names)
        return SklearnSource(source="sklearn", names=names)
    # A path may hold a hash sign itself.
    path, hash_sign, target = (text, "", "") if Path(text).exists() else text.rpartition("#")
    if not hash_sign:
        path, target = text, ""
    if not path:
        raise UserError(
            "a source must be sklearn:NAME, a folder, or a file such as table.csv#target; "
            f"got {text!r}: give one of these"
        )
    return FilesSource(source="files", path=path, target=target or None)
