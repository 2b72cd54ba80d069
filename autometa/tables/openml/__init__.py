"""Tables of OpenML: fetched ahead through its own client, then read from the cache alone."""

from autometa.tables.openml._fetch import FetchProgress, FetchReport, OnProgress, fetch
from autometa.tables.openml._gaps import settled
from autometa.tables.openml._listing import ListedTable, list_cached, list_openml
from autometa.tables.openml._load import load_openml
from autometa.tables.openml._reach import unreachable
from autometa.tables.openml._session import Session
from autometa.tables.openml._settings import Settings
from autometa.tables.openml._store import Store

__all__ = [
    "FetchProgress",
    "FetchReport",
    "ListedTable",
    "OnProgress",
    "Session",
    "Settings",
    "Store",
    "fetch",
    "list_cached",
    "list_openml",
    "load_openml",
    "settled",
    "unreachable",
]
