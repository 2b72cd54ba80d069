"""Meta-parameters that do something only beside certain values of others.

To search one where it can do nothing would spend trials on a parameter without effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from autometa.config._dimensions import Dimension
from autometa.config._learner import LearnerConfig, learner_config_class
from autometa.config._rules import NOTHING, Rule

_INNER_LOOP: Final = ({"adapt": "head+scales"}, {"head": "descent"})
_DESCENDING_HEAD: Final = ({"adapt": "head+scales", "head": "descent"},)
_NEEDS: Final[Mapping[tuple[str, str], tuple[dict[str, str], ...]]] = {
    ("column_kernel", "inner_lr"): _INNER_LOOP,
    ("column_kernel", "inner_steps"): _INNER_LOOP,
    ("column_kernel", "head_lr"): _DESCENDING_HEAD,
    ("column_kernel", "head_steps"): _DESCENDING_HEAD,
}
"""Learner and meta-parameter -> the values of others beside which it has an effect, any of them."""


def check_effects(learner: str, branch: Mapping[str, Dimension], fixed: Mapping[str, Any]) -> None:
    """Refuses a searched meta-parameter that no candidate would use.

    Args:
        learner: name of the learner.
        branch: what is searched of it.
        fixed: what is fixed of it.

    Raises:
        Rule: a searched meta-parameter has no effect beside the values that the others can take.
    """
    chosen = {name: (value,) for name, value in fixed.items()}
    chosen |= {name: tuple(getattr(dimension, "choices", ())) for name, dimension in branch.items()}
    for field in branch:
        if _is_used(learner, field, chosen):
            continue
        remedy = " or ".join(
            " and ".join(f"{name}: {value}" for name, value in need.items())
            for need in _NEEDS[learner, field]
        )
        raise Rule(
            f"has no effect, because nothing in the space lets {learner} descend with it: fix or "
            f"search {remedy}, or leave it out",
            keys=(field,),
            got=NOTHING,
        )


def deciding_fields(learner: str) -> frozenset[str]:
    """Returns the meta-parameters of a learner that decide whether others have an effect.

    >>> sorted(deciding_fields("column_kernel")), sorted(deciding_fields("maml"))
    (['adapt', 'head'], [])
    """
    return frozenset(
        name
        for (owner, _), needs in _NEEDS.items()
        if owner == learner
        for need in needs
        for name in need
    )


def is_idle(learner: str, field: str, values: Mapping[str, Any]) -> bool:
    """Returns whether a meta-parameter does nothing beside some values of the others.

    Args:
        learner: name of the learner.
        field: the meta-parameter.
        values: values of others, fixed or chosen; those that are missing have their defaults.

    >>> adapts = ("head", "head+scales")
    >>> [is_idle("column_kernel", "inner_steps", {"adapt": adapt}) for adapt in adapts]
    [True, False]
    """
    return not _is_used(learner, field, {name: (value,) for name, value in values.items()})


def effective_inner_steps(config: LearnerConfig) -> int | None:
    """Returns the inner steps of a learner; None where it has none, or they do nothing.

    >>> from autometa.config import ColumnKernelConfig, MamlConfig
    >>> configs = [MamlConfig(), ColumnKernelConfig(), ColumnKernelConfig(adapt="head+scales")]
    >>> [effective_inner_steps(config) for config in configs]
    [5, None, 3]
    """
    values = config.model_dump()
    if "inner_steps" not in type(config).model_fields or is_idle(
        config.name, "inner_steps", values
    ):
        return None
    return int(values["inner_steps"])


def _is_used(learner: str, field: str, chosen: Mapping[str, tuple[Any, ...]]) -> bool:
    """Returns whether a meta-parameter does something beside values that the others can take."""
    needs = _NEEDS.get((learner, field))
    if needs is None:
        return True
    fields = learner_config_class(learner).model_fields
    return any(
        all(value in chosen.get(name, (fields[name].default,)) for name, value in need.items())
        for need in needs
    )
