"""YAML or keyword arguments -> a frozen, validated study specification."""

from __future__ import annotations

from autometa.config._dimensions import Choices, Dimension, FloatRange, IntRange
from autometa.config._effects import deciding_fields, effective_inner_steps, is_idle
from autometa.config._fingerprint import fingerprint
from autometa.config._learner import (
    LEARNERS,
    AnilConfig,
    ColumnKernelConfig,
    FomamlConfig,
    InContextConfig,
    LearnerConfig,
    MamlConfig,
    MlpLearnerConfig,
    ProtoMamlConfig,
    ProtonetConfig,
    ReptileConfig,
    field_choices,
    learner_config_class,
    learner_fields,
)
from autometa.config._parameters import LEARNER_PARAMETER, default_params, learner_config
from autometa.config._read import read_spec, spec_from_dict, spec_to_dict
from autometa.config._rules import user_error
from autometa.config._sources import (
    SKLEARN_NAMES,
    FilesSource,
    OpenmlSource,
    SklearnSource,
    SourceSpec,
    SyntheticSource,
)
from autometa.config._space import SpaceSpec
from autometa.config._spec import (
    DEFAULT_STORAGE,
    METRIC,
    SCHEMA_VERSION,
    STORAGE_VARIABLE,
    EpisodesSpec,
    Role,
    SearchSpec,
    SplitSpec,
    StudySpec,
    TablesSpec,
    TrainingSpec,
    default_storage,
)
from autometa.config._yaml import parse_yaml

__all__ = [
    "DEFAULT_STORAGE",
    "LEARNERS",
    "LEARNER_PARAMETER",
    "METRIC",
    "SCHEMA_VERSION",
    "SKLEARN_NAMES",
    "STORAGE_VARIABLE",
    "AnilConfig",
    "Choices",
    "ColumnKernelConfig",
    "Dimension",
    "EpisodesSpec",
    "FilesSource",
    "FloatRange",
    "FomamlConfig",
    "InContextConfig",
    "IntRange",
    "LearnerConfig",
    "MamlConfig",
    "MlpLearnerConfig",
    "OpenmlSource",
    "ProtoMamlConfig",
    "ProtonetConfig",
    "ReptileConfig",
    "Role",
    "SearchSpec",
    "SklearnSource",
    "SourceSpec",
    "SpaceSpec",
    "SplitSpec",
    "StudySpec",
    "SyntheticSource",
    "TablesSpec",
    "TrainingSpec",
    "deciding_fields",
    "default_params",
    "default_storage",
    "effective_inner_steps",
    "field_choices",
    "fingerprint",
    "is_idle",
    "learner_config",
    "learner_config_class",
    "learner_fields",
    "parse_yaml",
    "read_spec",
    "spec_from_dict",
    "spec_to_dict",
    "user_error",
]
