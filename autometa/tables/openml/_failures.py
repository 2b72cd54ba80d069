"""What the failures of the ``openml`` client mean, and what to do about them.

The client raises errors of its own, of requests, urllib3, expat and liac-arff, and a bare KeyError
for a page that is well-formed but not OpenML's.
"""

from __future__ import annotations

import errno
import re
from xml.parsers.expat import ExpatError

from autometa.tables.openml._settings import KEY_VARIABLE

LASTING = "lasting"
"""OpenML says that it does not have it, or it is nothing for us: kept, and not asked for again."""

DENIED = "denied"
"""OpenML says no to this request; another key or day may change that. Not tried again at once."""

NETWORK = "network"
"""No answer at all."""

PASSING = "passing"
"""An answer that is an error of the server's, or was cut on its way."""

UNREADABLE = "unreadable"
"""A whole answer that makes no sense to the client."""

DISK = "disk"
"""The cache folder cannot be written."""

# Datasets, tasks and results that do not exist, as OpenML numbers it.
_ABSENT = {111, 151, 372, 482, 500, 512, 542, 601, 674}
_REFUSED_TO_USER = {102, 103, 112}
_DATABASE_DOWN = 107
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_LONGEST = 200


class FinalError(Exception):
    """Something that asking again would not change."""


def explained(error: Exception, key: str) -> tuple[str, str]:  # noqa: PLR0912 (a table of cases)
    """Returns why a request failed, as part of a sentence, and the kind of failure.

    Args:
        error: what the client raised.
        key: the user's key, which the client puts into URLs and so into messages.
    """
    from openml import exceptions

    text = _without_key(str(error), key)
    with_key = f"set {KEY_VARIABLE} to a key that may read it"
    kind = PASSING
    match error:
        case FinalError():
            reason, kind = text, LASTING
        case exceptions.OpenMLPrivateDatasetError():
            reason, kind = f"it is private; {with_key}", DENIED
        case exceptions.OpenMLNotAuthorizedError():
            reason, kind = f"OpenML refuses access; {with_key}", DENIED
        case exceptions.OpenMLServerException() if error.code is not None:
            message = _without_key(error.message.removesuffix(" - None"), key)
            reason = f"OpenML says {message!r}, code {error.code}"
            if error.code != _DATABASE_DOWN:
                kind = LASTING if error.code in _ABSENT else DENIED
            if error.code in _REFUSED_TO_USER:
                reason += f"; {with_key}"
        case exceptions.OpenMLHashException():
            reason = "the file does not have the checksum that OpenML gives"
        case exceptions.OpenMLServerError():
            status = re.search(r"Status code: (\d+)", text)
            if status is not None and status[1] != "200":
                reason = f"the server answers with status {status[1]}"
            else:
                reason = "the server's answer is no XML"
        case KeyError() if "oml:error" in text:
            reason = "the server answers with a page that is not OpenML's"
        case ExpatError():
            reason = "the server's answer was cut or is no XML"
        case _ if is_network_error(error):
            reason, kind = "the connection to the server failed", NETWORK
        case _ if (found := _disk_error(error)) is not None:
            reason, kind = str(found.strerror), DISK
        case _:
            reason = f"the answer cannot be read ({type(error).__name__}: {text[:_LONGEST]})"
            kind = UNREADABLE
    return reason, kind


def _disk_error(error: BaseException | None) -> OSError | None:
    """Returns the error of the disk that another one came from, if any."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            return error
        error = error.__cause__ or error.__context__
    return None


def _without_key(text: str, key: str) -> str:
    """Returns one line without the key, as it is or as part of a URL."""
    line = re.sub(r"api_key=[^&\s]*", "api_key=***", " ".join(text.split()))
    return line.replace(key, "***") if key else line


def is_network_error(error: Exception) -> bool:
    """Returns whether an error is one of the connection, not of what was sent through it."""
    import requests
    import urllib3

    return isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError)
