"""Where a storage lies: the URL forms, the default, and URLs that are safe to show.

Three forms are understood: ``journal:PATH`` (or a bare path that ends in ``.journal``),
``sqlite:///PATH`` and ``postgresql://USER@HOST:PORT/DATABASE``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from autometa.errors import UserError
from autometa.storages._postgres_url import SCHEMES, PostgresAddress, parse_postgres_url

DEFAULT_STORAGE_URL = "journal:results/runs/studies.journal"
STORAGE_VARIABLE = "AUTOMETA_STORAGE"

_ACCEPTED = "write journal:PATH, sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE"
# Two letters at least, for C: is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]+)(?:\+[A-Za-z0-9.-]+)?:")
# Greedy up to the last @, so that a password with an unescaped / or @ is hidden as a whole.
_PASSWORD_IN_AUTHORITY = re.compile(r"((?:://|^\w[\w.+-]+:)[^:@/?#]*:).*@", re.DOTALL)
_SECRET_IN_QUERY = re.compile(
    r"((?:^|[?&;\s])[^=&;\s]*(?:password|passwd|pwd|secret|token)[^=&;\s]*=)[^&;\s]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class FileAddress:
    """A parsed storage URL that names a file.

    Attributes:
        kind: ``journal`` or ``sqlite``.
        path: absolute path of the file.
    """

    kind: Literal["journal", "sqlite"]
    path: Path

    @property
    def url(self) -> str:
        """The URL with the absolute path; it means the same in every working directory."""
        return f"journal:{self.path}" if self.kind == "journal" else f"sqlite:///{self.path}"


StorageAddress: TypeAlias = FileAddress | PostgresAddress


def default_storage_url() -> str:
    """Returns ``$AUTOMETA_STORAGE`` when it is set, else the journal below ``results/runs``.

    >>> default_storage_url()
    'journal:results/runs/studies.journal'
    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, AUTOMETA_STORAGE="sqlite:///studies.db"):
    ...     default_storage_url()
    'sqlite:///studies.db'
    """
    return os.environ.get(STORAGE_VARIABLE, "").strip() or DEFAULT_STORAGE_URL


def mask_url(url: str) -> str:
    """Returns the URL with every password replaced by ``***``; the only form fit to be shown.

    Works for every scheme, also for those that :func:`open_storage` refuses, because a refusal
    shows the URL too.

    >>> mask_url("postgresql://ann:hush@db.example/studies")
    'postgresql://ann:***@db.example/studies'
    >>> mask_url("journal:studies.journal")
    'journal:studies.journal'
    """
    return _SECRET_IN_QUERY.sub(r"\1***", _PASSWORD_IN_AUTHORITY.sub(r"\1***@", url))


def absolute_url(url: str) -> str:
    """Returns the same storage with an absolute path, for a process with another directory.

    A password in the URL is kept: hand the result on in an environment, and show, store and pickle
    it nowhere.

    Raises:
        UserError: the URL has no form that this version supports.

    >>> absolute_url("mine.journal") == f"journal:{Path.cwd() / 'mine.journal'}"
    True
    """
    return parse_url(url).url


def url_without_password(url: str) -> str:
    """Returns a URL as it was given, but for a password: for a command that a user may type.

    Raises:
        UserError: the URL has no form that this version supports.

    >>> url_without_password("postgresql://ann:hush@db.example/studies")
    'postgresql://ann@db.example/studies'
    """
    address = parse_url(url)
    return address.place if isinstance(address, PostgresAddress) else url


def parse_url(url: str) -> StorageAddress:
    """Returns what a storage URL means; touches no file.

    Raises:
        UserError: the URL is empty, of an unsupported kind, or misses its path.
    """
    text = url.strip()
    scheme = _SCHEME.match(text)
    kind = scheme.group(1).lower() if scheme is not None else ""
    if kind == "journal":
        path = text.partition(":")[2]
        if path.startswith("//") and not path.startswith("///"):
            raise _refusal("a journal is a path, not a server", url)
        return FileAddress("journal", _absolute(path, url))
    if text.partition("://")[0].lower() in SCHEMES and "://" in text:
        try:
            return parse_postgres_url(text)
        except ValueError as error:
            raise _refusal(str(error), url) from None
    if text.lower().startswith("sqlite:///"):
        path = text[len("sqlite:///") :]
        if path.startswith(":memory:") or path.startswith("file:"):
            raise _refusal("a storage must be a file, so that it outlives the process", url)
        place = _absolute(path, url)
        if "?" in str(place) or "%" in str(place):
            # Read as a query and, by some versions of SQLAlchemy, as an escape.
            raise _refusal("a SQLite path cannot contain ? or %", url)
        return FileAddress("sqlite", place)
    if kind == "sqlite":
        raise _refusal("a SQLite URL starts with exactly sqlite:///", url)
    if kind in SCHEMES:
        raise _refusal("a PostgreSQL URL starts with postgresql://", url)
    if kind:
        raise _refusal(f"{kind} storages are not supported in this version", url)
    if text.endswith(".journal"):
        return FileAddress("journal", _absolute(text, url))
    raise _refusal("a storage is given by a URL or by a path that ends in .journal", url)


def _absolute(path: str, url: str) -> Path:
    if not path.strip("/ ") or "\0" in path or path.endswith("/"):
        raise _refusal("a storage URL must name a file", url)
    # Lexical only: resolving links would change which folder the lock files stand in.
    return Path(os.path.abspath(Path(path).expanduser()))


def _refusal(rule: str, url: str) -> UserError:
    return UserError(f"{rule}, but got {mask_url(url)!r}; {_ACCEPTED}.")
