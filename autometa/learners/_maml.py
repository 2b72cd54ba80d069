"""MAML and first-order MAML on a residual MLP over the columns of a table.

Finn, Abbeel, Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML
2017, arXiv 1703.03400. All weights of the network adapt; the outer gradient is of second order
(``maml``) or treats the inner gradient as a constant (``fomaml``, section 5.2).

Columns have no meaning in common from table to table, so that a network needs an input form:

    padded      the columns as they come, those beyond the network's inputs folded onto the first
    projected   their principal components
    columns     the same rotation of columns that were scaled first, each by what a meta-learned
                network reads off its statistics; this network is a part of the input form, and
                does not adapt

The features that the head sees are the inputs themselves beside the hidden units: without that
path MAML starts below a linear model on tables, and does not come back.

The order of an episode's classes is arbitrary and their number varies, so that a learned N-way
head is out of place. The head starts from centred class prototypes, the nearest-prototype rule
w_k = g (c_k - mean c), b_k = -g (|c_k|^2 - mean |c|^2) / 2 (Proto-MAML: Triantafillou et al.,
Meta-Dataset, ICLR 2020, arXiv 1903.03096, section 3.1), or from zero, and then adapts with the
other weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from autometa.config import FomamlConfig, MamlConfig
from autometa.episodes import EpisodeBatch
from autometa.learners._base import (
    AbstractLearner,
    Adapted,
    cross_entropy,
    one_hot,
    without_absent_ways,
)
from autometa.learners._column_network import column_network, mixture
from autometa.learners._inner_loop import Order, descend, support_gradient
from autometa.learners._temperature import TEMPERATURE_WEIGHTS, temperature

_INNER_CLIP = 1.0

_FEATURE_NORM = 1.5
"""Length of a row's inputs, and of its hidden units, in the order of magnitude: it makes an inner
rate of one fit a softmax head whatever the numbers of columns and units."""


class Maml(AbstractLearner):
    """A residual MLP whose weights all adapt by gradient descent on the support rows.

    Args:
        config: width, depth, inner_lr, inner_steps, inputs, columns and head.
        generator: source of the initial weights.
    """

    def __init__(self, config: MamlConfig | FomamlConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.config: MamlConfig | FomamlConfig = config
        self.order: Order = "second" if config.name == "maml" else "first"
        self.components = None if config.inputs == "padded" else config.columns
        sizes = [config.columns] + [config.width] * config.depth
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(fan_in, fan_out, generator=generator) * math.sqrt(2 / fan_in))
            for fan_in, fan_out in pairwise(sizes)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(size)) for size in sizes[1:])
        if config.inputs == "columns":
            # Log-scale of a column, and logit of its mixture of z-score and rank-gauss.
            self.column_network = column_network(
                (0.0, 0.0), width=config.width, depth=config.depth, generator=generator
            )
        # Value at one shot and slope in log shots: more rows make sharper prototypes.
        self.log_gain = nn.Parameter(torch.zeros(2))
        self.log_temperature = nn.Parameter(torch.zeros(TEMPERATURE_WEIGHTS))

    def adapt(self, batch: EpisodeBatch) -> Adapted:
        """Moves all weights and the head by ``inner_steps`` gradient steps."""
        state = self._input_form(batch)
        state |= {
            "way_mask": batch.way_mask_TW,
            "temperature": temperature(self.log_temperature, batch),
        }
        inputs_TSC = _inputs(batch.x_support_TSFH, state)
        fast = {
            f"weight{layer}": weight.expand(batch.tasks, *weight.shape)
            for layer, weight in enumerate(self.weights)
        }
        fast |= {
            f"bias{layer}": bias.expand(batch.tasks, *bias.shape)
            for layer, bias in enumerate(self.biases)
        }
        fast |= self._initial_head(self._features(fast, inputs_TSC), batch)

        def support_loss(current: Mapping[str, Tensor]) -> Tensor:
            logits_TSW = self._logits(current, inputs_TSC, batch.way_mask_TW)
            return cross_entropy(logits_TSW, batch.y_TS)

        adapted = descend(
            fast,
            lambda current: support_gradient(
                support_loss, current, order=self.order, clip=_INNER_CLIP
            ),
            inner_lr=self.config.inner_lr,
            inner_steps=self.config.inner_steps,
        )
        return adapted | state

    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Runs the adapted network on query rows."""
        logits_TQW = self._logits(adapted, _inputs(x_TQFH, adapted), adapted["way_mask"])
        return logits_TQW * adapted["temperature"][:, None, None]

    def _input_form(self, batch: EpisodeBatch) -> Adapted:
        """Returns how cells become inputs: the mixture of channels (TF), then a map (TFC)."""
        mask_TF = batch.column_mask_TF.to(batch.x_TRFH.dtype)
        # Each task is scaled by its own columns: a batch's padding must not change it.
        scale_TF = mask_TF * _FEATURE_NORM / mask_TF.sum(1, keepdim=True).clamp_min(1).sqrt()
        if self.config.inputs == "padded":
            slots_F = torch.arange(mask_TF.shape[1], device=mask_TF.device) % self.config.columns
            fold_FC = nn.functional.one_hot(slots_F, self.config.columns).to(mask_TF.dtype)
            return {"mix": torch.ones_like(mask_TF), "projection": scale_TF[..., None] * fold_FC}
        if batch.basis_TFC is None:
            raise ValueError("this input form needs batches packed with the learner's components")
        mix_TF = torch.ones_like(mask_TF)
        if self.config.inputs == "columns":
            said_TFO = self.column_network(batch.column_statistics_TFJ)
            scale_TF = scale_TF * said_TFO[..., 0].exp()
            mix_TF = said_TFO[..., 1].sigmoid()
        return {"mix": mix_TF, "projection": scale_TF[..., None] * batch.basis_TFC}

    def _initial_head(self, features_TSP: Tensor, batch: EpisodeBatch) -> dict[str, Tensor]:
        if self.config.head == "zero":
            zeros = features_TSP.new_zeros(batch.tasks, features_TSP.shape[2] + 1, batch.ways)
            return {"head_weight": zeros[:, :-1], "head_bias": zeros[:, -1]}
        labels_TSW = one_hot(batch.y_TS, batch.ways).to(features_TSP.dtype)
        present_TW = batch.way_mask_TW.to(features_TSP.dtype)
        ways_T1 = present_TW.sum(1, keepdim=True)
        sums_TWP = labels_TSW.mT @ features_TSP
        prototypes_TWP = sums_TWP / batch.shots_TW.clamp_min(1)[..., None]
        centre_T1P = prototypes_TWP.sum(1, keepdim=True) / ways_T1[..., None]
        norms_TW = prototypes_TWP.square().sum(-1)
        log_shots_T1 = batch.log_shots_T[:, None]
        gain_TW = (self.log_gain[0] + self.log_gain[1] * log_shots_T1).exp() * present_TW
        return {
            "head_weight": (gain_TW[..., None] * (prototypes_TWP - centre_T1P)).mT,
            "head_bias": -0.5 * gain_TW * (norms_TW - norms_TW.sum(1, keepdim=True) / ways_T1),
        }

    def _features(self, fast: Mapping[str, Tensor], inputs_TRC: Tensor) -> Tensor:
        """Returns the inputs beside the hidden units of the last layer (TRP)."""
        hidden_TRP = inputs_TRC
        for layer in range(len(self.weights)):
            hidden_TRP = torch.relu(
                torch.baddbmm(fast[f"bias{layer}"][:, None], hidden_TRP, fast[f"weight{layer}"])
            )
        hidden_TRP = hidden_TRP * (_FEATURE_NORM / math.sqrt(hidden_TRP.shape[-1]))
        return torch.cat([inputs_TRC, hidden_TRP], -1)

    def _logits(
        self, fast: Mapping[str, Tensor], inputs_TRC: Tensor, way_mask_TW: Tensor
    ) -> Tensor:
        features_TRP = self._features(fast, inputs_TRC)
        logits_TRW = torch.baddbmm(fast["head_bias"][:, None], features_TRP, fast["head_weight"])
        return without_absent_ways(logits_TRW, way_mask_TW)


def _inputs(x_TRFH: Tensor, state: Adapted) -> Tensor:
    """Returns the network's inputs (TRC)."""
    return mixture(x_TRFH, state["mix"]) @ state["projection"]
