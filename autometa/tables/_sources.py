"""From a source to scaled tables, and from a command line's word to a source."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from autometa.errors import UserError
from autometa.tables._load_scaled import load_scaled
from autometa.tables._records import ScaledTable, Skipped, StoredTable, Table

if TYPE_CHECKING:
    from autometa.config import FilesSource, OpenmlSource, SklearnSource, SyntheticSource

    Source: TypeAlias = SklearnSource | FilesSource | OpenmlSource | SyntheticSource


def load_source(
    source: Source,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    role: str | None = None,
    is_thorough: bool = False,
    on_table: Callable[[], object] = lambda: None,
) -> tuple[list[ScaledTable], list[Skipped]]:
    """Returns the tables of a source, scaled, and those of a folder that could not be used.

    Args:
        source: a source of the study file.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.
        role: the role whose rows of an index count, for a source with ``roles: index``.
        is_thorough: whether to compare every byte of the cache with its manifests; random tables
            apart, which cost less to draw.
        on_table: called before each table that may have to be read and encoded; may raise.

    Raises:
        UserError: the source does not exist, or a table that it names cannot be used.
        RunError: the cache folder cannot be written, or lacks tables of OpenML: nothing is
            downloaded here (see ``fetch_sources``).

    >>> tables, skipped = load_source(parse_source("sklearn:iris,wine"))
    >>> {table.name: table.x_RFH.shape for table in tables}
    {'iris': (150, 4, 2), 'wine': (178, 13, 2)}
    """
    tables: list[ScaledTable] = []
    skipped: list[Skipped] = []

    def scaled(table: Table | StoredTable) -> ScaledTable:
        on_table()
        return load_scaled(table, cache_dir, is_thorough=is_thorough)

    if source.source == "synthetic":
        from autometa.tables._synthetic import synthetic_tables

        tables = synthetic_tables(source, cache_dir)
    elif source.source == "sklearn":
        from autometa.tables._sklearn import sklearn_tables

        tables = [scaled(table) for table in sklearn_tables(source.names)]
    elif source.source == "files":
        from autometa.tables._files import file_tables

        is_folder = Path(source.path).expanduser().is_dir() and source.names is None
        for item in file_tables(source, role):
            usable = _usable(item, scaled, is_optional=is_folder)
            if isinstance(usable, Skipped):
                skipped.append(usable)
            else:
                tables.append(usable)
    elif source.source == "openml":
        from autometa.tables.openml import Settings, Store, load_openml

        store = Store(Settings.from_environment().server, cache_dir)
        tables, skipped = load_openml(source, store, scaled)
    else:
        raise UserError(
            "a source must be one of sklearn, files, openml, synthetic; got "
            f"{source.source!r}: choose one"
        )
    return tables, skipped


def _usable(
    item: Table | Skipped, scaled: Callable[[Table], ScaledTable], *, is_optional: bool
) -> ScaledTable | Skipped:
    if isinstance(item, Skipped):
        return item
    try:
        return scaled(item)
    except UserError as error:
        if not is_optional:
            raise
        return Skipped(item.name, str(error))


def parse_source(text: str) -> SklearnSource | FilesSource | OpenmlSource:
    """Returns the source that a word of the command line means.

    ``sklearn:iris``, ``sklearn:iris,wine``, ``openml:suite:99``, ``openml:task:31``,
    ``openml:dataset:31,37``, ``DIR``, ``file.csv`` (the last column is the target) and
    ``file.csv#target``.

    Args:
        text: the word.

    Raises:
        UserError: an empty word, an unknown scikit-learn table, or an id that is no number.

    >>> parse_source("openml:task:31,37").tasks
    (31, 37)
    >>> loans = parse_source("data/loans.csv#defaulted")
    >>> loans.path, loans.target
    ('data/loans.csv', 'defaulted')
    """
    from autometa.config import FilesSource, SklearnSource

    text = text.strip()
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme == "openml" and (colon or not Path(text).exists()):
        return _openml_source(text, rest)
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
            "a source must be sklearn:NAME, openml:suite:ID, openml:task:ID, openml:dataset:ID, a "
            f"folder, or a file such as table.csv#target; got {text!r}: give one of these"
        )
    return FilesSource(source="files", path=path, target=target or None)


def _openml_source(text: str, rest: str) -> OpenmlSource:
    from autometa.config import OpenmlSource

    kind, _, ids = rest.partition(":")
    words = [word.strip() for word in ids.split(",") if word.strip()]
    is_number = all(
        word.isascii() and word.isdigit() and 0 < int(word[:10]) < 10**9 for word in words
    )
    numbers = tuple(dict.fromkeys(int(word[:10]) for word in words)) if is_number else ()
    if numbers and kind == "suite" and len(numbers) == 1:
        return OpenmlSource(suite=numbers[0])
    if numbers and kind == "task":
        return OpenmlSource(tasks=numbers)
    if numbers and kind == "dataset":
        return OpenmlSource(datasets=numbers)
    raise UserError(
        "a source of OpenML must be openml:suite:ID, openml:task:ID,ID or openml:dataset:ID,ID; "
        f"got {text!r}: correct it"
    )
