"""What of a source the cache lacks, and whether the source may do without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autometa.errors import RunError, UserError
from autometa.tables.openml._members import Member, Refusal, listing_of, members_of
from autometa.tables.openml._store import Store

if TYPE_CHECKING:
    from autometa.config import OpenmlSource


def gaps(members: list[Member], store: Store) -> tuple[dict[str, str], dict[str, str]]:
    """Returns which members OpenML refused, and which are not in the cache, with reasons."""
    refused: dict[str, str] = {}
    missing: dict[str, str] = {}
    for member in members:
        listing = listing_of(member, store)
        if isinstance(listing, Refusal):
            refused[str(member)] = listing.reason
        elif listing is None or store.table_sha256(listing.dataset) is None:
            missing[str(member)] = "not fetched"
    return refused, missing


def check_complete(
    source: OpenmlSource, store: Store, *, refused: dict[str, str], missing: dict[str, str]
) -> None:
    """Checks that a source has what it must have.

    Named members must all be there. Of a suite, members that OpenML does not have are left out;
    others must be there. Where the source sets ``min_tables``, that many are enough.

    Args:
        source: the source.
        store: the cache.
        refused: members that OpenML does not have for us, and why.
        missing: members that are not in the cache, and why.

    Raises:
        UserError: a named member is refused.
        RunError: something is missing that a later fetch may bring.
    """
    if source.min_tables is not None:
        return  # counted when the tables are read: others may turn out to be unusable
    if refused and source.suite is None:
        name, reason = next(iter(refused.items()))
        raise UserError(
            f"every table that is named must exist on OpenML, but {name} cannot be used "
            f"({reason}): leave it out"
        )
    if missing:
        name, reason = next(iter(missing.items()))
        raise RunError(
            f"{len(missing)} of the tables of OpenML's {source} are not in the cache "
            f"{str(store.cache)!r} ({name}: {reason}); get them with: {source.fetch_command()}"
        )


def settled(source: OpenmlSource, store: Store) -> OpenmlSource:
    """Returns a source whose ``without`` names the members that it does without by now.

    One that lacks what it must have is returned as it is: reading its tables tells what and why.
    """
    members = members_of(source, store) or []
    refused, missing = gaps(members, store)
    absent = [member.id for member in members if str(member) in refused.keys() | missing.keys()]
    is_enough = len(members) - len(absent) >= (source.min_tables or 1)
    must_be_there = bool(missing) or source.suite is None
    if not absent or not is_enough or (source.min_tables is None and must_be_there):
        return source
    return source.model_copy(update={"without": (*(source.without or ()), *absent)})
