"""Asks OpenML for what suites, tasks and datasets are, and keeps the answers, refusals too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autometa.errors import RunError, UserError
from autometa.tables.openml._members import Member, members_of, suite_record
from autometa.tables.openml._session import RefusedError, Session, UnreachableError
from autometa.tables.openml._store import Store

if TYPE_CHECKING:
    from autometa.config import OpenmlSource


def fetch_suite(source: OpenmlSource, store: Store, session: Session) -> list[Member]:
    """Asks for the suite of a source, keeps it, and returns its members.

    Raises:
        UserError: OpenML has no such suite, or it has no tasks.
        RunError: the server cannot be reached, or the cache cannot be written.
    """
    assert source.suite is not None
    try:
        answer = session.ask("suite", id=source.suite)
    except RefusedError as error:
        raise UserError(
            f"a suite must exist on OpenML, but {source} cannot be used ({error}): correct its id"
        ) from error
    except UnreachableError as error:
        raise RunError(
            f"OpenML's {source} is not in the cache {str(store.cache)!r} and the server does not "
            f"give it ({error}); once it does, get its tables with: "
            f"autometa tables fetch {source.word()}"
        ) from error
    if not answer["tasks"]:
        raise UserError(f"a suite must list tasks, but OpenML's {source} has none: correct its id")
    store.keep_record(suite_record(source.suite), answer)
    return members_of(source, store) or []


def dataset_of(member: Member, store: Store, session: Session) -> int | None:
    """Returns the id of a member's dataset, asking for its task first; None where it is refused.

    Raises:
        UnreachableError: there was no whole answer.
        RunError: the cache cannot be written.
    """
    if member.kind == "dataset":
        return member.id
    task = _known(member.record, "task", member.id, store, session)
    return None if "refusal" in task else int(task["dataset"])


def dataset_facts(dataset: int, store: Store, session: Session) -> dict[str, Any]:
    """Returns a dataset's facts, or its refusal, asking for them first.

    Raises:
        UnreachableError: there was no whole answer.
        RunError: the cache cannot be written.
    """
    return _known(f"dataset-{dataset}", "dataset", dataset, store, session)


def _known(record: str, what: str, key: int, store: Store, session: Session) -> dict[str, Any]:
    known = store.record(record)
    if known is None:
        try:
            known = session.ask(what, id=key)
        except RefusedError as error:
            known = {"refusal": str(error)}
        store.keep_record(record, known)
    return known
