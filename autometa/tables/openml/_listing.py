"""What a source of OpenML holds, without downloading its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autometa.errors import RunError
from autometa.tables.openml._facts import dataset_of, suite_members
from autometa.tables.openml._failures import DENIED
from autometa.tables.openml._members import (
    Listing,
    Member,
    Refusal,
    listing_of,
    members_of,
    suite_record,
)
from autometa.tables.openml._session import RefusedError, Session, UnansweredError
from autometa.tables.openml._store import Store

if TYPE_CHECKING:
    from autometa.config import OpenmlSource

_SHAPES_AT_ONCE = 100


@dataclass(frozen=True)
class ListedTable:
    """A dataset of a source, as OpenML announces it.

    Attributes:
        dataset: its id; None for a task that OpenML does not have for us.
        name: its name; that of the task where there is no dataset, empty where it is not known.
        version: its version.
        rows: its rows; None where that is not known.
        columns: its columns, the target included.
        classes: its classes; none for a number as target.
        bytes: of its table in the cache; 0 where it is not there.
        note: why it cannot be used; empty where nothing is known against it.
    """

    dataset: int | None
    name: str = ""
    version: int | None = None
    rows: int | None = None
    columns: int | None = None
    classes: int | None = None
    bytes: int = 0
    note: str = ""


def list_openml(source: OpenmlSource, session: Session) -> list[ListedTable]:
    """Returns the datasets of a source with their announced shapes.

    The members of a suite, and the datasets of tasks, are kept in the store; shapes are asked for.

    Args:
        source: a suite, tasks or datasets.
        session: asks OpenML, and knows the store.

    Raises:
        UserError: OpenML has no such suite.
        RunError: the server does not answer.
    """
    members = suite_members(source, session)
    store = session.store
    try:
        datasets, notes = _datasets(source, members, session)
        shapes: dict[str, Any] = {}
        for start in range(0, len(datasets), _SHAPES_AT_ONCE):
            shapes |= _shapes(datasets[start : start + _SHAPES_AT_ONCE], session)
    except UnansweredError as error:
        raise RunError(
            f"OpenML must answer to list its {source}, but {session.settings.server} does not "
            f"({error}): try again later, or list what the cache knows with --offline"
        ) from error
    return notes + [
        ListedTable(
            dataset=dataset,
            bytes=store.table_bytes(dataset),
            **_typed(shapes.get(str(dataset))),
        )
        for dataset in datasets
    ]


def list_cached(source: OpenmlSource, store: Store) -> list[ListedTable]:
    """Returns the datasets of a source as far as the cache knows them, without asking.

    Raises:
        RunError: the suite is not in the cache.
    """
    members = members_of(source, store)
    if members is None:
        raise RunError(
            f"OpenML's {source} is not in the cache {str(store.cache)!r}; get its tables with: "
            f"{source.fetch_command()}"
        )
    rows = []
    for member in members:
        listing = listing_of(member, store)
        if isinstance(listing, Listing):
            shape = store.table_shape(listing.dataset)
            rows.append(
                ListedTable(
                    dataset=listing.dataset,
                    name=listing.name,
                    version=listing.version,
                    rows=shape[0] if shape else None,
                    columns=shape[1] if shape else None,
                    bytes=store.table_bytes(listing.dataset),
                )
            )
        else:
            note = "not fetched" if listing is None else listing.reason
            rows.append(ListedTable(None, str(member), note=note))
    return rows


def _datasets(
    source: OpenmlSource, members: list[Member], session: Session
) -> tuple[list[int], list[ListedTable]]:
    """Returns the datasets to list, and a row for each member that OpenML does not give."""
    refused = {
        member: listing.reason
        for member in members
        if isinstance(listing := listing_of(member, session.store), Refusal)
    }
    # A suite lists its datasets, but not which is whose.
    suite = session.store.record(suite_record(source.suite)) if source.suite is not None else None
    if suite is not None and suite.get("datasets") and not source.without and not refused:
        return list(suite["datasets"]), []
    datasets: list[int] = []
    for member in members:
        if member in refused:
            continue
        try:
            dataset = dataset_of(member, session)
        except UnansweredError as error:
            if error.kind != DENIED:
                raise
            refused[member] = str(error)
            continue
        listing = listing_of(member, session.store)
        if dataset is not None:
            datasets.append(dataset)
        elif isinstance(listing, Refusal):
            refused[member] = listing.reason
    notes = [ListedTable(None, str(member), note=reason) for member, reason in refused.items()]
    return list(dict.fromkeys(datasets)), notes


def _shapes(datasets: list[int], session: Session) -> dict[str, Any]:
    try:
        return session.ask("shapes", ids=datasets)
    except RefusedError:
        return {}  # none of them is listed


def _typed(shape: dict[str, Any] | None) -> dict[str, Any]:
    if shape is None:
        return {"note": "OpenML does not list it"}
    numbers = {key: shape.get(key) for key in ("version", "rows", "columns", "classes")}
    return {
        "name": str(shape.get("name") or ""),
        **{key: None if value is None else int(value) for key, value in numbers.items()},
    }
