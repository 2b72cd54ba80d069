"""A forest is tuned on one table, and then on another that begins with what the first has found."""

from __future__ import annotations

import optuna
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

import optunahub

module = optunahub.load_module("samplers/prior_sampler")


def tuned(study: optuna.Study, table: tuple[object, object], *, trials: int = 12) -> None:
    """Tunes a forest on a table."""

    def objective(trial: optuna.Trial) -> float:
        forest = RandomForestClassifier(
            n_estimators=10,
            max_depth=trial.suggest_int("max_depth", 1, 20),
            max_features=trial.suggest_float("max_features", 0.05, 1.0),
            random_state=0,
        )
        return float(cross_val_score(forest, *table, cv=3).mean())

    study.optimize(objective, n_trials=trials)


past = optuna.create_study(study_name="wine", direction="maximize")
tuned(past, load_wine(return_X_y=True))

prior = module.StudyPrior.learn(past)
sampler = module.PriorSampler(optuna.samplers.TPESampler(seed=0), prior, seed=0)
study = optuna.create_study(direction="maximize", sampler=sampler)
tuned(study, load_breast_cancer(return_X_y=True))
print(study.best_params, [trial.user_attrs["autometa:origin"] for trial in study.trials])
