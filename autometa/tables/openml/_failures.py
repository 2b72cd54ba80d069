"""What the failures of the ``openml`` client mean, and whether asking again may help.

The client raises errors of its own, of requests, urllib3, expat and liac-arff, and a bare KeyError
for a page that is well-formed but not OpenML's.
"""

from __future__ import annotations

import re
from xml.parsers.expat import ExpatError

KEY_VARIABLE = "OPENML_API_KEY"
"""Environment variable with the user's key for OpenML; never shown."""

_DATABASE_DOWN = 107
_LONGEST = 200


class FinalError(Exception):
    """Something that asking again would not change."""


def explained(error: Exception, key: str) -> tuple[str, bool]:
    """Returns why a request failed, as part of a sentence, and whether it always would.

    Args:
        error: what the client raised.
        key: the user's key, which the client puts into URLs and so into messages.
    """
    from openml import exceptions

    text = _without_key(str(error), key)
    is_final = False
    match error:
        case FinalError():
            reason, is_final = text, True
        case exceptions.OpenMLPrivateDatasetError():
            reason, is_final = f"it is private; set {KEY_VARIABLE} to a key that may read it", True
        case exceptions.OpenMLNotAuthorizedError():
            reason = f"OpenML refuses access; set {KEY_VARIABLE} to a key that may read it"
            is_final = True
        case exceptions.OpenMLServerException() if error.code is not None:
            message = _without_key(error.message.removesuffix(" - None"), key)
            reason = f"OpenML says {message!r}, code {error.code}"
            is_final = error.code != _DATABASE_DOWN
        case NotImplementedError():
            reason, is_final = "its kind of task is not classification", True
        case exceptions.OpenMLHashException():
            reason = "the file does not have the checksum that OpenML gives"
        case exceptions.OpenMLServerError():
            status = re.search(r"Status code: (\d+)", text)
            is_page = status is not None and status[1] != "200"
            reason = (
                f"the server answers with status {status[1]}"
                if is_page and status
                else ("the server's answer is no XML")
            )
        case KeyError() if "oml:error" in text:
            reason = "the server answers with a page that is not OpenML's"
        case ExpatError():
            reason = "the server's answer was cut or is no XML"
        case _ if is_network_error(error):
            reason = "the connection to the server failed"
        case _:
            reason = f"the answer cannot be read ({type(error).__name__}: {text[:_LONGEST]})"
    return reason, is_final


def _without_key(text: str, key: str) -> str:
    """Returns one line without the key, as it is or as part of a URL."""
    line = re.sub(r"api_key=[^&\s]*", "api_key=***", " ".join(text.split()))
    return line.replace(key, "***") if key else line


def is_network_error(error: Exception) -> bool:
    """Returns whether an error is one of the connection, not of what was sent through it."""
    import requests
    import urllib3

    return isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError)
