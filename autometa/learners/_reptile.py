"""Reptile: weights move towards those that the tasks adapt to, and no query row is set apart.

Nichol, Achiam, Schulman, "On first-order meta-learning algorithms", 2018, arXiv 1803.02999,
algorithm 2: theta <- theta + epsilon mean_i (theta_i - theta), with theta_i what k inner steps on
task i lead to. As there (section 4), (theta - theta_i) / inner_lr stands for the gradient, and the
outer loop's optimiser takes it. All labelled rows of a training task are its data: the paper makes
no split. The inner steps are of gradient descent on all of them, where the paper draws minibatches.

The head has no part in it: the number of classes varies, so that it starts from zero in each task.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.learners._maml import Maml


class Reptile(Maml):
    """The network and the inner loop of MAML; its weights follow the adapted ones."""

    def outer_loss(self, batch: EpisodeBatch) -> Tensor:
        """Returns a function of the weights whose gradient is (theta - mean theta_i) / inner_lr.

        Its value is that of the product, and says nothing of how well the learner predicts.
        """
        with torch.no_grad():
            adapted = self.adapt(batch.all_labelled())
        total = torch.zeros((), device=self.log_gain.device)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # Inputs that no task of the batch has are left out of the adapted weights.
            ended_PU = adapted[f"weight{layer}"].mean(0).mT
            for theta, ended in (
                (weight[: len(ended_PU)], ended_PU),
                (bias, adapted[f"bias{layer}"].mean(0)),
            ):
                total = total + (theta * (theta - ended).detach()).sum()
        return total / self.config.inner_lr
