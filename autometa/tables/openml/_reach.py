"""Whether OpenML answers, by one small request that is not tried again."""

from __future__ import annotations

import dataclasses

from autometa.errors import AutometaError
from autometa.tables.openml._failures import DENIED
from autometa.tables.openml._session import RefusedError, Session, UnansweredError
from autometa.tables.openml._settings import Settings
from autometa.tables.openml._store import Store

_TASK = 31
"""A task of OpenML that has been there since its first years; nothing of it is kept."""


def unreachable(*, seconds: float = 3.0) -> str:
    """Returns why OpenML does not answer, empty where it does.

    Args:
        seconds: deadline of the request; starting the client is not part of it.
    """
    try:
        settings = dataclasses.replace(Settings.from_environment(), seconds=seconds, waits=())
        with Session(settings, Store(settings.server)) as session:
            session.ask("task", id=_TASK)
    except RefusedError:
        return ""  # that it has no such task is an answer
    except UnansweredError as error:
        return "" if error.kind == DENIED else str(error)
    except AutometaError as error:
        return str(error)
    return ""
