"""MAML and first-order MAML on an MLP over padded or projected columns.

Finn, Abbeel, Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML
2017, arXiv 1703.03400. All weights adapt; the outer gradient is of second order (``maml``) or
treats the inner gradient as a constant (``fomaml``, section 5.2).

The order of an episode's classes is arbitrary and their number varies, so that a learned N-way
head is out of place. The head starts from class prototypes, w_k = 2 c_k and b_k = -|c_k|^2
(Proto-MAML: Triantafillou et al., Meta-Dataset, ICLR 2020, arXiv 1903.03096, section 3.1), or from
zero, and then adapts with the other weights.
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
from autometa.learners._inner_loop import Order, descend, support_gradient

_INNER_CLIP = 1.0


class Maml(AbstractLearner):
    """An MLP whose weights all adapt by gradient descent on the support rows.

    Args:
        config: width, depth, inner_lr, inner_steps, inputs, columns and head.
        generator: source of the initial weights.
    """

    def __init__(self, config: MamlConfig | FomamlConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.config: MamlConfig | FomamlConfig = config
        self.order: Order = "second" if config.name == "maml" else "first"
        self.components = config.columns if config.inputs == "projected" else None
        sizes = [config.columns] + [config.width] * config.depth
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(fan_in, fan_out, generator=generator) * math.sqrt(2 / fan_in))
            for fan_in, fan_out in pairwise(sizes)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(size)) for size in sizes[1:])
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.log_temperature = nn.Parameter(torch.zeros(()))

    def adapt(self, batch: EpisodeBatch) -> Adapted:
        """Moves all weights and the head by ``inner_steps`` gradient steps."""
        projection_TFC = self._projection(batch)
        inputs_TSC = _inputs(batch.x_support_TSFH, projection_TFC)
        fast = {
            f"weight{layer}": weight.expand(batch.tasks, *weight.shape)
            for layer, weight in enumerate(self.weights)
        }
        fast |= {
            f"bias{layer}": bias.expand(batch.tasks, *bias.shape)
            for layer, bias in enumerate(self.biases)
        }
        fast |= self._initial_head(fast, inputs_TSC, batch)

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
        return adapted | {"projection": projection_TFC, "way_mask": batch.way_mask_TW}

    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Runs the adapted network on query rows."""
        inputs_TQC = _inputs(x_TQFH, adapted["projection"])
        logits_TQW = self._logits(adapted, inputs_TQC, adapted["way_mask"])
        return logits_TQW * self.log_temperature.exp()

    def _projection(self, batch: EpisodeBatch) -> Tensor:
        """Returns the linear map (TFC) from encoded columns to the network's inputs."""
        if self.config.inputs == "projected":
            if batch.basis_TFC is None:
                raise ValueError("a projected learner needs batches packed with its components")
            return batch.basis_TFC
        # Columns beyond the inputs are folded onto the first ones, so that no column is cut. Each
        # input is scaled by the task's own columns: a batch's padding must not change a task.
        columns = batch.column_mask_TF.shape[1]
        slots = torch.arange(columns, device=batch.x_TRFH.device) % self.config.columns
        fold_FC = torch.nn.functional.one_hot(slots, self.config.columns).to(batch.x_TRFH.dtype)
        fold_TFC = fold_FC * batch.column_mask_TF[..., None]
        return fold_TFC / fold_TFC.sum(1, keepdim=True).clamp_min(1).sqrt()

    def _initial_head(
        self, fast: Mapping[str, Tensor], inputs_TSC: Tensor, batch: EpisodeBatch
    ) -> dict[str, Tensor]:
        embedding_TSP = self._embed(fast, inputs_TSC)
        size = embedding_TSP.shape[-1]
        if self.config.head == "zero":
            zeros = embedding_TSP.new_zeros(batch.tasks, size + 1, batch.ways)
            return {"head_weight": zeros[:, :-1], "head_bias": zeros[:, -1]}
        labels_TSW = one_hot(batch.y_TS, batch.ways).to(embedding_TSP.dtype)
        sums_TWP = labels_TSW.transpose(1, 2) @ embedding_TSP
        prototypes_TWP = sums_TWP / batch.shots_TW.clamp_min(1)[..., None]
        gain = self.log_gain.exp() / math.sqrt(size)
        return {
            "head_weight": 2 * gain * prototypes_TWP.transpose(1, 2),
            "head_bias": -gain * prototypes_TWP.square().sum(-1),
        }

    def _embed(self, fast: Mapping[str, Tensor], inputs_TRC: Tensor) -> Tensor:
        hidden_TRP = inputs_TRC
        for layer in range(len(self.weights)):
            hidden_TRP = torch.relu(
                torch.baddbmm(fast[f"bias{layer}"][:, None], hidden_TRP, fast[f"weight{layer}"])
            )
        return hidden_TRP

    def _logits(
        self, fast: Mapping[str, Tensor], inputs_TRC: Tensor, way_mask_TW: Tensor
    ) -> Tensor:
        embedding_TRP = self._embed(fast, inputs_TRC)
        logits_TRW = torch.baddbmm(fast["head_bias"][:, None], embedding_TRP, fast["head_weight"])
        return without_absent_ways(logits_TRW, way_mask_TW)


def _inputs(x_TRFH: Tensor, projection_TFC: Tensor) -> Tensor:
    """Returns the network's inputs (TRC): projected z-scores."""
    return x_TRFH[..., 0] @ projection_TFC
