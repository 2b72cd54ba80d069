"""Configurations of the learners; every field is a meta-parameter to be fixed or searched."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field

from autometa.config._parts import Number, Part, Whole
from autometa.errors import UserError

InnerLr: TypeAlias = Annotated[Number, Field(gt=0, le=100)]
InnerSteps: TypeAlias = Annotated[Whole, Field(ge=0, le=200)]
Head: TypeAlias = Literal["prototype", "zero"]

_HEAD = "start of the classification head of an episode"


class _Backbone(Part):
    width: Whole = Field(
        64, ge=1, le=1024, description="units of each hidden layer of the backbone"
    )
    depth: Whole = Field(2, ge=1, le=8, description="layers of the backbone")


class _InnerLoop(Part):
    inner_lr: InnerLr = Field(1.0, description="step size of the inner loop")
    inner_steps: InnerSteps = Field(5, description="gradient steps of the inner loop")


class _LearnerConfig(_Backbone, _InnerLoop):
    pass


class _MlpInputs(Part):
    inputs: Literal["columns", "projected", "padded"] = Field(
        "columns",
        description="columns scaled by what a network reads off their statistics and projected on "
        "principal components, projected only, or padded to a fixed number",
    )
    columns: Whole = Field(
        64, ge=1, le=1024, description="inputs of the backbone: padded columns or components"
    )


class _MlpConfig(_MlpInputs, _LearnerConfig):
    adapt: Literal["all", "head"] = Field(
        "all", description="what the inner loop moves: all weights, or the head alone (ANIL)"
    )
    head: Head = Field("prototype", description=_HEAD)


class MamlConfig(_MlpConfig):
    """MAML: all weights of an MLP adapt, and the outer gradient is of second order.

    >>> MamlConfig(inner_steps=3).adapt
    'all'
    """

    name: Literal["maml"] = Field("maml", description="name of the learner")


class FomamlConfig(_MlpConfig):
    """First-order MAML: as MAML, without the derivative of the inner gradient.

    >>> FomamlConfig(width=32).name
    'fomaml'
    """

    name: Literal["fomaml"] = Field("fomaml", description="name of the learner")


class AnilConfig(_MlpInputs, _LearnerConfig):
    """ANIL: the inner loop moves the head alone (Raghu et al., ICLR 2020, arXiv 1909.09157).

    >>> AnilConfig(inner_lr=0.5).adapt
    'head'
    """

    name: Literal["anil"] = Field("anil", description="name of the learner")
    head: Head = Field("zero", description=_HEAD)
    adapt: ClassVar[Literal["head"]] = "head"


class ProtoMamlConfig(_MlpInputs, _LearnerConfig):
    """Proto-MAML: all weights adapt, the head from prototypes (Triantafillou et al., ICLR 2020).

    >>> ProtoMamlConfig().head
    'prototype'
    """

    name: Literal["proto_maml"] = Field("proto_maml", description="name of the learner")
    adapt: ClassVar[Literal["all"]] = "all"
    head: ClassVar[Literal["prototype"]] = "prototype"


class ReptileConfig(_LearnerConfig):
    """Reptile: the weights move towards those that tasks adapt to (Nichol et al., 2018).

    >>> ReptileConfig().inputs
    'projected'
    """

    name: Literal["reptile"] = Field("reptile", description="name of the learner")
    inputs: Literal["projected", "padded"] = Field(
        "projected", description="principal components of the columns, or the columns padded"
    )
    columns: Whole = Field(
        64, ge=1, le=1024, description="inputs of the backbone: padded columns or components"
    )
    adapt: ClassVar[Literal["all"]] = "all"
    head: ClassVar[Literal["zero"]] = "zero"


class ProtonetConfig(_MlpInputs, _Backbone):
    """Prototypical network: the nearest prototype, no inner loop (Snell et al., NIPS 2017).

    >>> ProtonetConfig(depth=3).inner_steps
    0
    """

    name: Literal["protonet"] = Field("protonet", description="name of the learner")
    adapt: ClassVar[Literal["head"]] = "head"
    head: ClassVar[Literal["prototype"]] = "prototype"
    inner_lr: ClassVar[float] = 0.0
    inner_steps: ClassVar[int] = 0


class InContextConfig(_MlpInputs, _Backbone):
    """A transformer that reads the labelled rows beside the row to predict (TabPFN, ICLR 2023).

    >>> InContextConfig().width
    32
    """

    name: Literal["in_context"] = Field("in_context", description="name of the learner")
    width: Whole = Field(32, ge=1, le=1024, description="units of a token")


class ColumnKernelConfig(_LearnerConfig):
    """A kernel classifier whose column scales a network reads off each column's statistics.

    The head is fitted in closed form, or with ``head: descent`` by ``inner_steps`` at ``inner_lr``.
    With ``adapt: head+scales`` these two move the column scales before, and a descending head has
    ``head_steps`` and ``head_lr`` of its own.

    >>> ColumnKernelConfig(smoothing=True).head
    'ridge'
    """

    name: Literal["column_kernel"] = Field("column_kernel", description="name of the learner")
    adapt: Literal["head", "head+scales"] = Field(
        "head",
        description="what adapts to an episode: the head, or column scales and then the head",
    )
    inner_lr: InnerLr = Field(0.3, description="step size of the inner loop")
    inner_steps: InnerSteps = Field(3, description="gradient steps of the inner loop")
    width: Whole = Field(48, ge=1, le=1024, description="units of each layer of the column network")
    depth: Whole = Field(3, ge=1, le=8, description="layers of the column network")
    smoothing: bool = Field(
        False, description="whether rows are also compared by their likeness to unlabelled rows"
    )
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


MlpLearnerConfig: TypeAlias = (
    MamlConfig | FomamlConfig | AnilConfig | ProtoMamlConfig | ReptileConfig | ProtonetConfig
)
"""Learners that are an MLP and an inner loop, of no step for the last of them."""

LearnerConfig: TypeAlias = Annotated[
    MlpLearnerConfig | InContextConfig | ColumnKernelConfig, Field(discriminator="name")
]
LearnerConfigClass: TypeAlias = (
    type[MamlConfig]
    | type[FomamlConfig]
    | type[AnilConfig]
    | type[ProtoMamlConfig]
    | type[ReptileConfig]
    | type[ProtonetConfig]
    | type[InContextConfig]
    | type[ColumnKernelConfig]
)

_CONFIGS: dict[str, LearnerConfigClass] = {
    "maml": MamlConfig,
    "fomaml": FomamlConfig,
    "anil": AnilConfig,
    "proto_maml": ProtoMamlConfig,
    "reptile": ReptileConfig,
    "protonet": ProtonetConfig,
    "in_context": InContextConfig,
    "column_kernel": ColumnKernelConfig,
}
LEARNERS: tuple[str, ...] = tuple(_CONFIGS)


def learner_config_class(name: str) -> LearnerConfigClass:
    """Returns the configuration class of a named learner.

    Raises:
        UserError: there is no learner of that name.

    >>> learner_config_class("maml")
    <class 'autometa.config._learner.MamlConfig'>
    """
    if name not in _CONFIGS:
        raise UserError(f"learner must be one of {', '.join(LEARNERS)}; got {name!r}")
    return _CONFIGS[name]


def learner_fields(name: str) -> tuple[str, ...]:
    """Returns the names of a learner's meta-parameters, which a study may fix or search.

    >>> learner_fields("protonet")
    ('width', 'depth', 'inputs', 'columns')
    """
    return tuple(field for field in learner_config_class(name).model_fields if field != "name")


def field_choices(name: str, field: str) -> tuple[Any, ...]:
    """Returns the values that a categorical field of a learner accepts (empty for numbers).

    >>> field_choices("maml", "adapt"), field_choices("maml", "depth")
    (('all', 'head'), ())
    """
    return get_args(learner_config_class(name).model_fields[field].annotation)
