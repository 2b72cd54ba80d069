"""PostgreSQL storages: one database that workers of several machines share.

The server may be restarted under a study. Every call of the storage is one transaction and is
repeated when the connection was lost, see :class:`Patience`. Where the server had committed
before, a repeated call writes the same once more; only a new trial could come twice, and one that
nobody works on is found by its age.

Locks belong to a server session, so that they end with their process and hold between machines. A
proxy between autometa and the server must keep sessions (in PgBouncer: ``pool_mode = session``).
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, cast

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from autometa.errors import RunError, UserError
from autometa.storages._patience import Patience
from autometa.storages._postgres_connector import Connector
from autometa.storages._postgres_errors import is_outage, postgres_errors
from autometa.storages._postgres_url import PostgresAddress
from autometa.storages._rdb_schema import wrong_schema

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.engine import Engine

_POOL_SIZE = 2
_MOST_CONNECTIONS = 8  # threads of one process, each with a session and perhaps a lock

_TABLES = "select tablename from pg_tables where schemaname = current_schema()"

# What Optuna and its cache call on an RDBStorage, but for `set_trial_state_values`.
_CALLS = (
    "_create_new_trial",
    "_get_best_trial_id",
    "_get_trials",
    "_set_trial_param",
    "create_new_study",
    "create_new_trial",
    "delete_study",
    "get_all_studies",
    "get_all_trials",
    "get_best_trial",
    "get_study_directions",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_system_attrs",
    "get_study_user_attrs",
    "get_trial",
    "get_trial_id_from_study_id_trial_number",
    "get_trial_param",
    "get_trial_system_attrs",
    "get_trial_user_attrs",
    "set_study_system_attr",
    "set_study_user_attr",
    "set_trial_intermediate_value",
    "set_trial_param",
    "set_trial_system_attr",
    "set_trial_user_attr",
)


class PostgresStorage(RDBStorage):
    """Optuna's storage with outages survived, and its password neither in a URL nor in a pickle.

    Optuna's heartbeat stays off, as it works inside ``Study.optimize`` only.

    Attributes:
        address: the database.
        patience: what repeats calls during an outage.
    """

    def __init__(self, address: PostgresAddress, *, stop: threading.Event | None = None) -> None:
        self.address = address
        self.patience = Patience(address.place, is_outage=is_outage, stop=stop)
        self._here = threading.local()
        rest = address.place.partition("://")[2]
        try:
            super().__init__(
                # RDBStorage puts the URL through str.format.
                f"postgresql+psycopg://{rest}".replace("{", "{{").replace("}", "}}"),
                engine_kwargs={
                    "creator": Connector(address),
                    "pool_pre_ping": True,
                    "pool_size": _POOL_SIZE,
                    "max_overflow": _MOST_CONNECTIONS - _POOL_SIZE,
                },
            )
        except BaseException:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise
        weakref.finalize(self, _dispose, self.engine, os.getpid())

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        del state["patience"], state["_here"]
        return state | {"address": self.address.without_password()}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        address = cast(PostgresAddress, state["address"])
        self.patience = Patience(address.place, is_outage=is_outage)
        self._here = threading.local()
        super().__setstate__(state)
        weakref.finalize(self, _dispose, self.engine, os.getpid())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the storage's lock between processes of all machines; not reentrant.

        The server keeps it for a session of its own, so that it is gone as soon as its process
        is. An outage loses it: inside, calls are not repeated, nothing new is written after it,
        and the whole step has to begin anew.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: another process holds the lock for too long, or the
                server is gone; ``storage_errors`` turns it into a RunError.
        """
        from sqlalchemy.exc import SQLAlchemyError

        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            key = _lock_key(session.connection)
            session.exec_driver_sql("select pg_advisory_lock(%s)", (key,))
            was_suspended = self.patience.is_suspended
            self.patience.is_suspended = True
            self._here.lock_session = session
            try:
                yield
            finally:
                self._here.lock_session = None
                self.patience.is_suspended = was_suspended
                try:
                    session.exec_driver_sql("select pg_advisory_unlock(%s)", (key,))
                except SQLAlchemyError:
                    # The session is gone, and the lock with it: what was done in here is done.
                    session.invalidate()

    def require_lock(self) -> None:
        """Checks that this thread's lock, if it has taken it, was not lost in an outage.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it was.
        """
        session = getattr(self._here, "lock_session", None)
        if session is not None:
            session.exec_driver_sql("select 1")

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Sets state and values of a trial, repeatedly during an outage.

        Raises:
            UpdateFinishedTrialError: somebody else has finished the trial.
        """
        tell = partial(super().set_trial_state_values, trial_id, state, values)

        def told(attempt: int) -> bool:
            self.require_lock()
            try:
                return tell()
            except UpdateFinishedTrialError:
                # The server had committed before the connection was lost.
                trial = self.get_trial(trial_id)
                given = None if values is None else list(values)
                if attempt > 0 and (trial.state, trial.values) == (state, given):
                    return True
                raise

        return self.patience.repeat(told)


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method of the storage that survives outages."""
    creates = method.__name__.lstrip("_").startswith("create_")

    @wraps(method)
    def call(self: PostgresStorage, *arguments: Any, **options: Any) -> Any:
        if creates:
            self.require_lock()
        return self.patience.repeat(lambda _attempt: method(self, *arguments, **options))

    return call


for _name in _CALLS:
    setattr(PostgresStorage, _name, _patient(getattr(RDBStorage, _name)))


def open_postgres(
    address: PostgresAddress,
    *,
    create: bool = True,
    stop: threading.Event | None = None,
    is_known: bool = False,
) -> PostgresStorage:
    """Returns the storage in a database, its tables made where they are missing.

    They are made under a lock: without it, of several processes on an empty database only one
    starts (https://github.com/optuna/optuna/issues/4621). An outage is waited for only where the
    address is known to be right, so that a wrong host is noticed at once.

    Args:
        address: the database.
        create: makes the tables when there are none.
        stop: set to end the waiting during outages.
        is_known: waits for a server that does not answer.

    Raises:
        UserError: the driver is not installed, or there are no tables and ``create`` is false.
        RunError: the server is gone or refuses, or the tables are another program's or of another
            version.
    """
    try:
        import psycopg  # noqa: F401 - whether it is there
    except ImportError:
        raise UserError(
            f"the storage {address.place} needs a driver that is not installed; install "
            "autometa[postgres]."
        ) from None
    open_once = partial(_open_once, address, create=create, stop=stop)
    with postgres_errors(address):
        if not is_known:
            return open_once()
        patience = Patience(address.place, is_outage=is_outage, stop=stop)
        return patience.repeat(lambda _attempt: open_once())


def _open_once(
    address: PostgresAddress, *, create: bool, stop: threading.Event | None
) -> PostgresStorage:
    with closing(Connector(address)()) as connection:
        connection.autocommit = True
        # The lock ends with the connection.
        connection.execute("select pg_advisory_lock(%s)", (_lock_key(connection),))
        _check_contents(connection, address, create=create)
        try:
            return PostgresStorage(address, stop=stop)
        except RuntimeError as error:
            if isinstance(error, RunError):
                raise
            raise wrong_schema(address.place, address.place, error) from None


def _lock_key(connection: Any) -> int:
    """A number for the storage that is the same on every machine.

    Locks are the database's already; several storages may lie in schemas of one database.
    """
    with closing(connection.cursor()) as cursor:
        cursor.execute("select current_schema()")
        (schema,) = cursor.fetchone()
    digest = hashlib.sha256(f"autometa storage {schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _check_contents(
    connection: psycopg.Connection, address: PostgresAddress, *, create: bool
) -> None:
    """Refuses databases that Optuna would fail on, or would add its tables to."""
    tables = {name for (name,) in connection.execute(_TABLES)}
    if tables and "studies" not in tables:
        raise RunError(
            f"{address.place} is a database of another program; make one of its own with createdb, "
            "nothing was changed in this one."
        )
    if not tables and not create:
        raise UserError(
            f"there is no storage at {address.place}; name the one that the study was started "
            "with by --storage or $AUTOMETA_STORAGE."
        )


def _dispose(engine: Engine, pid: int) -> None:
    # A forked process would end its parent's sessions.
    if os.getpid() == pid:
        engine.dispose()
