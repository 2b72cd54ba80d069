"""The workflow: tables, search, confirm, test, export.

Everything is resumable: whatever was done by an earlier run of the same command is found in the
storage and in the run folder, and is not done again.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import optuna

from autometa.config import StudySpec, spec_from_dict
from autometa.errors import StoppedError
from autometa.evaluation import ScoreSheet
from autometa.export import Export, read_export
from autometa.search import (
    Confirmed,
    Progress,
    StudyData,
    confirm,
    finalists,
    prepare_study,
    run_folder_of,
    run_processes,
    run_worker,
    select,
    set_deadline,
    snapshot,
)
from autometa.storages import SpentSeconds, absolute_url, trials_done
from autometa.study_export import export_confirmed

RESERVED_SHARE = 0.2
"""Part of the study's seconds that is kept for confirm and test."""

WINNER = "autometa:winner"

_TICK_SECONDS = 0.5
Stage: TypeAlias = Literal["tables", "study", "baselines", "search", "confirm", "test", "export"]


@dataclass(frozen=True)
class Event:
    """Something that a display may show.

    Attributes:
        stage: part of the workflow.
        message: one line; empty for mere progress.
        done: units done in this stage.
        total: units of this stage; 0 where it has none.
        progress: state of the search, in the search stage.
        seconds_left: until the search ends at the latest, in the search stage.
    """

    stage: Stage
    message: str = ""
    done: int = 0
    total: int = 0
    progress: Progress | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class TuneResult:
    """The end of a study.

    Attributes:
        study: name of the study.
        export: the exported winner.
        folder: where it was written.
        trial: number of the winning trial.
        role: role of the tables of the quoted score: ``test``, else ``confirm`` or ``validation``.
        sheet: scores of the learner and the baselines on that role.
    """

    study: str
    export: Export
    folder: Path
    trial: int
    role: str
    sheet: ScoreSheet


def tune(
    spec: StudySpec | Mapping[str, Any],
    *,
    workers: int | None = None,
    stop: threading.Event | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> TuneResult:
    """Searches, confirms, tests once and exports; or goes on where an earlier call was stopped.

    Args:
        spec: a ``StudySpec``, or the study file's content as a mapping.
        workers: processes to use instead of ``search.workers``.
        stop: set, for example by a signal handler, to end early; everything done is kept.
        on_event: called with what happens.

    Raises:
        UserError: the specification, its tables, or the stored study do not fit.
        RunError: the storage or a worker failed, or no trial finished.
        StoppedError: ``stop`` was set.
    """
    parsed = spec if isinstance(spec, StudySpec) else spec_from_dict(spec)
    count = workers if workers is not None else parsed.search.workers
    run = _Run(parsed, count, stop or threading.Event(), on_event or (lambda _event: None))
    return run.to_the_end()


class _Run:
    """One call of ``tune``: the steps of the workflow and what they share."""

    def __init__(
        self,
        spec: StudySpec,
        workers: int,
        stop: threading.Event,
        emit: Callable[[Event], None],
    ) -> None:
        self.spec = spec
        self.workers = workers
        self.stop = stop
        self.emit = emit
        self.folder = run_folder_of(spec.name)

    def to_the_end(self) -> TuneResult:
        self.data = StudyData.load(self.spec)
        self.emit(Event("tables", _describe_tables(self.data)))
        for role, skipped in self.data.roles.skipped.items():
            for table in skipped:
                self.emit(Event("tables", f"{role}: skipped {table.name}: {table.reason}"))
        self.study, created = prepare_study(self.spec, self.data)
        done = trials_done(self.study)
        self.emit(
            Event(
                "study",
                f"study {self.spec.name!r} "
                + ("created" if created else f"resumed with {done} trials done"),
            )
        )
        with SpentSeconds(self.study) as spent:
            self._search(spent)
            self._stop_if_asked("during the search")
            confirmed = self._confirm(spent)
            self._stop_if_asked("during the confirmation")
            return self._test_and_export(confirmed)

    def _search(self, spent: SpentSeconds) -> None:
        tasks = self.data.search_tasks()
        self.data.baselines(
            tasks,
            workers=self.workers,
            on_progress=lambda done, total: self._baselines_scored("baselines", done, total),
        )
        limit = (1 - RESERVED_SHARE) * self.spec.search.seconds
        left = limit - spent.total()
        if left <= 0 or trials_done(self.study) >= self.spec.search.trials:
            return
        set_deadline(self.study, seconds=left)

        def tick() -> None:
            spent.beat()
            progress = snapshot(self.study, self.spec)
            seconds_left = max(0.0, limit - spent.total())
            self.emit(
                Event(
                    "search",
                    "",
                    progress.done,
                    progress.budget,
                    progress=progress,
                    seconds_left=seconds_left,
                )
            )

        tick()
        if self.workers == 1:
            with _Ticker(tick):
                run_worker(
                    absolute_url(self.spec.storage),
                    self.spec.name,
                    run_folder=self.folder,
                    stop=self.stop,
                    data=self.data,
                )
        else:
            run_processes(
                absolute_url(self.spec.storage),
                self.spec.name,
                workers=self.workers,
                log_folder=self.folder / "logs",
                stop=self.stop,
                on_tick=tick,
            )
        tick()

    def _confirm(self, spent: SpentSeconds) -> list[Confirmed]:
        count = _affordable_finalists(
            self.study,
            self.spec,
            workers=self.workers,
            seconds=self.spec.search.seconds - spent.total(),
        )
        trials = finalists(self.study, count=count)
        chosen = [(trial.number, dict(trial.params)) for trial in trials]
        seeds = self.spec.search.confirm
        self.emit(Event("confirm", f"{len(chosen)} finalists, {seeds} fresh seeds each"))
        return confirm(
            self.spec,
            self.data,
            chosen,
            run_folder=self.folder,
            workers=self.workers,
            stop=self.stop,
            on_progress=lambda done, total: (
                spent.beat(),
                self.emit(Event("confirm", "", done, total)),
            )[-1],
        )

    def _test_and_export(self, confirmed: list[Confirmed]) -> TuneResult:
        winner = select(confirmed)
        target = self.folder / "export"
        export = export_confirmed(
            winner,
            confirmed,
            data=self.data,
            study=self.study,
            target=target,
            workers=self.workers,
            on_progress=lambda done, total: self._baselines_scored("test", done, total),
        )
        self.study.set_user_attr(
            WINNER, {"trial": winner.trial, "seed_index": winner.seed_index, "value": winner.value}
        )
        self.emit(Event("export", f"wrote {target}"))
        sheet = export.sheet()
        role = next(
            role for role in ("test", "confirm", "validation") if role in set(sheet.frame["role"])
        )
        return TuneResult(
            study=self.spec.name,
            export=read_export(target),
            folder=target,
            trial=winner.trial,
            role=role,
            sheet=sheet.select(role=role),
        )

    def _baselines_scored(self, stage: Stage, done: int, total: int) -> None:
        self.emit(Event(stage, "", done, total))
        if done < total:
            self._stop_if_asked("while scoring the baselines")

    def _stop_if_asked(self, where: str) -> None:
        if self.stop.is_set():
            raise StoppedError(f"stopped {where}; run the same command to go on")


class _Ticker:
    """Calls a function twice a second in a thread while a worker runs in this process."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(_TICK_SECONDS):
            self._tick()


def _affordable_finalists(
    study: optuna.Study, spec: StudySpec, *, workers: int, seconds: float
) -> int:
    """Returns how many finalists the remaining seconds allow, at least one.

    What is confirmed already costs nothing, but it is one configuration at most in practice, and
    a resumed run must choose as the first one did; so the number rests on the study alone.
    """
    durations = [
        float(trial.user_attrs["autometa:train_seconds"])
        for trial in study.get_trials(deepcopy=False)
        if "autometa:train_seconds" in trial.user_attrs
    ]
    if not durations:
        return spec.search.finalists
    per_finalist = statistics.median(durations) * spec.search.confirm / workers
    return max(1, min(spec.search.finalists, int(seconds / max(per_finalist, 1e-3))))


def _describe_tables(data: StudyData) -> str:
    counts = ", ".join(
        f"{len(tables)} {role}" for role, tables in data.tables_by_role().items() if tables
    )
    return f"tables: {counts}"
