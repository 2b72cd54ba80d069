"""Asks OpenML for what suites, tasks and datasets are, and keeps the answers, refusals too.

With ``again``, what OpenML may answer otherwise by now is asked for again: suites and refusals.
What is known is replaced by an answer alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autometa.errors import RunError, UserError
from autometa.tables.openml._members import Member, members_of, suite_record
from autometa.tables.openml._session import RefusedError, Session, UnansweredError

if TYPE_CHECKING:
    from autometa.config import OpenmlSource


def suite_members(source: OpenmlSource, session: Session, *, again: bool = False) -> list[Member]:
    """Returns the members of a source, asking for its suite where that is not known.

    Raises:
        UserError: OpenML has no such suite, or it has no tasks.
        RunError: the server does not answer, or the cache cannot be written.
    """
    store = session.store
    known = members_of(source, store)
    if known is not None and not (again and source.suite is not None):
        return known
    assert source.suite is not None
    try:
        answer = session.ask("suite", id=source.suite)
    except RefusedError as error:
        raise UserError(
            f"a suite must exist on OpenML, but {source} cannot be used ({error}): correct its id"
        ) from error
    except UnansweredError as error:
        if known is not None:
            raise RunError(
                f"OpenML's {source} cannot be asked for again ({error}): try later, or leave "
                "--refresh out to use what the cache has"
            ) from error
        raise RunError(
            f"OpenML's {source} is not in the cache {str(store.cache)!r} and the server does not "
            f"give it ({error}); once it does, get its tables with: {source.fetch_command()}"
        ) from error
    if not answer["tasks"]:
        raise UserError(f"a suite must list tasks, but OpenML's {source} has none: correct its id")
    store.keep_record(suite_record(source.suite), answer)
    return members_of(source, store) or []


def dataset_of(member: Member, session: Session, *, again: bool = False) -> int | None:
    """Returns the id of a member's dataset, asking for its task first; None where it is refused.

    Raises:
        UnansweredError: there was no whole answer.
        RunError: the cache cannot be written.
    """
    if member.kind == "dataset":
        return member.id
    task = _known(member.record, "task", member.id, session, again=again)
    return None if "refusal" in task else int(task["dataset"])


def dataset_facts(dataset: int, session: Session, *, again: bool = False) -> dict[str, Any]:
    """Returns a dataset's facts, or its refusal, asking for them first.

    Raises:
        UnansweredError: there was no whole answer.
        RunError: the cache cannot be written.
    """
    return _known(f"dataset-{dataset}", "dataset", dataset, session, again=again)


def _known(record: str, what: str, key: int, session: Session, *, again: bool) -> dict[str, Any]:
    known = session.store.record(record)
    if known is None or (again and "refusal" in known):
        try:
            known = session.ask(what, id=key)
        except RefusedError as error:
            known = {"refusal": str(error)}
        session.store.keep_record(record, known)
    return known
