"""From a configuration to a learner, and from weights to named tensors and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from autometa.config import ColumnKernelConfig, InContextConfig, LearnerConfig, ReptileConfig
from autometa.errors import UserError
from autometa.learners._base import AbstractLearner
from autometa.learners._column_kernel import ColumnKernel
from autometa.learners._in_context import InContext
from autometa.learners._maml import Maml
from autometa.learners._reptile import Reptile


def build_learner(config: LearnerConfig, *, seed: int) -> AbstractLearner:
    """Returns a learner with fresh weights, a function of configuration and seed.

    Args:
        config: meta-parameters, its ``name`` among them.
        seed: seed of the initial weights.

    >>> from autometa.config import ColumnKernelConfig
    >>> learner = build_learner(ColumnKernelConfig(width=16, depth=2), seed=0)
    >>> type(learner).__name__, sum(weight.numel() for weight in learner.parameters())
    ('ColumnKernel', 772)
    """
    generator = torch.Generator().manual_seed(seed)
    if isinstance(config, ColumnKernelConfig):
        return ColumnKernel(config, generator=generator)
    if isinstance(config, InContextConfig):
        return InContext(config, generator=generator)
    if isinstance(config, ReptileConfig):
        return Reptile(config, generator=generator)
    return Maml(config, generator=generator)


def learner_weights(learner: AbstractLearner) -> dict[str, Tensor]:
    """Returns the meta-trained weights by name, detached and on the CPU.

    >>> from autometa.config import ProtonetConfig
    >>> learner = build_learner(ProtonetConfig(width=8, depth=1, columns=4), seed=0)
    >>> weights = learner_weights(learner)
    >>> {name: tuple(weights[name].shape) for name in ("log_gain", "weights.0", "biases.0")}
    {'log_gain': (2,), 'weights.0': (4, 8), 'biases.0': (8,)}
    """
    return {name: weight.detach().cpu().clone() for name, weight in learner.state_dict().items()}


def load_weights(learner: AbstractLearner, weights: Mapping[str, Tensor]) -> None:
    """Copies named weights into a learner.

    Raises:
        UserError: names or shapes differ from the learner's.

    >>> from autometa.config import ProtonetConfig
    >>> one, other = (build_learner(ProtonetConfig(width=8), seed=seed) for seed in (0, 1))
    >>> torch.equal(one.weights[0], other.weights[0])
    False
    >>> load_weights(other, learner_weights(one))
    >>> torch.equal(one.weights[0], other.weights[0])
    True
    """
    expected = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    if expected != given:
        differing = sorted(
            name for name in expected | given if expected.get(name) != given.get(name)
        )
        raise UserError(
            f"weights must match the learner {learner.config.name!r}; {differing[0]!r} differs: "
            "use the meta_config.yaml and weights.safetensors of one export"
        )
    learner.load_state_dict(dict(weights))
