"""MAML and its relatives on a residual MLP over the columns of a table.

Finn, Abbeel, Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML
2017, arXiv 1703.03400. All weights of the network adapt; the outer gradient is of second order
(``maml``) or treats the inner gradient as a constant (``fomaml``, section 5.2).

Its inputs are columns in one of the forms of ``_mlp_inputs.py``; a column network, where there is
one, is a part of the input form and does not adapt.

With ``adapt: head`` the inner loop moves the head alone, on features that are computed once
(``anil``: Raghu et al., "Rapid learning or feature reuse?", ICLR 2020, arXiv 1909.09157, section
4).

The features that the head sees are the inputs themselves beside the hidden units: without that
path MAML starts below a linear model on tables, and does not come back.

The order of an episode's classes is arbitrary and their number varies, so that a learned N-way
head is out of place. The head starts from centred class prototypes, the nearest-prototype rule
w_k = g (c_k - mean c), b_k = -g (|c_k|^2 - mean |c|^2) / 2 (``proto_maml``: Triantafillou et al.,
Meta-Dataset, ICLR 2020, arXiv 1903.03096, section 3.1), or from zero, and then adapts with the
other weights. Without an inner step the start is all there is: the softmax over squared distances
to the prototypes (``protonet``: Snell et al., NIPS 2017, arXiv 1703.05175, equations 1, 2 and 8).
One learned vector for all classes (Ye and Chao, ICLR 2022, arXiv 2106.16245) is no third start: it
adds the same to every logit, so that no softmax, no step and no gradient differs from zero's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor, nn

from autometa.config import MlpLearnerConfig
from autometa.episodes import EpisodeBatch
from autometa.learners._base import (
    AbstractLearner,
    Adapted,
    cross_entropy,
    without_absent_ways,
)
from autometa.learners._column_network import column_network
from autometa.learners._inner_loop import Order, descend, support_gradient
from autometa.learners._mlp_adaptation import MlpAdaptation
from autometa.learners._mlp_inputs import FEATURE_NORM, SAID_AT_START, input_form, inputs_of
from autometa.learners._temperature import TEMPERATURE_WEIGHTS, temperature

_Moved: TypeAlias = tuple[list[Tensor], list[Tensor]]

_INNER_CLIP = 1.0


class Maml(AbstractLearner):
    """A residual MLP that adapts by gradient descent on the support rows.

    Args:
        config: width, depth, adapt, inner_lr, inner_steps, inputs, columns and head.
        generator: source of the initial weights.

    >>> from autometa.config import MamlConfig
    >>> from autometa.episodes import evaluation_episodes, pack
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=0))
    >>> episodes = evaluation_episodes(
    ...     table.y_R, table.sha256, shot=2, count=5, ways=3, queries=4, seed=0
    ... )
    >>> learner = Maml(MamlConfig(width=8), generator=torch.Generator().manual_seed(0))
    >>> batch = pack(episodes, [table] * 5, ["inductive"] * 5, components=learner.components)
    >>> adapted = learner.adapt(batch)
    >>> tuple(learner.biases[0].shape), tuple(adapted["bias0"].shape)
    ((8,), (5, 8))
    """

    def __init__(self, config: MlpLearnerConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.config: MlpLearnerConfig = config
        self.order: Order = "first" if config.name == "fomaml" else "second"
        self.components = None if config.inputs == "padded" else config.columns
        sizes = [config.columns] + [config.width] * config.depth
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(fan_in, fan_out, generator=generator) * math.sqrt(2 / fan_in))
            for fan_in, fan_out in pairwise(sizes)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(size)) for size in sizes[1:])
        if config.inputs == "columns":
            self.column_network = column_network(
                SAID_AT_START, width=config.width, depth=config.depth, generator=generator
            )
        # Value at one shot and slope in log shots: more rows make sharper prototypes.
        self.log_gain = nn.Parameter(torch.zeros(2))
        self.log_temperature = nn.Parameter(torch.zeros(TEMPERATURE_WEIGHTS))
        self._hidden_scale = FEATURE_NORM / math.sqrt(config.width)
        self._adaptation = MlpAdaptation(
            inner_lr=config.inner_lr,
            inner_steps=config.inner_steps,
            order=self.order,
            clip=_INNER_CLIP,
            # Features that stay hold it already.
            hidden_scale=self._hidden_scale if config.adapt == "all" else 1.0,
        )

    def adapt(self, batch: EpisodeBatch) -> Adapted:
        """Moves the weights, or the head alone, by ``inner_steps`` gradient steps."""
        state = self._input_form(batch)
        state |= {
            "way_mask": batch.way_mask_TW,
            "temperature": temperature(self.log_temperature, batch),
        }
        inputs_TSC = inputs_of(batch.x_support_TSFH, state)
        # Inputs that no task of the batch has are zero, and so move no weight.
        weights = [self.weights[0][: inputs_TSC.shape[-1]].T]
        weights += [weight.T for weight in self.weights[1:]]
        features_TSP = self._features(weights, inputs_TSC)
        head_TWP, head_bias_TW = self._initial_head(features_TSP, batch)
        descended = self._written_out if self.is_written_out else self._recorded
        if self.config.adapt == "head":
            # A network without hidden layers on features that stay.
            [head_TWP], [head_bias_TW] = descended([head_TWP], [head_bias_TW], features_TSP, batch)
            weights = [weight.expand(batch.tasks, *weight.shape) for weight in weights]
            biases = [bias.expand(batch.tasks, *bias.shape) for bias in self.biases]
            moved = [*weights, *self._parts(head_TWP)], [*biases, head_bias_TW]
        else:
            start = [*weights, *self._parts(head_TWP)], [*self.biases, head_bias_TW]
            moved = descended(*start, inputs_TSC, batch)
        return _named(*moved) | state

    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Runs the adapted network on query rows."""
        layers = range(len(self.weights))
        weights = [adapted[f"weight{layer}"] for layer in layers]
        biases = [adapted[f"bias{layer}"] for layer in layers]
        logits_TQW = self._logits(
            [*weights, adapted["head_weight"], adapted["skip_weight"]],
            [*biases, adapted["head_bias"]],
            inputs_of(x_TQFH, adapted),
            adapted["way_mask"],
        )
        return logits_TQW * adapted["temperature"][:, None, None]

    def _input_form(self, batch: EpisodeBatch) -> Adapted:
        has_network = self.config.inputs == "columns"
        return input_form(
            batch,
            columns=self.config.columns,
            is_padded=self.config.inputs == "padded",
            said_TFO=self.column_network(batch.column_statistics_TFJ) if has_network else None,
        )

    def _parts(self, head_TWP: Tensor) -> list[Tensor]:
        """Returns the head's weights on hidden units and on inputs."""
        width = self.config.width
        return list(torch.split(head_TWP, [width, head_TWP.shape[-1] - width], -1))

    def _features(self, weights: Sequence[Tensor], inputs_TSC: Tensor) -> Tensor:
        """Returns what the head sees: hidden units before adaptation, then inputs (TSP)."""
        hidden_NP = inputs_TSC.flatten(0, 1)
        for weight, bias in zip(weights, self.biases, strict=True):
            hidden_NP = torch.relu(nn.functional.linear(hidden_NP, weight, bias))
        hidden_TSP = self._hidden_scale * hidden_NP.view(*inputs_TSC.shape[:2], -1)
        return torch.cat([hidden_TSP, inputs_TSC], -1)

    def _initial_head(self, features_TSP: Tensor, batch: EpisodeBatch) -> tuple[Tensor, Tensor]:
        """Returns the head's start: weights (TWP) and bias (TW)."""
        if self.config.head == "zero":
            zeros_TWP = features_TSP.new_zeros(batch.tasks, batch.ways, features_TSP.shape[-1])
            return zeros_TWP, zeros_TWP[..., 0]
        ways_T1 = batch.present_TW.sum(1, keepdim=True)
        prototypes_TWP = batch.averaging_TWS @ features_TSP
        centre_T1P = prototypes_TWP.sum(1, keepdim=True) / ways_T1[..., None]
        norms_TW = prototypes_TWP.square().sum(-1)
        log_shots_T1 = batch.log_shots_T[:, None]
        gain_TW = (self.log_gain[0] + self.log_gain[1] * log_shots_T1).exp() * batch.present_TW
        bias_TW = -0.5 * gain_TW * (norms_TW - norms_TW.sum(1, keepdim=True) / ways_T1)
        return gain_TW[..., None] * (prototypes_TWP - centre_T1P), bias_TW

    def _written_out(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        x_TSC: Tensor,
        batch: EpisodeBatch,
    ) -> _Moved:
        """Returns every task's weights and biases by the hand-written inner loop."""
        rows_TS = (batch.y_TS >= 0).to(x_TSC.dtype)
        *hidden_biases, head_bias_TW = biases
        head_bias_TW = without_absent_ways(head_bias_TW[:, None], batch.way_mask_TW)[:, 0]
        return self._adaptation(
            weights,
            [*hidden_biases, head_bias_TW],
            x_TSC,
            batch.labels_TSW,
            rows_TS / rows_TS.sum(1, keepdim=True).clamp_min(1),
        )

    def _recorded(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        x_TSC: Tensor,
        batch: EpisodeBatch,
    ) -> _Moved:
        """Returns the same by steps that autograd records."""
        tasks, count = batch.tasks, len(weights)

        def support_loss(current: Mapping[str, Tensor]) -> Tensor:
            moved = list(current.values())
            logits_TSW = self._logits(moved[:count], moved[count:], x_TSC, batch.way_mask_TW)
            return cross_entropy(logits_TSW, batch.y_TS)

        start = [weight.expand(tasks, *weight.shape[-2:]) for weight in weights]
        start += [bias.expand(tasks, bias.shape[-1]) for bias in biases]
        ended = descend(
            {str(place): value for place, value in enumerate(start)},
            lambda current: support_gradient(
                support_loss, current, order=self.order, clip=_INNER_CLIP
            ),
            inner_lr=self.config.inner_lr,
            inner_steps=self.config.inner_steps,
        )
        moved = list(ended.values())
        return moved[:count], moved[count:]

    def _logits(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        x_TRC: Tensor,
        way_mask_TW: Tensor,
    ) -> Tensor:
        """Returns the logits (TRW) of every task's network; of the biases the last is the head's.

        One weight more than there are biases is the head's on the inputs.
        """
        *hidden_biases, head_bias_TW = biases
        hidden_TRP = x_TRC
        for weight_TPC, bias_TP in zip(weights, hidden_biases, strict=False):
            hidden_TRP = torch.relu(torch.baddbmm(bias_TP[:, None], hidden_TRP, weight_TPC.mT))
        head_TWP, *skip = weights[len(hidden_biases) :]
        # Ways come first: a product with few columns runs at half the speed of one with few rows.
        logits_TWR = torch.baddbmm(
            head_bias_TW[..., None],
            head_TWP,
            hidden_TRP.mT,
            alpha=self._hidden_scale if skip else 1.0,
        )
        if skip:
            logits_TWR = torch.baddbmm(logits_TWR, skip[0], x_TRC.mT)
        return without_absent_ways(logits_TWR.mT, way_mask_TW)


def _named(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Adapted:
    """Returns adapted quantities by name; of the weights the last two are the head's."""
    *hidden_weights, head_weight, skip_weight = weights
    *hidden_biases, head_bias = biases
    fast = {f"weight{layer}": weight for layer, weight in enumerate(hidden_weights)}
    fast |= {f"bias{layer}": bias for layer, bias in enumerate(hidden_biases)}
    return fast | {"head_weight": head_weight, "skip_weight": skip_weight, "head_bias": head_bias}
