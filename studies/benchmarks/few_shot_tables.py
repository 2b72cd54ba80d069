"""Few-shot accuracy on unseen tables: five folds by family over every table of a folder.

Fixed before the runs:

- Folds: families are dealt to five folds (``table_folds.py``); each table is tested once, by
  learners that have seen neither it nor its family. 2,000 random tables are added to training.
- ``autometa``: in each fold a study (30 trials by one worker, K = 1 to 20, unlabelled; three
  finalists, the default among them, with three fresh seeds each) on the fold's training tables
  alone, a quarter of whose families validate, chooses head, gate, smoothing, adapt, inner_lr,
  inner_steps, width and depth; that configuration is then trained on all of the fold's training
  tables, 6,000 outer steps, seed 0. ``autometa default``: the package's configuration, untouched,
  trained alike. ``prototype`` (with ``--prototype DIR``): 240 seconds of
  CPU on the same tables, by its own recipe.
- Episodes: up to 5 ways, 15 queries per class, K = 1, 3, 5, 10, 20, 30 episodes per table, setting
  and K. Every baseline on the same episodes.
- Reported in each setting (unlabelled, transductive, inductive) and at each K: accuracy as mean
  over families; the advantage over each baseline with a 95 % interval by bootstrap over families,
  and Holm's correction over shots and opponents of a setting; mean rank over tables; wins and
  losses; log-loss. Calibration (mean confidence less accuracy) was added after the runs.
- ``--check``, unlabelled: above LR, LDA, RF, ExtraTrees and the soft vote at K = 1, 3, 5, with the
  corrected interval above zero against LR and LDA; not below RF at K = 10 and 20; one point above
  the prototype at each K.

    python studies/benchmarks/few_shot_tables.py --tables DIR --prototype DIR --check

What is done is kept in ``--work DIR``, so that a run can be gone on with; ``--methods`` and
``--folds`` run a part of it. An earlier form searched for four minutes with two workers beside
other jobs, which left 13 to 25 trials and one finalist; its winners were 0.5 / 0.9 / 0.7 / 0.8 /
0.8 points above the prototype. Its trials are why the default is a finalist now.

``--protocol festa --published FILE`` sets the learner beside published results instead
(``festa_protocol.py``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import festa_protocol
import torch
from benchmark_page import RESULTS, origin, parser_for, publish, target_table
from few_shot_page import comparisons, setting_lines, targets_of, winner_lines
from fold_training import STEPS, default_config, searched_config, trained
from prototype_contender import NAME as PROTOTYPE
from prototype_contender import Prototype
from table_folds import EPISODES, FOLDS, all_tables, folds_by_family, tasks_of

from autometa.config import LearnerConfig, SyntheticSource
from autometa.evaluation import EvaluationTask, ScoreSheet, score_baselines, score_learner
from autometa.tables import ScaledTable, default_cache_dir, load_source
from autometa.typing import SETTINGS

OURS, DEFAULT = "autometa", "autometa default"
METHODS = (DEFAULT, OURS, PROTOTYPE)
_PROTOTYPE_SECONDS = 240.0
_TRIALS = 30


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = parser_for(
        __doc__,
        quick="two folds, 4 episodes, no search, 500 steps",
        check="exit 1 where a target is missed",
    )
    parser.add_argument("--protocol", choices=["folds", "festa"], default="folds")
    parser.add_argument("--published", type=Path, help="published results, for --protocol festa")
    parser.add_argument("--prototype", type=Path, help="folder of the other learner")
    parser.add_argument("--workers", type=int, default=2, help="processes of the baselines")
    parser.add_argument("--folds", type=int, nargs="+", help="a part of them, to be kept in --work")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=["unlabelled"])
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, help="a part of them, to be kept in --work"
    )
    parser.add_argument("--work", type=Path, help="folder of finished methods of folds")
    options = parser.parse_args()
    if options.methods is None:
        options.methods = [name for name in METHODS if not (options.quick and name == OURS)]
    if options.folds is None:
        options.folds = range(2 if options.quick else FOLDS)
    if options.protocol == "festa" and options.published is None:
        parser.error("--protocol festa needs --published FILE")
    return options


def scored_folds(options: argparse.Namespace) -> tuple[ScoreSheet, list[dict[str, Any]]]:
    """Returns the scores of every method on every table, and the winner of each fold."""
    tables = all_tables(options.tables)
    synthetic, _ = load_source(SyntheticSource(count=2000))
    wanted = [name for name in options.methods if name != PROTOTYPE or options.prototype]
    prototype = Prototype(options.prototype) if PROTOTYPE in wanted else None
    sheets, winners = [], []
    for number, tested in enumerate(folds_by_family(tables)):
        if number not in options.folds:
            continue
        names = {item.name for item in tested}
        training = [item for item in tables if item.name not in names]
        tasks = tasks_of(tested, options.settings, episodes=4 if options.quick else EPISODES)
        print(f"fold {number}: {len(training)} tables train, {len(tested)} test", flush=True)
        sheets.append(score_baselines(tasks, default_cache_dir(), workers=options.workers))
        for method in wanted:
            config = default_config()
            if method == OURS:
                config = _winner(options, number, training)
                winners.append(config.model_dump(mode="json"))
            known, missing = _known_scores(options, number, method, tasks)
            sheets += known
            if not missing:
                continue
            if prototype is not None and method == PROTOTYPE:
                sheet = _prototype_scores(prototype, training, missing, is_quick=options.quick)
            else:
                steps = 500 if options.quick else STEPS
                learner = trained(config, training, synthetic, steps=steps)
                sheet = score_learner(learner, missing, method=method)
            _keep(options, number, method, sheet)
            sheets.append(sheet)
    return ScoreSheet.concat(sheets), winners


def _known_scores(
    options: argparse.Namespace, fold: int, method: str, tasks: Sequence[EvaluationTask]
) -> tuple[list[ScoreSheet], list[EvaluationTask]]:
    """Returns what an earlier run has kept, and the tasks that it has not scored."""
    settings = SETTINGS if method != PROTOTYPE else ("unlabelled",)
    tasks = [task for task in tasks if task.setting in settings]
    if options.work is None:
        return [], tasks
    files = {setting: _work_file(options, fold, method, setting) for setting in settings}
    done = [setting for setting in options.settings if setting in files and files[setting].exists()]
    return (
        [ScoreSheet.from_parquet(files[setting]) for setting in done],
        [task for task in tasks if task.setting not in done],
    )


def _keep(options: argparse.Namespace, fold: int, method: str, sheet: ScoreSheet) -> None:
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
        for setting in set(sheet.frame["setting"]):
            file = _work_file(options, fold, method, setting)
            sheet.select(setting=setting).to_parquet(file)


def _work_file(options: argparse.Namespace, fold: int, method: str, setting: str) -> Path:
    return Path(options.work / f"{fold}-{method.replace(' ', '-')}-{setting}.parquet")


def _winner(
    options: argparse.Namespace, fold: int, training: Sequence[ScaledTable]
) -> LearnerConfig:
    """Returns what the study of a fold has chosen; one that is finished is not searched again."""
    return searched_config(
        options.tables,
        training,
        name=f"few-shot-{fold}",
        trials=_TRIALS,
    )


def _prototype_scores(
    prototype: Prototype,
    training: Sequence[ScaledTable],
    tasks: Sequence[EvaluationTask],
    *,
    is_quick: bool,
) -> ScoreSheet:
    net = prototype.trained(training, seconds=20.0 if is_quick else _PROTOTYPE_SECONDS)
    return prototype.scores(net, tasks)


def write_per_table(sheet: ScoreSheet) -> None:
    """Writes the accuracy of every method on every table."""
    wide = (
        sheet.frame.groupby(["setting", "shot", "family", "table", "method"])["accuracy"]
        .mean()
        .unstack("method")
    )
    wide.round(4).to_csv(RESULTS / "few_shot_tables.csv")


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    if options.protocol == "festa":
        return festa_protocol.run(options)
    sheet, winners = scored_folds(options)
    methods = [name for name in (OURS, DEFAULT) if name in sheet.methods()]
    if not methods or len(options.folds) < (2 if options.quick else FOLDS):
        print(f"kept in {options.work}; run again for the page, with all methods and folds")
        return 0
    settings = [setting for setting in SETTINGS if setting in options.settings]
    found = {
        setting: {method: comparisons(sheet, method, setting) for method in methods}
        for setting in settings
    }
    targets = targets_of(found["unlabelled"][methods[0]]) if "unlabelled" in found else []
    tables, families = (sheet.frame[column].nunique() for column in ("table", "family"))
    lines = [
        "# Few-shot accuracy on unseen tables, five folds by family",
        "",
        f"{origin('few_shot_tables')} {tables} tables of {families} families.",
        "",
        *target_table(targets),
        "",
        *(line for setting in settings[::-1] for line in setting_lines(sheet, setting, methods)),
        *winner_lines(winners),
    ]
    figures = {
        "winners": winners,
        "comparisons": {
            setting: {
                method: {f"{name} K={shot}": asdict(value) for (name, shot), value in cells.items()}
                for method, cells in by_method.items()
            }
            for setting, by_method in found.items()
        },
    }
    if not options.quick:
        write_per_table(sheet)
    return publish("few_shot_tables", lines, figures, targets, options)


if __name__ == "__main__":
    sys.exit(main())
