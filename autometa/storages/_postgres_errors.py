"""What errors of a PostgreSQL server mean: outages that pass, and sentences for those that do not.

The driver has no error code for a connection that was not made, so that its text decides; a text
that is not known here, such as a translated one, is taken for an outage and shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import StorageInternalError

from autometa.errors import RunError
from autometa.storages._postgres_url import PASSWORD_FILE_VARIABLE, PostgresAddress
from autometa.storages._rdb_schema import wrong_schema

_AGAIN = "then start the command again to resume"
_PASSWORD = (
    f"the server refuses the password; give the right one by ${PASSWORD_FILE_VARIABLE}, "
    "$PGPASSWORD or $PGPASSFILE"
)
_ROLE = "the server does not let this user in; correct the name, or have pg_hba.conf allow it"
_DATABASE = "there is no such database; correct its name, or create it with createdb"
_RIGHTS = "the user lacks rights; have the database's owner grant CREATE and USAGE on its schema"
_FULL = f"the server's disk is full; free space, {_AGAIN}"
_LOCKED = (
    "another process has held its lock for too long; look for a stopped autometa process on every "
    "machine, and end it"
)

# The server's words about a connection -> what they mean.
_REFUSALS = (
    ("password authentication failed", _PASSWORD),
    ("no password supplied", _PASSWORD),
    ("authentication failed", _ROLE),
    ("no pg_hba.conf entry", _ROLE),
    ("role ", _ROLE),
    ("permission denied for database", _ROLE),
    ("database ", _DATABASE),
)
_REFUSAL_ENDS = ("does not exist", "is not permitted to log in")

# SQLSTATE or its class -> what it means.
_STATES = {
    "28": _ROLE,
    "28P01": _PASSWORD,
    "3D000": _DATABASE,
    "42501": _RIGHTS,
    "3F000": _RIGHTS,
    "55P03": _LOCKED,
    "53100": _FULL,
    "25006": "it is read-only, such as a standby; name the primary server",
    "42P01": "its tables are missing or another program's; restore them or choose another database",
    "42703": "its tables are another program's; choose another database",
}

# Connection lost or refused; shutting down, crashed, starting up; too many connections.
_OUTAGES = ("08", "57P01", "57P02", "57P03", "53300")


def is_outage(error: BaseException) -> bool:
    """Returns whether the server is gone, restarting or full up, so that waiting may help."""
    import psycopg

    for cause in _causes(error):
        if isinstance(cause, psycopg.Error):
            if cause.sqlstate is None:
                return isinstance(cause, psycopg.OperationalError) and _refusal(cause) is None
            return cause.sqlstate.startswith(_OUTAGES)
    return False


@contextmanager
def postgres_errors(address: PostgresAddress) -> Iterator[None]:
    """Turns the errors of driver, SQLAlchemy and Optuna into one sentence with the true cause.

    Raises:
        RunError: the storage failed.
    """
    import psycopg
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except CommandError as error:
        raise wrong_schema(address.place, address.place, error) from None
    except (StorageInternalError, SQLAlchemyError, psycopg.Error) as error:
        raise RunError(f"the storage {address.place} failed: {_meaning(error)}.") from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, its own driver's errors included, the latest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        # SQLAlchemy refuses further statements on a connection that broke in its `except` block.
        error = error.__cause__ or error.__context__


def _meaning(error: BaseException) -> str:
    """What happened, in words that say what to do."""
    import psycopg

    causes = list(_causes(error))
    cause = next((cause for cause in causes if isinstance(cause, psycopg.Error)), causes[-1])
    state = getattr(cause, "sqlstate", None) or ""
    known = _STATES.get(state) or _STATES.get(state[:2]) or (None if state else _refusal(cause))
    if known is not None:
        return known
    reason = _reason(cause)
    if is_outage(error):
        return f"the server does not answer ({reason}); start it or correct the URL, {_AGAIN}"
    return f"{reason}; look into the server's log, {_AGAIN}"


def _refusal(error: BaseException) -> str | None:
    """Why the server did not accept a connection for good; None where it may do so later."""
    text = _reason(error)
    for words, meaning in _REFUSALS:
        if words in text and (not words.endswith(" ") or text.endswith(_REFUSAL_ENDS)):
            return meaning
    return None


def _reason(error: BaseException) -> str:
    """The first line of an error's text, without the address, which the sentence names."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0].strip()
    for mark in ("FATAL:", "ERROR:", " failed: "):
        line = line.rpartition(mark)[2].strip()
    return line.rstrip(".")
