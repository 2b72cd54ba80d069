"""Databases whose tables another version of Optuna made."""

from __future__ import annotations

from autometa.errors import RunError


def wrong_schema(place: str, url: str, error: Exception) -> RunError:
    """Returns what to say about Optuna's complaint.

    Args:
        place: the storage, as messages call it.
        url: its URL without a password.
        error: what Optuna or alembic raised.
    """
    if "storage upgrade" in str(error):
        remedy = f"run: optuna storage upgrade --storage {url}"
        return RunError(f"the storage {place} was made by an older version of Optuna; {remedy}")
    return RunError(
        f"the storage {place} was made by a newer version of Optuna; install that version or "
        "choose another storage."
    )
