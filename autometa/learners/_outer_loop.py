"""The outer loop shared by every learner: gradient descent on the query loss after adaptation.

MAML (arXiv 1703.03400, algorithm 1, line 8): theta <- theta - beta * grad_theta sum_i
L_query_i(f_theta'_i), here with AdamW, a cosine schedule after a short warm-up, and clipping.
Scores are taken on an exponential moving average of the weights, so that a rung in the middle of
the schedule is not judged at a high learning rate.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor

from autometa.episodes import EpisodeBatch
from autometa.errors import RunError
from autometa.learners._base import AbstractLearner, cross_entropy

_WARM_UP_STEPS = 50
_FINAL_RATE = 0.03
_WEIGHT_DECAY = 1e-4
_BETAS = (0.9, 0.99)
_CLIP_NORM = 1.0
_AVERAGE_DECAY = 0.99
_MIN_SKIPPED = 20
_MAX_SKIPPED_SHARE = 0.1


class DivergedError(RunError):
    """Meta-training produced too many losses or gradients that are not finite."""


class OuterLoop:
    """Meta-trains a learner; can be stopped, saved and resumed at any step without a trace.

    Args:
        learner: the learner whose weights are trained in place.
        batches: maps an outer step, counted from 0, to its batch; a pure function.
        outer_steps: length of the schedule.
        outer_lr: peak step size.
        device: where to train.
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
        self._average = [parameter.detach().clone() for parameter in self._parameters]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=outer_lr, betas=_BETAS, weight_decay=_WEIGHT_DECAY
        )

    def run_until(self, step: int, *, on_step: Callable[[int], None] | None = None) -> None:
        """Trains until ``step`` outer steps are done.

        Args:
            step: where to stop; nothing happens if it lies behind.
            on_step: called after each step with the number of steps done; may raise to stop.

        Raises:
            DivergedError: more than a tenth of the steps (and more than 20) were not finite.
        """
        while self.step < step:
            self._train_step()
            self.step += 1
            allowed = max(_MIN_SKIPPED, _MAX_SKIPPED_SHARE * self.step)
            if self.skipped > allowed:
                raise DivergedError(
                    f"meta-training diverged: {self.skipped} of {self.step} outer steps gave a "
                    "loss or gradient that is not finite; lower inner_lr or inner_steps"
                )
            if on_step is not None:
                on_step(self.step)

    def averaged(self) -> AbstractLearner:
        """Returns a copy of the learner with the averaged weights."""
        learner = copy.deepcopy(self.learner)
        with torch.no_grad():
            for parameter, average in zip(learner.parameters(), self._average, strict=True):
                parameter.copy_(average)
        return learner.eval()

    def state(self) -> dict[str, Tensor]:
        """Returns everything needed to resume, as named tensors."""
        tensors = {
            "counters": torch.tensor([self.step, self.skipped], dtype=torch.int64),
        }
        for name, parameter, average in zip(
            self._names, self._parameters, self._average, strict=True
        ):
            tensors[f"weight/{name}"] = parameter.detach().clone()
            tensors[f"average/{name}"] = average.clone()
            moments = self._optimizer.state.get(parameter, {})
            for key, value in moments.items():
                tensors[f"{key}/{name}"] = torch.as_tensor(value).clone()
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
        self.step, self.skipped = tensors["counters"].tolist()
        self._optimizer.state.clear()
        for name, parameter, average in zip(
            self._names, self._parameters, self._average, strict=True
        ):
            with torch.no_grad():
                parameter.copy_(tensors[f"weight/{name}"])
                average.copy_(tensors[f"average/{name}"])
            if f"exp_avg/{name}" in tensors:
                self._optimizer.state[parameter] = {
                    # AdamW keeps its step counts on the CPU, and its moments with the weights.
                    "step": tensors[f"step/{name}"].clone(),
                    "exp_avg": tensors[f"exp_avg/{name}"].to(parameter.device, copy=True),
                    "exp_avg_sq": tensors[f"exp_avg_sq/{name}"].to(parameter.device, copy=True),
                }

    def _train_step(self) -> None:
        rate = _scheduled_rate(self.step, self._outer_steps) * self._outer_lr
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batch = self._batches(self.step).to(self._device)
        self.learner.train()
        loss = cross_entropy(self.learner(batch), batch.y_TQ).mean()
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, _CLIP_NORM)
        if not bool(torch.isfinite(loss)) or not bool(torch.isfinite(norm)):
            self.skipped += 1
            return
        self._optimizer.step()
        decay = min(_AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self._average, self._parameters, 1 - decay)


def _scheduled_rate(step: int, outer_steps: int) -> float:
    """Linear warm-up, then half a cosine down to 3 %, as a share of the peak rate."""
    warm_up = min(1.0, (step + 1) / _WARM_UP_STEPS)
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / outer_steps, 1.0)))
    return warm_up * (_FINAL_RATE + (1 - _FINAL_RATE) * cosine)
