"""Configurations of the learners; every field is a meta-parameter to be fixed or searched."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Field

from autometa.config._parts import Number, Part, Whole
from autometa.errors import UserError

InnerLr: TypeAlias = Annotated[Number, Field(gt=0, le=100)]
InnerSteps: TypeAlias = Annotated[Whole, Field(ge=0, le=200)]


class _LearnerConfig(Part):
    inner_lr: InnerLr = Field(1.0, description="step size of the inner loop")
    inner_steps: InnerSteps = Field(5, description="gradient steps of the inner loop")
    width: Whole = Field(
        64, ge=1, le=1024, description="units of each hidden layer of the backbone"
    )
    depth: Whole = Field(2, ge=1, le=8, description="layers of the backbone")


class _MlpConfig(_LearnerConfig):
    adapt: Literal["all", "head"] = Field(
        "all", description="what the inner loop moves: all weights, or the head alone (ANIL)"
    )
    inputs: Literal["columns", "projected", "padded"] = Field(
        "columns",
        description="columns scaled by what a network reads off their statistics and projected on "
        "principal components, projected only, or padded to a fixed number",
    )
    columns: Whole = Field(
        64, ge=1, le=1024, description="inputs of the backbone: padded columns or components"
    )
    head: Literal["prototype", "zero"] = Field(
        "prototype", description="start of the classification head of an episode"
    )


class MamlConfig(_MlpConfig):
    """MAML: all weights of an MLP adapt, and the outer gradient is of second order."""

    name: Literal["maml"] = Field("maml", description="name of the learner")


class FomamlConfig(_MlpConfig):
    """First-order MAML: as MAML, without the derivative of the inner gradient."""

    name: Literal["fomaml"] = Field("fomaml", description="name of the learner")


class ColumnKernelConfig(_LearnerConfig):
    """A kernel classifier whose column scales a network reads off each column's statistics.

    With ``adapt: head+scales``, ``inner_lr`` and ``inner_steps`` move the column scales, and the
    head is then fitted: in closed form, or with ``head: descent`` by ``head_steps`` at ``head_lr``.
    With ``adapt: head`` and ``head: descent`` they are the head's; a head in closed form alone has
    no use for them.
    """

    name: Literal["column_kernel"] = Field("column_kernel", description="name of the learner")
    adapt: Literal["head", "head+scales"] = Field(
        "head+scales", description="what the inner loop moves"
    )
    inner_lr: InnerLr = Field(0.3, description="step size of the inner loop")
    inner_steps: InnerSteps = Field(3, description="gradient steps of the inner loop")
    width: Whole = Field(48, ge=1, le=1024, description="units of each layer of the column network")
    depth: Whole = Field(3, ge=1, le=8, description="layers of the column network")
    gate: bool = Field(
        True, description="whether kernels count by how well they fit the labelled rows"
    )
    head: Literal["ridge", "descent"] = Field(
        "ridge", description="head in closed form, or by gradient steps from class prototypes"
    )
    head_lr: InnerLr = Field(1.0, description="step size of the head (head+scales, descent)")
    head_steps: InnerSteps = Field(
        10, description="gradient steps of the head (head+scales, descent)"
    )


LearnerConfig: TypeAlias = Annotated[
    MamlConfig | FomamlConfig | ColumnKernelConfig, Field(discriminator="name")
]
LearnerConfigClass: TypeAlias = type[MamlConfig] | type[FomamlConfig] | type[ColumnKernelConfig]

_CONFIGS: dict[str, LearnerConfigClass] = {
    "maml": MamlConfig,
    "fomaml": FomamlConfig,
    "column_kernel": ColumnKernelConfig,
}
LEARNERS: tuple[str, ...] = tuple(_CONFIGS)


def learner_config_class(name: str) -> LearnerConfigClass:
    """Returns the configuration class of a named learner.

    Raises:
        UserError: there is no learner of that name.
    """
    if name not in _CONFIGS:
        raise UserError(f"learner must be one of {', '.join(LEARNERS)}; got {name!r}")
    return _CONFIGS[name]


def learner_fields(name: str) -> tuple[str, ...]:
    """Returns the names of a learner's meta-parameters, which a study may fix or search."""
    return tuple(field for field in learner_config_class(name).model_fields if field != "name")


def field_choices(name: str, field: str) -> tuple[Any, ...]:
    """Returns the values that a categorical field of a learner accepts (empty for numbers)."""
    return get_args(learner_config_class(name).model_fields[field].annotation)
