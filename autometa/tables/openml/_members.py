"""The members of a source, tasks or datasets of OpenML, and what the cache knows of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from autometa.config import OpenmlSource
    from autometa.tables.openml._store import Store

# Names of one origin that do not begin alike. NASA's metrics data programme: Menzies et al., "The
# PROMISE repository", 2005; dna is splice in another coding, as its description on OpenML says;
# wdbc and breast-w are of one hospital.
_KIN = {
    **dict.fromkeys(("ar", "cm", "jm", "kc", "mc", "mw", "pc"), "nasa-defects"),
    "dna": "splice",
    "wbc": "breast",
    "wdbc": "breast",
}
_FIRST_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Member:
    """A task or a dataset that a source names, itself or through its suite."""

    kind: Literal["task", "dataset"]
    id: int

    @property
    def record(self) -> str:
        """Name of its record in the store."""
        return f"{self.kind}-{self.id}"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True)
class Listing:
    """What OpenML says of a member.

    Attributes:
        dataset: id of its dataset.
        name: the dataset's name.
        version: the dataset's version.
        target: name of the target column; None where OpenML names none.
        is_regression: whether the target is a number to be estimated; None for a dataset, of
            which OpenML does not say.
    """

    dataset: int
    name: str
    version: int
    target: str | None
    is_regression: bool | None


@dataclass(frozen=True)
class Refusal:
    """Why OpenML does not give a member."""

    reason: str


def suite_record(suite: int) -> str:
    """Returns the name of a suite's record in the store."""
    return f"suite-{suite}"


def members_of(source: OpenmlSource, store: Store) -> list[Member] | None:
    """Returns the members of a source; None where its suite is not in the store."""
    left_out = set(source.without or ())
    if source.datasets is not None:
        return [Member("dataset", key) for key in source.datasets if key not in left_out]
    tasks = source.tasks
    if source.suite is not None:
        suite = store.record(suite_record(source.suite))
        if suite is None:
            return None
        tasks = tuple(dict.fromkeys(suite["tasks"]))
    return [Member("task", key) for key in tasks or () if key not in left_out]


def listing_of(member: Member, store: Store) -> Listing | Refusal | None:
    """Returns what the store knows of a member, None where that is not all."""
    task: dict[str, Any] | None = None
    dataset = member.id
    if member.kind == "task":
        task = store.record(member.record)
        if task is None:
            return None
        if "refusal" in task:
            return Refusal(task["refusal"])
        dataset = task["dataset"]
    facts = store.record(f"dataset-{dataset}")
    if facts is None:
        return None
    if "refusal" in facts:
        return Refusal(facts["refusal"])
    return Listing(
        dataset=dataset,
        name=facts["name"],
        version=facts["version"],
        target=facts["target"] if task is None else task["target"],
        is_regression=None if task is None else task["kind"] == "regression",
    )


def family_of(name: str) -> str:
    """Returns the family that a dataset's name means; versions of a dataset are one family.

    It is the first word of the name without trailing digits, so that ``mfeat-fourier`` and
    ``mfeat-pixel``, or ``kc1`` and ``kc2``, are one family. Two tables of different origin that
    begin alike, such as ``credit-g`` and ``credit-approval``, are one as well: that costs a little
    variety, while a family on two sides would cost the honesty of every score.

    >>> [family_of(name) for name in ("mfeat-pixel", "kc2", "Fashion-MNIST", "2dplanes")]
    ['mfeat', 'nasa-defects', 'fashion', '2dplanes']
    """
    words: list[str] = _FIRST_WORD.findall(name.lower()) or [name.lower()]
    stem = words[0].rstrip("0123456789") or words[0]
    return _KIN.get(stem, stem)
