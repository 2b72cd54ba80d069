"""Downloads the tables of sources ahead, so that nothing else ever waits for a network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autometa.config import TablesSpec
    from autometa.tables._sources import Source
    from autometa.tables.openml import FetchReport, OnProgress

OFFLINE_VARIABLE = "AUTOMETA_OFFLINE"


def fetch_sources(
    sources: Iterable[Source],
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    again: bool = False,
    on_progress: OnProgress = lambda _: None,
    on_wait: Callable[[], object] = lambda: None,
) -> list[FetchReport]:
    """Downloads what the cache lacks of the sources that are OpenML's; others need nothing.

    With ``$AUTOMETA_OFFLINE`` set, nothing is downloaded; what is missing is told when the tables
    are read.

    Args:
        sources: sources of the study file.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.
        again: whether to ask again for suites, and for what OpenML did not have.
        on_progress: called after each table, and with what holds it up.
        on_wait: called about ten times a second during requests; may raise to end them.

    Returns:
        A report for each different source of OpenML.

    Raises:
        UserError: OpenML does not have what a source names, or the environment names a server or
            a deadline that cannot be one.
        RunError: tables are missing and the server cannot be reached, or the cache folder cannot
            be written. What was fetched stays.

    >>> import os
    >>> from autometa.tables import parse_source
    >>> os.environ["AUTOMETA_OFFLINE"] = "1"
    >>> fetch_sources([parse_source("sklearn:iris"), parse_source("openml:suite:99")])
    []
    """
    wanted = [source for source in dict.fromkeys(sources) if source.source == "openml"]
    if not wanted or is_offline():
        return []
    from autometa.tables.openml import Session, Settings, Store, fetch

    settings = Settings.from_environment()
    with Session(settings, Store(settings.server, cache_dir), on_wait) as session:
        return [fetch(source, session, again=again, on_progress=on_progress) for source in wanted]


def sources_of(spec: TablesSpec) -> list[Source]:
    """Returns the sources of every role of a study.

    >>> from autometa.config import TablesSpec
    >>> train = [{"source": "synthetic", "count": 9}]
    >>> spec = TablesSpec(train=train, validation=[{"source": "sklearn", "names": ["iris"]}])
    >>> [source.source for source in sources_of(spec)]
    ['synthetic', 'sklearn']
    """
    return [*spec.train, *spec.validation, *spec.confirm, *spec.test]


def settled(source: Source, cache_dir: str | os.PathLike[str] | None = None) -> Source:
    """Returns a source whose ``without`` names the members that it does without by now.

    Args:
        source: a source of the study file; those that are not OpenML's are returned as they are,
            and those that lack what they must have.
        cache_dir: the cache folder; ``default_cache_dir()`` where None.

    Raises:
        UserError: the environment names a server or a deadline that cannot be one.

    >>> from autometa.config import OpenmlSource
    >>> settled(OpenmlSource(suite=99, without=[77])).without
    (77,)
    """
    if source.source != "openml":
        return source
    from autometa.tables.openml import Settings, Store
    from autometa.tables.openml import settled as settled_openml

    return settled_openml(source, Store(Settings.from_environment().server, cache_dir))


def is_offline() -> bool:
    """Returns whether ``$AUTOMETA_OFFLINE`` forbids downloads.

    >>> import os
    >>> os.environ["AUTOMETA_OFFLINE"] = "yes"
    >>> is_offline()
    True
    """
    return os.environ.get(OFFLINE_VARIABLE, "").strip().lower() not in ("", "0", "false", "no")
