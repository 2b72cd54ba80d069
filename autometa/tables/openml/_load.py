"""Tables of OpenML from the store, without the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from autometa.errors import RunError, UserError
from autometa.tables._contents import make_table
from autometa.tables._records import Skipped, StoredTable, Table
from autometa.tables.openml._gaps import check_complete, gaps
from autometa.tables.openml._members import (
    Listing,
    Member,
    family_of,
    listing_of,
    members_of,
)
from autometa.tables.openml._store import Store

if TYPE_CHECKING:
    import pandas as pd

    from autometa.config import OpenmlSource
    from autometa.tables._records import ScaledTable

SOURCE = "openml"
_CONTENTS_VERSION = 1
"""Raise it with any change of how a table is made of a file."""


def load_openml(
    source: OpenmlSource, store: Store, scaled: Callable[[StoredTable], ScaledTable]
) -> tuple[list[ScaledTable], list[Skipped]]:
    """Returns the tables of a source, and those that are left out.

    Args:
        source: a suite, tasks or datasets.
        store: the cache that they were fetched into.
        scaled: encodes a table, or finds it encoded.

    Raises:
        UserError: a table that was named cannot be used.
        RunError: the cache lacks a table that is needed, or fewer than ``min_tables`` are usable.
    """
    members = members_of(source, store)
    if members is None:
        raise RunError(
            f"OpenML's {source} is not in the cache {str(store.cache)!r}; get its tables with: "
            f"{source.fetch_command()}"
        )
    refused, missing = gaps(members, store)
    check_complete(source, store, refused=refused, missing=missing)
    tables: list[ScaledTable] = []
    skipped = [Skipped(name, reason) for name, reason in {**refused, **missing}.items()]
    for member in members:
        if str(member) in refused or str(member) in missing:
            continue
        try:
            tables.append(scaled(_stored(member, source, store)))
        except UserError as error:
            if source.suite is None and source.min_tables is None:
                raise
            listing = listing_of(member, store)
            name = listing.name if isinstance(listing, Listing) else str(member)
            skipped.append(Skipped(name, str(error)))
    if source.min_tables is not None and len(tables) < source.min_tables:
        first = f"; {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        remedy = f"get more with: {source.fetch_command()}" if missing else "lower min_tables"
        raise RunError(
            f"OpenML's {source} must give at least {source.min_tables} usable tables (min_tables), "
            f"but gives {len(tables)} of {len(members)}{first}: {remedy}"
        )
    return tables, skipped


def _stored(member: Member, source: OpenmlSource, store: Store) -> StoredTable:
    """Returns a table whose contents are known by their hash; read only where they are not."""
    listing = listing_of(member, store)
    assert isinstance(listing, Listing)
    if listing.is_regression and source.bins is None:
        raise UserError(
            f"a table must have classes, but the target of {listing.name!r} ({member}) is a "
            "number: set bins to cut it into classes"
        )
    read = partial(_read, listing, source.bins, store)
    key = _contents_key(listing, source.bins, store)
    known = store.record(key)
    if known is None:
        table = read()
        known = {"sha256": table.sha256, "name": listing.name}
        store.keep_record(key, known)
    return StoredTable(
        name=listing.name,
        family=family_of(listing.name),
        source=SOURCE,
        sha256=known["sha256"],
        read=read,
    )


def _contents_key(listing: Listing, bins: int | None, store: Store) -> str:
    parts = [_CONTENTS_VERSION, store.table_sha256(listing.dataset), listing.target]
    parts += [bins, listing.is_regression]
    return "contents-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _read(listing: Listing, bins: int | None, store: Store) -> Table:
    if listing.target is None or "," in listing.target:
        named = "none" if listing.target is None else repr(listing.target)
        raise UserError(
            f"a table must have one target, but OpenML names {named} for {listing.name!r}: give a "
            "task instead of the dataset"
        )
    frame = store.frame(listing.dataset)
    if bins is not None and listing.target in frame.columns:
        frame = _binned(frame, listing, bins)
    return make_table(
        listing.name,
        frame,
        target=listing.target,
        source=SOURCE,
        family=family_of(listing.name),
    )


def _binned(frame: pd.DataFrame, listing: Listing, bins: int) -> pd.DataFrame:
    """Returns a frame whose target, where it is a number to be estimated, is cut at quantiles."""
    import pandas as pd

    assert listing.target is not None
    numbers = frame[listing.target]
    is_many = listing.is_regression is None and numbers.nunique() > bins
    if not pd.api.types.is_numeric_dtype(numbers) or not (listing.is_regression or is_many):
        return frame
    cut = pd.qcut(numbers, bins, labels=False, duplicates="drop")
    return frame.assign(**{listing.target: cut})
