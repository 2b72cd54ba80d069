"""LCBench's surrogate: multilayer perceptrons on OpenML tasks, and short noisy studies of them.

Asks for the folder with ``model.onnx`` and ``encoding.json`` of YAHPO Gym's ``lcbench``, and for
the package ``onnxruntime``. The seven searched parameters are those of LCBench; the score is the
validation accuracy after all epochs, between 0 and 1, with Gaussian noise on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

DEVELOPMENT = (
    *("126025", "126026", "146212", "167149", "167152", "167168", "167184", "167185", "167200"),
    *("168329", "168330", "168335", "168908", "168910", "189862", "189866", "189873", "189906"),
    *("189909", "34539"),
)
"""Tasks on which everything was chosen."""

REPORT = (
    *("126029", "167161", "167181", "167190", "168331", "168868", "189354", "189865", "189908"),
    *("3945", "7593"),
)
"""Tasks that were looked at once, when nothing was left to choose."""

SPACE: dict[str, BaseDistribution] = {
    "batch_size": IntDistribution(16, 512, log=True),
    "learning_rate": FloatDistribution(1e-4, 0.1, log=True),
    "momentum": FloatDistribution(0.1, 0.99),
    "weight_decay": FloatDistribution(1e-5, 0.1),
    "num_layers": IntDistribution(1, 5),
    "max_units": IntDistribution(64, 1024, log=True),
    "max_dropout": FloatDistribution(0.0, 1.0),
}
DEFAULT: dict[str, Any] = {
    "batch_size": 91,
    "learning_rate": 0.0031622777,
    "momentum": 0.545,
    "weight_decay": 0.050005,
    "num_layers": 3,
    "max_units": 256,
    "max_dropout": 0.5,
}
"""The middle of every range, as LCBench's own space has it."""

EPOCHS = 52
NOISE = 0.04
_SCALED_ON = 3000
_MOST_REGRET = 3.0


class Surrogate:
    """The surrogate of all tasks.

    Args:
        folder: with ``model.onnx`` and ``encoding.json``.
    """

    space = SPACE
    default = DEFAULT
    noise = NOISE

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        encoding = json.loads((folder / "encoding.json").read_text())
        self._codes: dict[str, int] = encoding["OpenML_task_id"]
        self._scales: dict[str, tuple[float, float]] = {}

    def accuracy(
        self, task: str, configs: Sequence[Mapping[str, Any]], *, epoch: int = EPOCHS
    ) -> np.ndarray[Any, Any]:
        """Returns the true accuracies, shape (n,)."""
        rows = [[epoch, *(config.get(name, DEFAULT[name]) for name in SPACE)] for config in configs]
        codes = np.full((len(rows), 1), self._codes[task], np.int32)
        inputs = {"x_cat": codes, "x_cont": np.array(rows, np.float32)}
        return np.asarray(self._session.run(None, inputs)[0][:, 1] / 100)

    def regret(self, task: str, config: Mapping[str, Any]) -> float:
        """Returns how far a configuration is below the best of 3,000 random ones.

        In units of the distance from their median to their best, and at most 3.
        """
        if task not in self._scales:
            accuracies = self.accuracy(task, random_configs(_SCALED_ON))
            best = float(accuracies.max())
            self._scales[task] = best, best - float(np.median(accuracies))
        best, unit = self._scales[task]
        return min(_MOST_REGRET, (best - float(self.accuracy(task, [config])[0])) / unit)

    def past_study(self, task: str, *, seed: int, trials: int = 48) -> optuna.Study:
        """Returns a study as a user leaves it behind: short, noisy, by Optuna's default sampler."""
        generator = np.random.default_rng([1, int(task), seed])
        sampler = optuna.samplers.TPESampler(seed=int(generator.integers(2**31)))
        study = optuna.create_study(
            study_name=f"{task} ({seed})", direction="maximize", sampler=sampler
        )
        for _ in range(trials):
            trial = study.ask(SPACE)
            accuracy = float(self.accuracy(task, [trial.params])[0])
            study.tell(trial, accuracy + generator.normal(0, NOISE))
        return study


@cache
def random_configs(count: int) -> tuple[dict[str, Any], ...]:
    """Returns random configurations, always the same."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return tuple(study.ask(SPACE).params for _ in range(count))
