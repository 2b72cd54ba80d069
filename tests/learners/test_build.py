"""Building learners from configurations, and moving weights in and out of them."""

from __future__ import annotations

import pytest
import torch

from autometa.config import ColumnKernelConfig, FomamlConfig, LearnerConfig, MamlConfig
from autometa.episodes import EpisodeBatch
from autometa.errors import UserError
from autometa.learners import (
    ColumnKernel,
    Maml,
    build_learner,
    cross_entropy,
    learner_weights,
    load_weights,
)

CONFIGS = [MamlConfig(), FomamlConfig(inputs="padded"), ColumnKernelConfig()]
every_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


@every_config
def test_fresh_weights_are_a_function_of_the_seed(config: LearnerConfig) -> None:
    """The same seed gives the same weights whatever PyTorch's own generator does."""
    torch.manual_seed(1)
    first = learner_weights(build_learner(config, seed=3))
    torch.manual_seed(2)
    second = learner_weights(build_learner(config, seed=3))
    other = learner_weights(build_learner(config, seed=4))

    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_configurations_choose_the_learner() -> None:
    """The name selects the class; second order and the axes follow from the fields."""
    maml = build_learner(MamlConfig(columns=16), seed=0)
    fomaml = build_learner(FomamlConfig(inputs="padded"), seed=0)
    kernel = build_learner(ColumnKernelConfig(), seed=0)

    assert isinstance(maml, Maml)
    assert (maml.order, maml.components) == ("second", 16)
    assert isinstance(fomaml, Maml)
    assert (fomaml.order, fomaml.components) == ("first", None)
    assert isinstance(kernel, ColumnKernel)
    assert kernel.components is None


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("name", ["maml", "column_kernel"])
def test_width_and_depth_shape_the_backbone(name: str, depth: int) -> None:
    """``depth`` counts layers of weights, of ``width`` units where they are hidden."""
    if name == "maml":
        learner = build_learner(MamlConfig(width=7, depth=depth, columns=5), seed=0)
        sizes = [tuple(learner.get_parameter(f"weights.{layer}").shape) for layer in range(depth)]
        assert sizes == [(5, 7)] + [(7, 7)] * (depth - 1)
    else:
        config = ColumnKernelConfig(width=7, depth=depth, gate=False)
        learner = build_learner(config, seed=0)
        layers = [m for m in learner.modules() if isinstance(m, torch.nn.Linear)]
        assert [layer.out_features for layer in layers] == [7] * (depth - 1) + [4]


def test_a_fresh_column_kernel_treats_all_columns_alike(batch: EpisodeBatch) -> None:
    """Training starts at a plain kernel classifier: the network's last layer is zero."""
    learner = build_learner(ColumnKernelConfig(adapt="head"), seed=0).double()

    adapted = learner.adapt(batch)

    columns_T1 = batch.column_mask_TF.sum(1, keepdim=True).double()
    expected_TF = 1.5 * batch.column_mask_TF / columns_T1.sqrt()
    torch.testing.assert_close(adapted["linear_scale"], expected_TF)


@every_config
def test_weights_travel_between_learners(config: LearnerConfig) -> None:
    """Loading named weights makes another learner equal, and they are copies."""
    source, target = build_learner(config, seed=0), build_learner(config, seed=1)
    weights = learner_weights(source)

    load_weights(target, weights)
    with torch.no_grad():
        next(iter(source.parameters())).zero_()

    assert all(torch.equal(value, weights[name]) for name, value in learner_weights(target).items())
    assert not any(value.requires_grad for value in weights.values())


@pytest.mark.parametrize(
    "other",
    [
        MamlConfig(width=8),
        MamlConfig(depth=1),
        MamlConfig(depth=3),
        MamlConfig(columns=8),
        ColumnKernelConfig(),
    ],
)
def test_weights_of_another_shape_are_refused(other: LearnerConfig) -> None:
    """Names or shapes that differ are an error that names one of them."""
    learner = build_learner(MamlConfig(), seed=0)

    with pytest.raises(UserError, match="weights must match the learner 'maml'"):
        load_weights(learner, learner_weights(build_learner(other, seed=0)))


@every_config
def test_single_and_double_precision_agree(config: LearnerConfig, batch: EpisodeBatch) -> None:
    """float32 training and float64 adaptation give the same predictions to 1e-3."""
    if config.name == "maml":
        config = MamlConfig(columns=4)  # as many as the batch has principal axes
    single = build_learner(config, seed=0)
    double = build_learner(config, seed=0).double()

    with torch.no_grad():
        logits = single(batch.to("cpu", torch.float32)).double()
        exact = double(batch)

    assert exact.dtype == torch.float64
    present = batch.way_mask_TW[:, None].expand_as(exact)
    torch.testing.assert_close(logits[present], exact[present], rtol=1e-3, atol=1e-3)
    assert torch.isfinite(cross_entropy(exact, batch.y_TQ)).all()
