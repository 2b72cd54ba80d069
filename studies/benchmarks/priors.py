"""Warm starts from past studies on LCBench's surrogate, leave one task out.

Fixed before the report tasks were looked at: past studies are those of the other tasks of the same
side, 48 trials each of Optuna's default sampler with noise of standard deviation .04 on the
accuracy; a search has 32 trials of the same noise, drawn alike for all arms. The incumbent is the
trial of the best noisy value, the regret its true distance to the best of 3,000 random
configurations in units of their distance from median to best, at most 3. Reported: regret after 1,
2, 4, 8, 16 and 32 trials, the mean rank among the arms after 8 and 32, the first trial at which the
mean regret is at most that of cold TPE after 30, the share of runs that end more than .1 worse than
the cold run of the same seed, beside that share for a second cold run, and prior-led trials that
earned nothing. For comparison one arm has four past studies of the task itself instead of those of
others, and one those of the other side's tasks too. "Noise for a prior" ends better than a cold
search, for what the led trials learn from the study's own; "past alone" takes that away, and shall
be no different from cold. Intervals are 95 % bootstrap ones over tasks. ``--tasks development`` is
for choosing.

The report tasks have been run seven times: when nothing was left to choose, and after each of six
changes that were chosen on the development tasks. The first lets a portfolio end after two lost
entries (an inverted past cost 0.05 after 30 trials there, and 0.03 with it; on the report tasks it
had cost 0.07). The second lets the target's own trials correct the past, and the past lead for
longer while it keeps its say (10 seeds: regret after 32 trials 0.13 before and 0.06 with it). The
third let the past lead less where its wagers lose, for the sake of an inverted past; it was no
clean choice, and the fourth has taken it back. The fourth turns sources over that rank the trials
upside down, single ones and the past as a whole, and has proposals look at unknown places too
(10 seeds: an inverted past +0.02 before and -0.19 with it, ours 0.08 and 0.04 after 32 trials, 5.5
and 4.0 % of runs clearly worse than cold; how far they look was chosen with 20 further seeds).
Since an inverted past is no longer the worst case, "half of the parameters mirrored" joined then,
with the same target. The fifth is bolder, because a past that misleads had become cheap: trust that
few noisy trials do not overthrow, a past that leads nine of ten trials from a trust of .225 on, and
wagers won that are kept beyond the purse. It was chosen on the development tasks with noise of .06,
because on most of the report tasks noise is larger beside what there is to gain (10 seeds, chances
over 400 draws of the noise: clearly worse in 5.5 % of runs before and in 4.9 % with it, regret
after 32 trials 0.10 and 0.07; on 15 other seeds 5.9 % with it. With six stakes and a cap instead,
an inverted past went from -0.14 to -0.26 against cold after 30, a mirrored one from -0.10 to
-0.11). The sixth lets a lost wager win as soon as it beats the running median, and begins with six
stakes: a quarter to a third of the runs that ended clearly worse had lost all four stakes, and with
them the past, most of them to a lucky first trial of the base sampler. It was chosen on the
development tasks with noise of .06 and ten sources, as many as the report tasks have (25 seeds,
chances as before: clearly worse in 7.3 % of runs before, 6.7 % with the running median and 6.2 %
with six stakes too, where eight or any number give 6.1 %; with 10 of them an inverted past -0.20
with four stakes and -0.18 with six, a mirrored one -0.15 and -0.16).

``--check`` exits 1 where on the report tasks a target of ``targets`` is missed. A run that was cut
off goes on where it was when ``--runs`` names the same file.

``--few`` runs eight arms alone, for more seeds: with ten the interval of what an inverted past
costs is as wide as the cost.

``--surface FILE`` runs the arms on the table of ``surface.py`` instead, every group leaving itself
out; nothing was chosen there.

    python studies/benchmarks/priors.py --studies FOLDER --gp --check
    python studies/benchmarks/priors.py --studies FOLDER --few --seeds 30 --check
    python studies/benchmarks/priors.py --surface results/benchmarks/surface.parquet
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from benchmark_page import origin, publish
from lcbench import DEVELOPMENT, REPORT, SPACE, Surrogate
from optuna.samplers import GPSampler, TPESampler
from prior_arms import ARMS, OF_LCBENCH, Arm, Problem
from prior_figures import summarised
from priors_page import COLD_ARM, GP_ARM, Found, arm_table, page, targets_of
from surface_problem import Surface

from autometa.atomic import write_atomically
from autometa.priors import PURSE, PriorSampler, StudyPrior, purse_of

TRIALS = 32
_AGAIN = "TPE, another seed"
_ASKED_AT = (50, 1000, 5000)
_FEW_ARMS = (
    *(COLD_ARM, _AGAIN, "ours", "all inverted", "half of the parameters mirrored"),
    *("ours, no warranty", "four studies of the task itself", "all 30 other tasks"),
)


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--studies", type=Path, help="folder of LCBench's surrogate")
    source.add_argument("--surface", type=Path, help="table of surface.py, in its place")
    parser.add_argument("--tasks", choices=["development", "report"], default="report")
    parser.add_argument("--seeds", type=int, default=10)
    gp = parser.add_mutually_exclusive_group()
    gp.add_argument("--gp", action="store_true", help="run Optuna's GPSampler too")
    gp.add_argument("--gp-of", type=Path, help="take its row from the result of an earlier run")
    parser.add_argument("--runs", type=Path, help="keep single runs here, and go on from them")
    parser.add_argument("--few", action="store_true", help="run the most important arms alone")
    parser.add_argument("--quick", action="store_true", help="three development tasks, few arms")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args()


def searched(problem: Problem, arm: Arm, task: str, seed: int, past: list[Any]) -> Found:
    """Returns the regrets of one search and what its wagers came to."""
    space = arm.space or problem.space
    generator = np.random.default_rng([2, int(task), seed])
    changed = arm.past(past, generator)
    sampler = arm.sampler(changed, problem, space, int(task) * 101 + seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    added = arm.added(changed)
    study.add_trials(added)
    for params in arm.starts(changed, problem):
        study.enqueue_trial(params)
    noise = np.random.default_rng([3, int(task), seed]).normal(0, problem.noise, TRIALS)
    regrets: list[float] = []
    best = -np.inf
    seconds = 0.0
    for number in range(TRIALS):
        before = time.perf_counter()
        trial = study.ask(dict(space))
        seconds += time.perf_counter() - before
        value = float(problem.accuracy(task, [trial.params])[0]) + noise[number]
        study.tell(trial, value)
        if value > best:
            best = value
            regrets.append(problem.regret(task, trial.params))
        else:
            regrets.append(regrets[-1])
    purse = purse_of(study.get_trials(deepcopy=False), study.direction, size=PURSE)
    return {
        "regrets": [round(regret, 5) for regret in regrets],
        "led": purse.won + purse.lost + purse.open,
        "unearned": purse.lost + purse.open - purse.won,
        "ask_seconds": round(seconds / TRIALS, 4),
    }


def all_runs(
    problem: Problem, arms: dict[str, Arm], tasks: Sequence[str], options: argparse.Namespace
) -> dict[str, Found]:
    """Returns every run by ``arm/task/seed``, those of the file first."""
    kept = options.runs is not None and options.runs.exists()
    runs: dict[str, Found] = json.loads(options.runs.read_text()) if kept else {}
    for seed in range(options.seeds):
        started = time.perf_counter()
        names = [
            (name, task) for name in arms for task in tasks if f"{name}/{task}/{seed}" not in runs
        ]
        if not names:
            continue
        past = {task: problem.past_study(task, seed=seed) for task in tasks}
        for name, task in names:
            own = arms[name].studies(problem, past, task, seed)
            runs[f"{name}/{task}/{seed}"] = searched(problem, arms[name], task, seed, own)
            if options.runs is not None and task == tasks[-1]:
                data = json.dumps(runs).encode()
                write_atomically(options.runs, lambda file, data=data: file.write(data))
        print(f"seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    return runs


def timings(surrogate: Surrogate, tasks: Sequence[str]) -> Found:
    """Returns CPU seconds of an ask by trials in the study, and of learning from 50 studies of 100.

    Of the CPU, because other work on the machine shall not count.
    """
    past = surrogate.past_study(tasks[0], seed=0, trials=100)
    started = time.process_time()
    StudyPrior.learn([past] * 50)
    learning = time.process_time() - started
    # A source of a thousand trials: random ones, because only their number costs time.
    generator = np.random.default_rng(0)
    distributions = SPACE
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = []
    for _ in range(max(1000, *_ASKED_AT)):
        params = drawn.ask(distributions).params
        trials.append(
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=float(generator.normal())
            )
        )
    asks: dict[str, Found] = {}
    for count in _ASKED_AT:
        asks[str(count)] = {}
        for name in ("TPE", "ours"):
            large = optuna.create_study(study_name="large")
            large.add_trials(trials[:1000])
            learned = StudyPrior.learn(large).sources[0]
            sources = tuple(learned.model_copy(update={"name": str(index)}) for index in range(20))
            base = TPESampler(seed=0)
            sampler = (
                base
                if name == "TPE"
                else PriorSampler(base, StudyPrior(sources), space=SPACE, entries=0, seed=0)
            )
            study = optuna.create_study(sampler=sampler)
            study.add_trials(trials[:count])
            study.ask(SPACE)  # the view of the prior is made once in a process
            before = time.process_time()
            for _ in range(3):
                study.tell(study.ask(SPACE), 0.0)
            asks[str(count)][name] = round((time.process_time() - before) / 3, 3)
    return {"learning_50_studies_of_100": round(learning, 2), "ask_with_20_sources_of_1000": asks}


def on_surface(arms: dict[str, Arm], options: argparse.Namespace) -> int:
    """Runs the arms on the groups of families of ``surface.py`` and publishes what they found."""
    surface = Surface(options.surface)
    tasks = surface.tasks
    arms = {name: arm for name, arm in arms.items() if name not in OF_LCBENCH}
    if options.quick:
        options.seeds, tasks = 1, tasks[:3]
        arms = {name: arms[name] for name in _FEW_ARMS if name in arms}
    runs = all_runs(surface, arms, tasks, options)
    figures = summarised(runs, arms, tasks, options.seeds)
    lines = [
        "# Warm starts on autometa's own surface",
        "",
        origin("priors"),
        "",
        f"Surrogates of `surface.parquet` (`surface_problem.py`), {len(tasks)} groups of families, "
        f"{options.seeds} seeds, noise of standard deviation {surface.noise:.4f} nats.",
        "",
        *arm_table(figures),
    ]
    found = {"seeds": options.seeds, "noise": surface.noise, "arms": figures}
    return publish("priors_surface", lines, found, [], options)


def main() -> int:
    """Runs the arms and publishes what they found."""
    options = parse_arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    again = Arm(lambda past, problem, space, seed: TPESampler(seed=seed + 50_000_000))
    arms = dict(ARMS) | {_AGAIN: again}
    if options.gp:
        arms[GP_ARM] = Arm(lambda past, problem, space, seed: GPSampler(seed=seed))
    if options.surface is not None:
        return on_surface(arms, options)
    surrogate = Surrogate(options.studies)
    tasks: Sequence[str] = REPORT if options.tasks == "report" else DEVELOPMENT
    if options.quick:
        options.tasks, options.seeds, tasks = "development", 1, DEVELOPMENT[:3]
    if options.quick or options.few:
        arms = {name: arms[name] for name in _FEW_ARMS}
    runs = all_runs(surrogate, arms, tasks, options)
    figures = summarised(runs, arms, tasks, options.seeds)
    if options.gp_of is not None:
        # It has no part of autometa, so that its searches stay what they were.
        earlier = json.loads(options.gp_of.read_text())
        if (earlier["tasks"], earlier["seeds"]) != (options.tasks, options.seeds):
            raise SystemExit("--gp-of needs a result of the same tasks and seeds: use --gp")
        figures[GP_ARM] = earlier["arms"][GP_ARM] | {"rank_at_8": None, "rank_at_32": None}
    times = timings(surrogate, tasks)
    targets = targets_of(figures, times, trials=TRIALS, purse=PURSE)
    found = {"tasks": options.tasks, "seeds": options.seeds, "arms": figures, "times": times}
    lines = page(figures, times, targets, options, len(tasks))
    name = "priors_few" if options.few else "priors"
    return publish(name, lines, found, targets, options)


if __name__ == "__main__":
    raise SystemExit(main())
