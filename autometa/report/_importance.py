"""Which meta-parameters matter, by the values at the first rung, which all trials reach.

The importance of a parameter is the share of the variance of a forest's predictions that it
explains alone (fANOVA: Hutter, Hoos and Leyton-Brown, ICML 2014).
"""

from __future__ import annotations

from collections.abc import Mapping

import optuna

from autometa.config import LEARNER_PARAMETER, StudySpec, learner_config_class

FEWEST_TRIALS = 8
"""Below this, a forest tells chance from cause in no parameter."""


def importances(study: optuna.Study, spec: StudySpec) -> dict[str, dict[str, float]]:
    """Returns, for each learner, the importance of its searched meta-parameters, largest first.

    What a trial did not draw, because it does nothing beside the others, counts with its default:
    fANOVA leaves out parameters that not all trials have.

    Args:
        study: a study that autometa made.
        spec: its specification.

    Returns:
        Learner -> parameter -> importance, between 0 and 1; learners with fewer than
        ``FEWEST_TRIALS`` trials that reached the first rung are left out.

    >>> iris = [{"source": "sklearn", "names": ["iris"]}]
    >>> tables = {"train": [{"source": "synthetic", "count": 20}], "validation": iris}
    >>> space = {"width": {"low": 8, "high": 64}, "depth": {"low": 1, "high": 4}}
    >>> spec = StudySpec(name="tiny", tables=tables, learner={"name": "maml"}, space=space)
    >>> study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    >>> for _ in range(8):
    ...     trial = study.ask()
    ...     width, _ = trial.suggest_int("width", 8, 64), trial.suggest_int("depth", 1, 4)
    ...     trial.report(width, step=spec.training.rungs[0])
    >>> list(importances(study, spec)["maml"])
    ['width', 'depth']
    """
    found = {}
    for learner in spec.space.branches:
        reached = _reached(study, spec, learner)
        trials = reached.get_trials(deepcopy=False)
        if len(trials) < FEWEST_TRIALS or not trials[0].distributions:
            continue
        if len({trial.value for trial in trials}) > 1:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            values = optuna.importance.get_param_importances(reached, evaluator=evaluator)
            found[learner] = {name: float(value) for name, value in values.items()}
    return found


def _reached(study: optuna.Study, spec: StudySpec, learner: str) -> optuna.Study:
    """Returns a study of one learner's trials, with their values at the first rung."""
    branch = spec.space.branches[learner]
    names = {spec.space.parameter_name(learner, field): field for field in branch}
    rung = spec.training.rungs[0]
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if rung in trial.intermediate_values and _is_of(trial.params, learner, spec)
    ]
    distributions = {
        name: distribution
        for trial in trials
        for name, distribution in trial.distributions.items()
        if name in names
    }
    defaults = learner_config_class(learner)()
    idle = {
        name: branch[names[name]].clip(getattr(defaults, names[name])) for name in distributions
    }
    reached = optuna.create_study(direction="maximize")
    for trial in trials:
        drawn = {name: value for name, value in trial.params.items() if name in distributions}
        reached.add_trial(
            optuna.trial.create_trial(
                params=idle | drawn,
                distributions=distributions,
                value=trial.intermediate_values[rung],
            )
        )
    return reached


def _is_of(params: Mapping[str, object], learner: str, spec: StudySpec) -> bool:
    return not spec.space.is_conditional or params.get(LEARNER_PARAMETER) == learner
