"""Downloads what a source needs into the store: in pieces, resumable, by several processes at once.

A member's lock is held while it is fetched. Members that another process holds are left for later,
so that processes with the same list share the work, and each table is downloaded once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from autometa.tables.openml._facts import dataset_facts, dataset_of, suite_members
from autometa.tables.openml._failures import NETWORK, PASSING
from autometa.tables.openml._gaps import check_complete
from autometa.tables.openml._members import Listing, Member, Refusal, listing_of
from autometa.tables.openml._session import RefusedError, Session, UnansweredError
from autometa.tables.openml._store import Store

if TYPE_CHECKING:
    from autometa.config import OpenmlSource

_POLL_SECONDS = 0.1
_TELL_SECONDS = 15.0
_MOST_SILENT_IN_A_ROW = 2
_MOST_FAILED_IN_A_ROW = 5


@dataclass(frozen=True)
class FetchProgress:
    """Something that a display may show while tables are fetched.

    Attributes:
        source: which source, in words.
        done: members that need nothing more.
        total: members of the source.
        message: what happened; empty where nothing new happened.
    """

    source: str
    done: int
    total: int
    message: str = ""


OnProgress: TypeAlias = Callable[[FetchProgress], object]


@dataclass
class FetchReport:
    """What became of the members of a source.

    Attributes:
        source: the source in words, such as ``suite 99``.
        total: its members.
        downloaded: tables that were downloaded now.
        refused: members that OpenML does not have for us, and why.
        failed: members that could not be downloaded, and why.
        bytes: of its tables in the cache.
    """

    source: str
    total: int = 0
    downloaded: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    bytes: int = 0


def fetch(
    source: OpenmlSource,
    session: Session,
    *,
    again: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> FetchReport:
    """Downloads the facts and tables of a source that the store does not have whole.

    Args:
        source: a suite, tasks or datasets.
        session: asks OpenML, and knows the store.
        again: whether to ask again for the suite, and for what was refused.
        on_progress: called after each member, and with what holds it up.

    Raises:
        UserError: OpenML has no such suite, or does not have a member that was named.
        RunError: the server does not answer and too much is missing, or the cache cannot be
            written. What was fetched stays.
    """
    report = FetchReport(str(source))
    run = _Fetch(session, report, on_progress, again=again)
    members = suite_members(source, session, again=again)
    report.total = len(members)
    run.all(members)
    report.bytes = _bytes_of(members, session.store)
    check_complete(source, session.store, refused=report.refused, missing=report.failed)
    return report


class _Fetch:
    """The pass over the members of a source, and what it has come to."""

    def __init__(
        self, session: Session, report: FetchReport, on_progress: OnProgress, *, again: bool
    ) -> None:
        self._session = session
        self._store = session.store
        self._report = report
        self._on_progress = on_progress
        self._again = again
        self._asked: set[Member] = set()
        self._done = 0
        self._failures: list[str] = []
        self._told_at = time.monotonic()
        session.on_note = self._progress

    def all(self, members: list[Member]) -> None:
        """Fetches what is missing; what others fetch is waited for."""
        self._progress()
        pending, is_first = members, True
        while pending:
            held: list[Member] = []
            for index, member in enumerate(pending):
                self._session.on_wait()
                if self._is_complete(member):
                    self._finish(
                        member, "" if is_first else f"{member}: fetched by another command"
                    )
                    continue
                with self._store.locked(member.record) as is_mine:
                    is_done = is_mine and self._try(member)
                if not is_done:
                    held.append(member)
                if self._is_hopeless():
                    self._give_up([*held, *pending[index + 1 :]])
                    return
            if len(held) == len(pending):
                self._wait_for_others(held)
            pending, is_first = held, False

    def _wait_for_others(self, held: list[Member]) -> None:
        if time.monotonic() - self._told_at > _TELL_SECONDS:
            self._told_at = time.monotonic()
            self._progress(f"{held[0]}: another command is fetching it")
        time.sleep(_POLL_SECONDS)

    def _is_complete(self, member: Member) -> bool:
        listing = listing_of(member, self._store)
        if isinstance(listing, Listing):
            return self._store.table_sha256(listing.dataset) is not None
        return isinstance(listing, Refusal) and (not self._again or member in self._asked)

    def _is_hopeless(self) -> bool:
        silent = self._failures[-_MOST_SILENT_IN_A_ROW:]
        return silent == [NETWORK] * _MOST_SILENT_IN_A_ROW or (
            len(self._failures) >= _MOST_FAILED_IN_A_ROW
        )

    def _give_up(self, left: list[Member]) -> None:
        reason = "not asked for, because the server had failed"
        missing = [member for member in left if not self._is_complete(member)]
        self._report.failed |= {str(member): reason for member in missing}

    def _try(self, member: Member) -> bool:
        """Fetches a member; returns False where another process fetches its table."""
        self._asked.add(member)
        try:
            if not self._fetch(member):
                return False
        except UnansweredError as error:
            # What is wrong with one table says nothing about the server.
            self._failures = (
                [*self._failures, error.kind] if error.kind in (NETWORK, PASSING) else []
            )
            self._report.failed[str(member)] = str(error)
            self._progress(f"{member} failed: {error}")
            return True
        self._failures = []
        return True

    def _fetch(self, member: Member) -> bool:
        # Another process may have been faster.
        dataset = dataset_of(member, self._session, again=self._again)
        if dataset is None:
            self._finish(member)
            return True
        with self._store.locked(f"table-{dataset}") as is_mine:
            if not is_mine:
                return False
            facts = dataset_facts(dataset, self._session, again=self._again)
            message = self._fetch_table(dataset, facts)
        self._finish(member, message)
        return True

    def _fetch_table(self, dataset: int, facts: dict[str, Any]) -> str:
        if "refusal" in facts or self._store.table_sha256(dataset) is not None:
            return ""
        draft = self._session.private_folder() / f"{dataset}.parquet"
        try:
            answer = self._session.ask("table", id=dataset, path=str(draft))
        except RefusedError as error:
            self._store.keep_record(f"dataset-{dataset}", {"refusal": str(error)})
            return ""
        self._store.keep_table(dataset, draft)
        self._report.downloaded += 1
        return f"{facts['name']}: {answer['rows']} rows, {answer['columns']} columns"

    def _finish(self, member: Member, message: str = "") -> None:
        listing = listing_of(member, self._store)
        self._done += 1
        if isinstance(listing, Refusal):
            self._report.refused[str(member)] = listing.reason
            message = f"{member} is left out: {listing.reason}"
        self._progress(message)

    def _progress(self, message: str = "") -> None:
        self._on_progress(
            FetchProgress(self._report.source, self._done, self._report.total, message)
        )


def _bytes_of(members: list[Member], store: Store) -> int:
    listings = [listing_of(member, store) for member in members]
    datasets = {listing.dataset for listing in listings if isinstance(listing, Listing)}
    return sum(store.table_bytes(dataset) for dataset in datasets)
