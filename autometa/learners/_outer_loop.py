"""The outer loop shared by every learner: gradient descent on the query loss after adaptation.

MAML (arXiv 1703.03400, algorithm 1, line 8): theta <- theta - beta * grad_theta sum_i
L_query_i(f_theta'_i), here with AdamW, a cosine schedule after a short warm-up, and clipping.
Scores are taken on an exponential moving average of the weights, so that a rung in the middle of
the schedule is not judged at a high learning rate.

All weights are views of one vector: clipping, AdamW and averaging are then a few operations on it,
where those on a dozen small tensors would cost as much as the gradient.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from autometa.episodes import EpisodeBatch
from autometa.errors import RunError
from autometa.learners._base import AbstractLearner

_WARM_UP_STEPS = 50
_FINAL_RATE = 0.03
_WEIGHT_DECAY = 1e-4
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_CLIP_NORM = 1.0
_TINY = 1e-6
_MOMENTS = ("exp_avg", "exp_avg_sq")
_AVERAGE_DECAY = 0.99
_MIN_SKIPPED = 20
_MAX_SKIPPED_SHARE = 0.1


class DivergedError(RunError):
    """Meta-training produced too many losses or gradients that are not finite.

    >>> from autometa.config import ColumnKernelConfig
    >>> from autometa.episodes import TrainingEpisodes
    >>> from autometa.learners import build_learner
    >>> from autometa.tables import scale_table, synthetic_table
    >>> tables = [scale_table(synthetic_table(seed=0, index=0))]
    >>> shares = {"synthetic_share": 1.0, "augmented_share": 0.0}
    >>> episodes = TrainingEpisodes(
    ...     [], tables, seed=0, meta_batch=2, ways=2, components=None, **shares
    ... )
    >>> learner = build_learner(ColumnKernelConfig(width=8, depth=1), seed=0)
    >>> OuterLoop(learner, episodes.batch, outer_steps=30, outer_lr=1e38).run_until(30)
    Traceback (most recent call last):
        ...
    autometa.learners._outer_loop.DivergedError: meta-training diverged: 21 of 22 outer steps ...
    """


class OuterLoop:
    """Meta-trains a learner; can be stopped, saved and resumed at any step without a trace.

    Args:
        learner: the learner whose weights are trained in place.
        batches: maps an outer step, counted from 0, to its batch; a pure function.
        outer_steps: length of the schedule.
        outer_lr: peak step size.
        device: where to train.

    >>> from autometa.config import ColumnKernelConfig
    >>> from autometa.episodes import TrainingEpisodes
    >>> from autometa.learners import build_learner
    >>> from autometa.tables import scale_table, synthetic_table
    >>> tables = [scale_table(synthetic_table(seed=0, index=0))]
    >>> shares = {"synthetic_share": 1.0, "augmented_share": 0.0}
    >>> episodes = TrainingEpisodes(
    ...     [], tables, seed=0, meta_batch=2, ways=2, components=None, **shares
    ... )
    >>> learner = build_learner(ColumnKernelConfig(width=8, depth=1), seed=0)
    >>> loop = OuterLoop(learner, episodes.batch, outer_steps=3, outer_lr=1e-3)
    >>> loop.run_until(3)
    >>> loop.step, loop.skipped, loop.averaged().config.width
    (3, 0, 8)
    """

    def __init__(
        self,
        learner: AbstractLearner,
        batches: Callable[[int], EpisodeBatch],
        *,
        outer_steps: int,
        outer_lr: float,
        device: torch.device | str = "cpu",
    ) -> None:
        self.learner = learner.to(device)
        self.step = 0
        self.skipped = 0
        self._batches = batches
        self._outer_steps = outer_steps
        self._outer_lr = outer_lr
        self._device = device
        self._names = [name for name, _ in learner.named_parameters()]
        self._parameters: list[Tensor] = [parameter for _, parameter in learner.named_parameters()]
        self._weights_P = _flat(self._parameters)
        for parameter, view in zip(self._parameters, self._views(self._weights_P), strict=True):
            parameter.data = view
        self._average_P = self._weights_P.clone()
        self._moments = {name: torch.zeros_like(self._weights_P) for name in _MOMENTS}
        self._updates = torch.zeros((), device=device)

    def run_until(self, step: int, *, on_step: Callable[[int], None] | None = None) -> None:
        """Trains until ``step`` outer steps are done.

        Args:
            step: where to stop; nothing happens if it lies behind.
            on_step: called after each step with the number of steps done; may raise to stop.

        Raises:
            DivergedError: more than a tenth of the steps (and more than 20) were not finite.
        """
        self.learner.train()
        while self.step < step:
            self._train_step()
            self.step += 1
            allowed = max(_MIN_SKIPPED, _MAX_SKIPPED_SHARE * self.step)
            if self.skipped > allowed:
                raise DivergedError(
                    f"meta-training diverged: {self.skipped} of {self.step} outer steps gave a "
                    "loss or gradient that is not finite; lower inner_lr, inner_steps or outer_lr"
                )
            if on_step is not None:
                on_step(self.step)

    def averaged(self) -> AbstractLearner:
        """Returns a copy of the learner with the averaged weights."""
        learner = copy.deepcopy(self.learner)
        averages = self._views(self._average_P)
        for parameter, average in zip(learner.parameters(), averages, strict=True):
            # A tensor of its own: the copy is smaller, and outlives this loop.
            parameter.data = average.clone()
        return learner.eval()

    def state(self) -> dict[str, Tensor]:
        """Returns everything needed to resume, as named tensors."""
        tensors = {
            "counters": torch.tensor([self.step, self.skipped], dtype=torch.int64),
        }
        vectors = {"weight": self._weights_P, "average": self._average_P} | self._moments
        for kind, vector_P in vectors.items():
            for name, view in zip(self._names, self._views(vector_P), strict=True):
                tensors[f"{kind}/{name}"] = view.clone()
        tensors |= {f"step/{name}": self._updates.clone() for name in self._names}
        return tensors

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Resumes from what ``state`` returned.

        Raises:
            RunError: the tensors belong to another learner.
        """
        expected = {
            f"{kind}/{name}": parameter.shape
            for name, parameter in zip(self._names, self._parameters, strict=True)
            for kind in ("weight", "average")
        }
        given = {
            name: tensor.shape
            for name, tensor in tensors.items()
            if name.startswith(("weight/", "average/"))
        }
        if given != expected or "counters" not in tensors:
            raise RunError(
                "a checkpoint must hold the tensors of its learner; names or shapes differ from "
                f"those of {self.learner.config.name!r}: delete the checkpoint folder of this "
                "study and run again"
            )

        # Weights that never had a gradient may lack moments.
        def vector_P(kind: str) -> Tensor:
            parts = [
                tensors.get(f"{kind}/{name}", torch.zeros_like(parameter))
                for name, parameter in zip(self._names, self._parameters, strict=True)
            ]
            return _flat([part.to(self._weights_P) for part in parts])

        self.step, self.skipped = tensors["counters"].tolist()
        self._weights_P.copy_(vector_P("weight"))
        self._average_P.copy_(vector_P("average"))
        for kind, moment_P in self._moments.items():
            moment_P.copy_(vector_P(kind))
        updates = [float(value) for name, value in tensors.items() if name.startswith("step/")]
        self._updates.fill_(max(updates, default=0.0))

    def _views(self, vector_P: Tensor) -> list[Tensor]:
        """Returns the parts of a vector that belong to each parameter, in its shape."""
        sizes = [parameter.numel() for parameter in self._parameters]
        parts = torch.split(vector_P, sizes)
        return [
            part.view(parameter.shape)
            for part, parameter in zip(parts, self._parameters, strict=True)
        ]

    def _train_step(self) -> None:
        batch = self._batches(self.step).to(self._device)
        loss = self.learner.outer_loss(batch)
        gradients = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        gradient_P = _flat(gradients)
        norm = gradient_P.norm()
        if not bool(torch.isfinite(loss + norm)):
            self.skipped += 1
            return
        # The function and not the class torch.optim.AdamW, which imports the compiler of PyTorch:
        # that takes as long as importing PyTorch itself.
        adamw(
            [self._weights_P],
            [gradient_P * (_CLIP_NORM / (norm + _TINY)).clamp_max(1.0)],
            exp_avgs=[self._moments["exp_avg"]],
            exp_avg_sqs=[self._moments["exp_avg_sq"]],
            max_exp_avg_sqs=[],
            state_steps=[self._updates],
            fused=True,
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=_scheduled_rate(self.step, self._outer_steps) * self._outer_lr,
            weight_decay=_WEIGHT_DECAY,
            eps=_EPSILON,
            maximize=False,
        )
        decay = min(_AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        self._average_P.lerp_(self._weights_P, 1 - decay)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _scheduled_rate(step: int, outer_steps: int) -> float:
    """Linear warm-up, then half a cosine down to 3 %, as a share of the peak rate."""
    warm_up = min(1.0, (step + 1) / _WARM_UP_STEPS)
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / outer_steps, 1.0)))
    return warm_up * (_FINAL_RATE + (1 - _FINAL_RATE) * cosine)
