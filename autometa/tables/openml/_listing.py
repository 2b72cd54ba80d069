"""What a source of OpenML holds, without downloading its tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autometa.errors import RunError
from autometa.tables.openml._facts import dataset_of, fetch_suite
from autometa.tables.openml._members import Member, members_of, suite_record
from autometa.tables.openml._session import RefusedError, Session, Settings, UnreachableError
from autometa.tables.openml._store import Store

if TYPE_CHECKING:
    from autometa.config import OpenmlSource

_SHAPES_AT_ONCE = 100


@dataclass(frozen=True)
class ListedTable:
    """A dataset of a source, as OpenML announces it.

    Attributes:
        dataset: its id.
        name: its name; empty where the list of OpenML does not have it.
        version: its version.
        rows: its rows; None where OpenML does not say.
        columns: its columns, the target included.
        classes: its classes; none for a number as target.
        bytes: of its table in the cache; 0 where it is not there.
    """

    dataset: int
    name: str = ""
    version: int | None = None
    rows: int | None = None
    columns: int | None = None
    classes: int | None = None
    bytes: int = 0


def list_openml(
    source: OpenmlSource,
    store: Store,
    settings: Settings,
    *,
    on_wait: Callable[[], object] = lambda: None,
) -> list[ListedTable]:
    """Returns the datasets of a source with their announced shapes.

    The members of a suite, and the datasets of tasks, are kept in the store; shapes are asked for.

    Args:
        source: a suite, tasks or datasets.
        store: the cache.
        settings: how OpenML is asked.
        on_wait: called about ten times a second during requests; may raise to end them.

    Raises:
        UserError: OpenML has no such suite.
        RunError: the server cannot be reached.
    """
    with Session(settings, store.folder, on_wait) as session:
        members = members_of(source, store)
        if members is None:
            members = fetch_suite(source, store, session)
        try:
            datasets = _datasets(source, members, store, session)
            shapes: dict[str, Any] = {}
            for start in range(0, len(datasets), _SHAPES_AT_ONCE):
                shapes |= _shapes(datasets[start : start + _SHAPES_AT_ONCE], session)
        except UnreachableError as error:
            raise RunError(
                f"OpenML must answer to list its {source}, but {settings.server} does not "
                f"({error}): try again later"
            ) from error
    return [
        ListedTable(
            dataset=dataset, bytes=store.table_bytes(dataset), **_typed(shapes.get(str(dataset)))
        )
        for dataset in datasets
    ]


def _datasets(
    source: OpenmlSource, members: list[Member], store: Store, session: Session
) -> list[int]:
    if source.suite is not None and not source.without:
        suite = store.record(suite_record(source.suite)) or {}
        if suite.get("datasets"):
            return list(suite["datasets"])
    found = [dataset_of(member, store, session) for member in members]
    return list(dict.fromkeys(dataset for dataset in found if dataset is not None))


def _shapes(datasets: list[int], session: Session) -> dict[str, Any]:
    try:
        return session.ask("shapes", ids=datasets)
    except RefusedError:
        return {}  # none of them is listed


def _typed(shape: dict[str, Any] | None) -> dict[str, Any]:
    if shape is None:
        return {}
    numbers = {key: shape.get(key) for key in ("version", "rows", "columns", "classes")}
    return {
        "name": str(shape.get("name") or ""),
        **{key: None if value is None else int(value) for key, value in numbers.items()},
    }
