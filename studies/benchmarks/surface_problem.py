"""``results/benchmarks/surface.parquet`` as a problem for ``priors.py``: a surrogate of each group.

A group of families is a task. Its log-loss at the last rung, mean of the seeds, is interpolated by
extremely randomized trees (Geurts et al., Machine Learning 2006), which return a measured value at
a measured point. Meta-parameters without an effect beside the others are told by one value, so that
equal learners are equal points. The noise of an observation is that between seeds: the standard
deviation of a group's differences over the square root of two, the median of the groups.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from fold_training import SEARCHED, default_config
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from sklearn.ensemble import ExtraTreesRegressor

from autometa.config import is_idle

_LEARNER = "column_kernel"
_TREES = 100
_SCALED_ON = 3000
_MOST_REGRET = 3.0


def _space() -> dict[str, BaseDistribution]:
    space: dict[str, BaseDistribution] = {}
    for name, dimension in SEARCHED[_LEARNER].items():
        if "choices" in dimension:
            space[name] = CategoricalDistribution(dimension["choices"])
        elif isinstance(dimension["low"], int):
            space[name] = IntDistribution(dimension["low"], dimension["high"])
        else:
            space[name] = FloatDistribution(dimension["low"], dimension["high"], log=True)
    return space


def _default() -> dict[str, Any]:
    """Returns the package's default, with the nearest choice where its own value is none."""
    config = default_config()
    found: dict[str, Any] = {}
    for name, distribution in _space().items():
        value = getattr(config, name)
        if isinstance(distribution, CategoricalDistribution) and value not in distribution.choices:
            choices: list[Any] = list(distribution.choices)
            value = min(choices, key=lambda choice, own=value: abs(choice - own))
        found[name] = value
    return found


class Surface:
    """The surrogate of all groups.

    Args:
        file: the table.
    """

    space = _space()
    default: Mapping[str, Any] = _default()

    def __init__(self, file: Path) -> None:
        frame = pd.read_parquet(file)
        frame = frame[frame["rung"] == frame["rung"].max()]
        self.tasks = [str(group) for group in sorted(frame["group"].unique())]
        self._models: dict[str, ExtraTreesRegressor] = {}
        self._scales: dict[str, tuple[float, float]] = {}
        spreads = []
        for task in self.tasks:
            group = frame[frame["group"] == int(task)]
            losses_CS = group.pivot(index="configuration", columns="seed", values="log_loss")
            worst = float(np.nanmax(losses_CS.to_numpy()))
            mean_C = losses_CS.fillna(worst).mean(axis=1)
            rows = group.drop_duplicates("configuration").set_index("configuration")
            configs = rows.loc[mean_C.index, list(self.space)].to_dict("records")
            model = ExtraTreesRegressor(_TREES, random_state=0, n_jobs=1)
            self._models[task] = model.fit(self._features(configs), -mean_C.to_numpy())
            if losses_CS.shape[1] > 1:
                spreads.append(float(losses_CS.iloc[:, 0].sub(losses_CS.iloc[:, 1]).std()))
        self.noise = float(np.median(spreads)) / math.sqrt(2) if spreads else 0.0

    @cached_property
    def _random(self) -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        return [study.ask(self.space).params for _ in range(_SCALED_ON)]

    def accuracy(self, task: str, configs: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, Any]:
        """Returns the negative log-losses, shape (n,)."""
        trees = self._models[task].estimators_
        rows = np.asarray(self._features(configs), np.float32)
        # The forest's own predict says the same, and takes 15 times as long for a single row.
        summed = sum((tree.tree_.predict(rows)[:, 0] for tree in trees), np.zeros(len(rows)))
        return np.asarray(summed / len(trees))

    def regret(self, task: str, config: Mapping[str, Any]) -> float:
        """Returns how far a configuration is below the best of 3,000 random ones.

        In units of the distance from their median to their best, from 0 to 3.
        """
        if task not in self._scales:
            values = self.accuracy(task, self._random)
            self._scales[task] = float(values.max()), float(values.max() - np.median(values))
        best, unit = self._scales[task]
        found = float(self.accuracy(task, [config])[0])
        return min(_MOST_REGRET, max(0.0, (best - found) / unit))

    def past_study(self, task: str, *, seed: int, trials: int = 48) -> optuna.Study:
        """Returns a study as a user leaves it behind: short, noisy, by Optuna's default sampler."""
        generator = np.random.default_rng([6, int(task), seed])
        sampler = optuna.samplers.TPESampler(seed=int(generator.integers(2**31)))
        study = optuna.create_study(
            study_name=f"group {task} ({seed})", direction="maximize", sampler=sampler
        )
        for _ in range(trials):
            trial = study.ask(self.space)
            value = float(self.accuracy(task, [trial.params])[0])
            study.tell(trial, value + generator.normal(0, self.noise))
        return study

    def _features(self, configs: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, Any]:
        return np.array([self._encoded(config) for config in configs])

    def _encoded(self, config: Mapping[str, Any]) -> list[float]:
        cells = []
        for name, distribution in self.space.items():
            value = config.get(name, self.default[name])
            if is_idle(_LEARNER, name, config):
                value = self.default[name]
            if isinstance(distribution, CategoricalDistribution):
                is_ordered = all(
                    isinstance(choice, int) and not isinstance(choice, bool)
                    for choice in distribution.choices
                )
                cells.append(math.log(value) if is_ordered else distribution.choices.index(value))
            else:
                cells.append(math.log(value))
        return cells
