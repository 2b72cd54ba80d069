"""Warm starts where trials are pruned: epochs of LCBench's surrogate as rungs.

Fixed before the report tasks were looked at: a search may spend the epochs of 32 full trainings.
Arms with halving report after 6, 18 and 52 epochs to Optuna's successive halving (a third goes on);
the others train all 52. Values have noise of standard deviation .04 at every report. Past studies
are those of the other tasks of the same side, 48 trials of Optuna's default sampler with halving,
or without it for the arms without. The incumbent is the complete trial of the best noisy value, the
regret that of ``priors.py``; before a trial is complete it is 3. Reported: mean regret when the
epochs of 1, 2, 4, 8, 16 and 32 full trainings are spent, with a 95 % bootstrap interval over tasks
after 8; trials begun; and the epochs, in full trainings, after which the regret is at most that of
TPE with halving at the end. ``--tasks development`` is for choosing; nothing was chosen.

A run that was cut off goes on where it was when ``--runs`` names the same file.

    python studies/benchmarks/prior_rungs.py --studies FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from benchmark_page import origin, publish, table
from lcbench import DEFAULT, DEVELOPMENT, EPOCHS, NOISE, REPORT, SPACE, Surrogate
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from prior_figures import first_at, interval

from autometa.atomic import write_atomically
from autometa.priors import PriorSampler, StudyPrior

_FULL_TRAININGS = 32
_MARKS = (1, 2, 4, 8, 16, 32)
_RUNGS = (6, 18, EPOCHS)
_PAST_TRIALS = 48
_MOST_REGRET = 3.0
_COLD = "TPE, halving"
_QUICK_TASKS = 3


@dataclass(frozen=True)
class Arm:
    """A way to search.

    Attributes:
        sampler: makes it from the past and a seed.
        is_pruned: whether trials report at the rungs.
    """

    sampler: Callable[[list[optuna.Study], int], BaseSampler]
    is_pruned: bool = True


def _ours(past: list[optuna.Study], seed: int) -> BaseSampler:
    prior = StudyPrior.learn(past)
    return PriorSampler(TPESampler(seed=seed), prior, space=SPACE, anchor=DEFAULT, seed=seed)


ARMS: dict[str, Arm] = {
    "random, halving": Arm(lambda past, seed: RandomSampler(seed=seed)),
    "TPE": Arm(lambda past, seed: TPESampler(seed=seed), is_pruned=False),
    _COLD: Arm(lambda past, seed: TPESampler(seed=seed)),
    "ours": Arm(_ours, is_pruned=False),
    "ours, halving": Arm(_ours),
}


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--studies", type=Path, required=True, help="folder of the surrogate")
    parser.add_argument("--tasks", choices=["development", "report"], default="report")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, help="keep single runs here, and go on from them")
    parser.add_argument("--quick", action="store_true", help="three development tasks, one seed")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="there is no target: exits 0")
    return parser.parse_args()


def pruner_of(*, is_pruned: bool) -> BasePruner:
    """Returns successive halving, or none."""
    if not is_pruned:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=_RUNGS[0], reduction_factor=3)


def train(
    study: optuna.Study,
    surrogate: Surrogate,
    task: str,
    noise: np.random.Generator,
    *,
    is_pruned: bool,
) -> tuple[optuna.trial.FrozenTrial, int]:
    """Runs one trial; returns it as told, and the epochs that it took."""
    trial = study.ask(SPACE)
    value = 0.0
    for epoch in _RUNGS if is_pruned else _RUNGS[-1:]:
        found = surrogate.accuracy(task, [trial.params], epoch=epoch)[0]
        value = float(found) + float(noise.normal(0, NOISE))
        trial.report(value, epoch)
        if epoch < EPOCHS and trial.should_prune():
            return study.tell(trial, state=optuna.trial.TrialState.PRUNED), epoch
    return study.tell(trial, value), EPOCHS


def past_study(surrogate: Surrogate, task: str, seed: int, *, is_pruned: bool) -> optuna.Study:
    """Returns a study as a user leaves it behind."""
    generator = np.random.default_rng([4, int(task), seed])
    study = optuna.create_study(
        study_name=f"{task} ({seed})",
        direction="maximize",
        sampler=TPESampler(seed=int(generator.integers(2**31))),
        pruner=pruner_of(is_pruned=is_pruned),
    )
    for _ in range(_PAST_TRIALS):
        train(study, surrogate, task, generator, is_pruned=is_pruned)
    return study


def searched(
    surrogate: Surrogate, arm: Arm, task: str, seed: int, past: list[optuna.Study]
) -> dict[str, Any]:
    """Returns the regret after every full training's worth of epochs, and the trials begun."""
    study = optuna.create_study(
        direction="maximize",
        sampler=arm.sampler(past, int(task) * 101 + seed),
        pruner=pruner_of(is_pruned=arm.is_pruned),
    )
    noise = np.random.default_rng([5, int(task), seed])
    regrets = [_MOST_REGRET] * _FULL_TRAININGS
    spent, best = 0, -np.inf
    while spent < _FULL_TRAININGS * EPOCHS:
        told, epochs = train(study, surrogate, task, noise, is_pruned=arm.is_pruned)
        spent += epochs
        if told.value is not None and told.state.name == "COMPLETE" and told.value > best:
            best = told.value
            # It counts from the first full training at whose end it was known.
            known_from = -(-spent // EPOCHS) - 1
            regret = surrogate.regret(task, told.params)
            regrets[known_from:] = [regret] * len(regrets[known_from:])
    return {"regrets": [round(regret, 5) for regret in regrets], "trials": len(study.trials)}


def all_runs(
    surrogate: Surrogate, tasks: Sequence[str], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Returns every run by ``arm/task/seed``, those of the file first."""
    kept = options.runs is not None and options.runs.exists()
    runs: dict[str, dict[str, Any]] = json.loads(options.runs.read_text()) if kept else {}
    for seed in range(options.seeds):
        wanted = [
            (name, task) for task in tasks for name in ARMS if f"{name}/{task}/{seed}" not in runs
        ]
        if not wanted:
            continue
        past = {
            (task, is_pruned): past_study(surrogate, task, seed, is_pruned=is_pruned)
            for task in tasks
            for is_pruned in (True, False)
        }
        for name, task in wanted:
            others = [past[other, ARMS[name].is_pruned] for other in tasks if other != task]
            runs[f"{name}/{task}/{seed}"] = searched(surrogate, ARMS[name], task, seed, others)
            if options.runs is not None and name == list(ARMS)[-1]:
                data = json.dumps(runs).encode()
                write_atomically(options.runs, lambda file, data=data: file.write(data))
        print(f"seed {seed} done", flush=True)
    return runs


def main() -> int:
    """Runs the arms and publishes what they found."""
    options = parse_arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    surrogate = Surrogate(options.studies)
    tasks: Sequence[str] = REPORT if options.tasks == "report" else DEVELOPMENT
    if options.quick:
        options.tasks, options.seeds, tasks = "development", 1, DEVELOPMENT[:_QUICK_TASKS]
    runs = all_runs(surrogate, tasks, options)
    seeds = range(options.seeds)
    regrets = {
        name: np.array(
            [[runs[f"{name}/{task}/{seed}"]["regrets"] for seed in seeds] for task in tasks]
        )
        for name in ARMS
    }
    goal = float(regrets[_COLD].mean(axis=(0, 1))[-1])
    rows, figures = [], {}
    for name, found in regrets.items():
        curve = found.mean(axis=(0, 1))
        low, high = interval(found[..., 7].mean(axis=1))
        trials = [runs[f"{name}/{task}/{seed}"]["trials"] for task in tasks for seed in seeds]
        reached = first_at(curve, goal)
        figures[name] = {
            "regret": {str(mark): round(float(curve[mark - 1]), 4) for mark in _MARKS},
            "interval_at_8": [low, high],
            "trials": float(np.mean(trials)),
            "full_trainings_to_cold_at_the_end": reached,
        }
        rows.append(
            [
                name,
                *(f"{curve[mark - 1]:.3f}" for mark in _MARKS),
                f"{low:.3f} to {high:.3f}",
                f"{np.mean(trials):.0f}",
                str(reached or "never"),
            ]
        )
    lines = [
        "# Warm starts where trials are pruned",
        "",
        origin("prior_rungs"),
        "",
        f"LCBench's surrogate, {options.tasks} tasks ({len(tasks)}), {options.seeds} seeds. Regret "
        "by the epochs spent, in full trainings:",
        "",
        *table(
            [
                "arm",
                *(f"@{mark}" for mark in _MARKS),
                "interval @8",
                "trials",
                f"full trainings to {_COLD}'s end",
            ],
            rows,
        ),
    ]
    found_all = {"tasks": options.tasks, "seeds": options.seeds, "arms": figures}
    return publish("prior_rungs", lines, found_all, [], options)


if __name__ == "__main__":
    raise SystemExit(main())
