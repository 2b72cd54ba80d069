"""``--fork``: a new study that begins with what another one has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autometa.cli._priors import learned_from
from autometa.errors import UserError

if TYPE_CHECKING:
    from autometa.config import StudySpec


def forked(spec: StudySpec, name: str) -> StudySpec:
    """Returns a study file whose warm start is one study of its storage, which may still run.

    What that study says is written where finished studies leave theirs. A study of the new name
    that is there already is resumed, with the prior that it began with.

    Args:
        spec: the study to begin.
        name: the study to begin with.

    Raises:
        UserError: there is no such study, it is the same one, or it has too few trials.
    """
    from autometa.search import prior_file_of
    from autometa.storages import close_storage, open_storage

    if name == spec.name:
        raise UserError(
            f"a fork needs a name of its own; got {name!r} for both: add --set name=NEW"
        )
    storage = open_storage(spec.storage, create=False)
    try:
        prior = learned_from(storage, name)
    finally:
        close_storage(storage)
    if not prior.sources:
        raise UserError(f"there is nothing to fork yet: {prior.left_out[0]}; let it run first")
    path = prior_file_of(name)
    prior.save(path)
    search = spec.search.model_copy(update={"warm_start": (str(path),)})
    return spec.model_copy(update={"search": search})
