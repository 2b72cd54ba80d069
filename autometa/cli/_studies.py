"""``autometa studies`` and ``autometa show``: what a storage holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._printing import (
    aligned,
    clean,
    hush_optuna,
    log_to_stderr,
    one_line,
    size,
    tell,
    tell_json,
)
from autometa.cli._progress import nats
from autometa.cli._storage_option import StorageOption
from autometa.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from autometa.search import RungCorrelation

_SHOWN_TRIALS = 20
_SHOWN_CHARACTERS = 60


def studies(
    storage: StorageOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the studies of a storage."""
    from autometa.cli._archive import disk_use
    from autometa.storages import list_studies, open_storage, run_folder_of

    hush_optuna()
    log_to_stderr()
    found = list_studies(open_storage(storage, create=False))
    if as_json:
        tell_json(
            [
                {
                    "name": study.name,
                    "is_autometa": study.is_autometa,
                    "trials_done": study.trials_done,
                    "trials": study.trials,
                    "last_activity": study.last_activity and study.last_activity.isoformat(),
                    "bytes": disk_use(run_folder_of(study.name)),
                }
                for study in found
            ]
        )
        return
    rows = [
        [
            study.name if study.is_autometa else f"{study.name} (not made by autometa)",
            str(study.trials_done),
            ", ".join(f"{count} {state.lower()}" for state, count in sorted(study.trials.items()))
            or "-",
            f"{study.last_activity:%Y-%m-%d %H:%M}" if study.last_activity else "-",
            size(disk_use(run_folder_of(study.name))),
        ]
        for study in found
    ]
    header = ["study", "done", "trials", "last activity", "on disk"]
    lines = aligned(header, rows) if rows else ["no studies"]
    tell("\n".join(lines))


def show(
    name: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    storage: StorageOption = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every column as CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="N", min=1, help="Only the first N trials."),
    ] = None,
) -> None:
    """Show the trials of a study, best first, its rungs, its failures and its winner.

    The value of a trial is what the search maximises: nats below logistic regression's log-loss.
    """
    if as_csv and as_json:
        raise UserError("--csv and --json exclude each other; got both: choose one")
    from autometa.search import leaderboard, load_spec, rung_correlations, snapshot
    from autometa.storages import WINNER, load_study, open_storage

    hush_optuna()
    log_to_stderr()
    study = load_study(open_storage(storage, create=False), name)
    frame = leaderboard(study)
    if as_csv:
        tell(_head(frame, top).to_csv(index=False, lineterminator="\n").rstrip("\n"))
        return
    if as_json:
        from autometa.cli._study_json import study_json

        tell_json(study_json(study, top=top))
        return
    spec = load_spec(study)
    progress = snapshot(study, spec)
    rungs = rung_correlations(study.get_trials(deepcopy=False), rungs=spec.training.rungs)
    winner = study.user_attrs.get(WINNER)
    shown = _head(frame, _SHOWN_TRIALS if top is None else top)
    lines = [f"study {name}: {progress.done} of {progress.budget} trials done", ""]
    lines += _trial_lines(shown) if len(frame) else ["no trials yet"]
    if len(shown) < len(frame):
        lines.append(f"... and {len(frame) - len(shown)} more; --top N, --csv and --json show them")
    lines += _rung_lines(rungs)
    if progress.reasons:
        rows = [[str(count), reason] for reason, count in progress.reasons.items()]
        lines += ["", *aligned(["failed", "reason"], rows, left=2)]
    lines += ["", _winner_line(winner)]
    tell(clean("\n".join(lines)))


def _head(frame: pd.DataFrame, top: int | None) -> pd.DataFrame:
    return frame if top is None else frame.head(top)


def _trial_lines(frame: pd.DataFrame) -> list[str]:
    parameters = [column for column in frame.columns if column.startswith("params.")]
    header = ["trial", "state", "value", "points", "95 % CI", "against", "step", "origin", "s"]
    header += [column.removeprefix("params.") for column in parameters]
    rows = [
        [
            str(row["trial"]),
            row["state"].lower(),
            _number(row["value"], "{:+.4f}"),
            _number(_times_100(row["advantage"]), "{:+.1f}"),
            _interval(row),
            _text(row["best_baseline"]),
            _number(row["rung"], "{:.0f}"),
            _text(row["origin"]),
            _number(row["seconds"], "{:.0f}"),
            *(_value(row[column]) for column in parameters),
        ]
        for row in frame.to_dict("records")
    ]
    return aligned(header, rows, left=2)


def _interval(row: dict[Any, Any]) -> str:
    low, high = _times_100(row["low"]), _times_100(row["high"])
    return "-" if _is_missing(low) else f"{low:+.1f} to {high:+.1f}"


def _rung_lines(rungs: Sequence[RungCorrelation]) -> list[str]:
    """How well each rung foretells the end; nothing where the end is the only rung."""
    from autometa.search import FEWEST_TRIALS

    if not rungs:
        return []
    title = "rank correlation of rungs with the final value"
    trials = min(rung.trials for rung in rungs)
    if trials < FEWEST_TRIALS:
        return ["", f"{title}: needs {FEWEST_TRIALS} completed trials, there are {trials}"]
    rows = [[str(rung.step), _number(rung.correlation, "{:+.2f}")] for rung in rungs]
    lines = aligned(["step", "correlation"], rows, left=0)
    return ["", f"{title}, over {trials} completed trials", *lines]


def _winner_line(winner: dict[str, Any] | None) -> str:
    if winner is None:
        return "no winner yet: `autometa tune` confirms and exports one at its end"
    return (
        f"winner: trial {winner['trial']}, confirmed with fresh seeds at "
        f"{nats(float(winner['value']))} (a value that chose it, not its test score)"
    )


def _times_100(value: Any) -> Any:
    return None if _is_missing(value) else 100 * float(value)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(value: Any, form: str) -> str:
    return "-" if _is_missing(value) else form.format(float(value))


def _value(value: Any) -> str:
    if _is_missing(value):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    return "-" if _is_missing(value) else one_line(str(value))[:_SHOWN_CHARACTERS]
