"""``--storage``, as all commands take it."""

from __future__ import annotations

from typing import Annotated

import typer

from autometa.errors import UserError


def without_password(url: str | None) -> str | None:
    """Returns a URL of a command line.

    Raises:
        UserError: it has a password, which every user of the machine could read there.
    """
    from autometa.storages import mask_url

    if url is not None and mask_url(url) != url:
        raise UserError(
            "a storage's password must not be on a command line, where others can read it; got "
            f"{mask_url(url)}: leave it out, and name a file that has it in "
            "AUTOMETA_STORAGE_PASSWORD_FILE"
        )
    return url


StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Default: $AUTOMETA_STORAGE, else results/runs.",
        callback=without_password,
    ),
]
