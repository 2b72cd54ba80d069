"""Which of OpenML's tables a study is about, settled when it begins.

Some may not be there at first, and others may come into the cache later. A study goes on with those
that it began with: what was missing is written into its specification as left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autometa.config import StudySpec, TablesSpec, fingerprint
from autometa.search._study import load_spec
from autometa.storages import close_storage, is_known_study, load_study, open_storage
from autometa.tables import default_cache_dir, fetch_sources, settled, sources_of

if TYPE_CHECKING:
    from autometa.tables.openml import OnProgress


def fetched_spec(
    spec: StudySpec,
    *,
    on_progress: OnProgress = lambda _: None,
    on_wait: Callable[[], object] = lambda: None,
) -> StudySpec:
    """Downloads what a study's sources need, and returns it with its tables settled.

    Args:
        spec: the study; nothing is downloaded and changed where it has no table of OpenML.
        on_progress: called after each table, and with what holds it up.
        on_wait: called about ten times a second during requests; may raise to end them.

    Raises:
        UserError: OpenML does not have what a source names.
        RunError: tables are missing and the server does not answer, the cache folder cannot be
            written, or the storage failed.

    >>> fetched_spec(spec) == spec
    True
    """
    sources = sources_of(spec.tables)
    if all(source.source != "openml" for source in sources):
        return spec
    is_known = is_known_study(spec.storage, spec.name)
    if is_known:
        spec = _as_it_began(spec)
        sources = sources_of(spec.tables)
    fetch_sources(sources, on_progress=on_progress, on_wait=on_wait)
    return spec if is_known else _with_tables(spec, _settled_roles(spec.tables))


def _as_it_began(spec: StudySpec) -> StudySpec:
    """Returns a specification with the tables of its study, unless its sources are others."""
    storage = open_storage(spec.storage, create=False)
    try:
        began = load_spec(load_study(storage, spec.name))
    finally:
        close_storage(storage)
    if fingerprint(began)["tables"] != fingerprint(spec)["tables"]:
        return spec  # which is refused later, with the differences
    return _with_tables(spec, began.tables.model_dump(mode="json"))


def _settled_roles(tables: TablesSpec) -> dict[str, Any]:
    cache = default_cache_dir()
    roles = tables.model_dump(mode="json")
    for role in ("train", "validation", "confirm", "test"):
        roles[role] = [
            settled(source, cache).model_dump(mode="json") for source in getattr(tables, role)
        ]
    return roles


def _with_tables(spec: StudySpec, tables: dict[str, Any]) -> StudySpec:
    return spec.model_copy(update={"tables": TablesSpec.model_validate(tables)})
