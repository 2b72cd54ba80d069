"""The workflow: fetch, tables, search, confirm, test, export.

Everything is resumable: whatever was done by an earlier run of the same command is found in the
storage and in the run folder, and is not done again.

``search.seconds`` are for the whole command. What cannot be shortened, the baselines of every
role, comes first; the search then has four fifths of the seconds less what was spent on them, and
the confirmation takes as many finalists as fit into the rest.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from autometa.config import StudySpec, spec_from_dict
from autometa.errors import StoppedError, UserError
from autometa.export import read_export
from autometa.report import publish_notes, publish_report
from autometa.search import (
    FINALISTS,
    Confirmed,
    StudyData,
    Ticker,
    WorkerEngine,
    chosen_finalists,
    confirm,
    fetched_spec,
    prepare_study,
    resolve_device,
    run_folder_of,
    run_processes,
    run_worker,
    select,
    set_deadline,
    snapshot,
    warm_start_of,
    write_prior,
)
from autometa.storages import (
    WINNER,
    SpentSeconds,
    absolute_url,
    storage_errors,
    trials_done,
)
from autometa.study_export import export_confirmed
from autometa.study_result import Event, Stage, TuneResult
from autometa.tables import sources_of

if TYPE_CHECKING:
    from autometa.tables.openml import FetchProgress

RESERVED_SHARE = 0.2
"""Part of the study's seconds that is kept to train the finalists again and to test the winner."""

_TICK_SECONDS = 0.5
_LEAST_SECONDS = 1.0
"""A search is not started, or started again, for less."""

_CLOCK_JUMP_SECONDS = 5.0


def tune(
    spec: StudySpec | Mapping[str, Any],
    *,
    workers: int | None = None,
    engine: WorkerEngine | None = None,
    stop: threading.Event | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> TuneResult:
    """Searches, confirms, tests once and exports; or goes on where an earlier call was stopped.

    Args:
        spec: a ``StudySpec``, or the study file's content as a mapping.
        workers: how many to use instead of ``search.workers``.
        engine: what starts the workers of the search, such as ``autometa.search.RayCluster``;
            where None they are processes of this machine, as those of all other steps always are.
        stop: set, for example by a signal handler, to end early; everything done is kept.
        on_event: called with what happens.

    Raises:
        UserError: the specification, its tables, or the stored study do not fit.
        RunError: a table cannot be downloaded, the storage or a worker failed, or no trial
            finished.
        StoppedError: ``stop`` was set.

    >>> study = {
    ...     "name": "tiny",
    ...     "tables": {
    ...         "train": [{"source": "synthetic", "count": 20}],
    ...         "validation": [{"source": "sklearn", "names": ["iris"]}],
    ...     },
    ...     "episodes": {"shots": [1], "per_table": 2, "queries": 5},
    ...     "learner": {"name": "column_kernel"},
    ...     "space": {"depth": {"low": 1, "high": 2}},
    ...     "training": {"outer_steps": 8},
    ...     "search": {"trials": 1, "finalists": 1, "confirm": 1},
    ... }

    >>> result = tune(study)
    >>> result.study, result.role, str(result.folder)
    ('tiny', 'validation', 'results/runs/tiny/export')
    >>> result.export.config.name
    'column_kernel'
    """
    parsed = spec if isinstance(spec, StudySpec) else spec_from_dict(spec)
    count = workers if workers is not None else parsed.search.workers
    if count < 1:
        raise UserError(f"workers must be at least 1; got {count}: leave it out for the study's")
    # Before anything is downloaded.
    resolve_device(parsed.training.device)
    if engine is not None:
        engine.check(absolute_url(parsed.storage))
    run = _Run(parsed, count, engine, stop or threading.Event(), on_event or (lambda _event: None))
    return run.to_the_end()


class _Run:
    """One call of ``tune``: the steps of the workflow and what they share."""

    def __init__(
        self,
        spec: StudySpec,
        workers: int,
        engine: WorkerEngine | None,
        stop: threading.Event,
        emit: Callable[[Event], None],
    ) -> None:
        self.spec = spec
        self.workers = workers
        self.engine = engine
        # A cluster's workers may be more than this machine, which does all the rest, can run.
        self.processes = workers if engine is None else min(workers, os.cpu_count() or 1)
        self.stop = stop
        self.emit = emit
        self.folder = run_folder_of(spec.name)

    def to_the_end(self) -> TuneResult:
        self._fetch()
        self.started = time.monotonic()
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
        warm_start = warm_start_of(self.study, self.spec)
        if warm_start is not None:
            self.emit(Event("study", str(warm_start)))
        # Reading tables is part of the command's seconds.
        with (
            SpentSeconds(self.study, since=self.started) as spent,
            Ticker(spent.beat, seconds=_TICK_SECONDS),
        ):
            self._search(spent)
            self._stop_if_asked("during the search")
            self._show_search()
            confirmed = self._confirm(spent)
            self._stop_if_asked("during the confirmation")
            spent.close()  # the card tells the seconds up to here
            return self._test_and_export(confirmed)

    def _fetch(self) -> None:
        """Downloads what the cache lacks; how long a network takes is not part of the seconds."""

        def on_progress(progress: FetchProgress) -> None:
            self.emit(Event("fetch", progress.message, progress.done, progress.total))

        asked_for = set(sources_of(self.spec.tables))
        self.spec = fetched_spec(
            self.spec,
            on_progress=on_progress,
            on_wait=lambda: self._stop_if_asked("while fetching tables"),
        )
        for source in sources_of(self.spec.tables):
            if source not in asked_for and source.source == "openml":
                ids = ", ".join(map(str, source.without or ()))
                self.emit(Event("fetch", f"OpenML's {source}: this study is without {ids}"))

    def _search(self, spent: SpentSeconds) -> None:
        limit = (1 - RESERVED_SHARE) * self.spec.search.seconds
        goes_on = trials_done(self.study) < self.spec.search.trials and spent.total() < limit
        if goes_on or FINALISTS not in self.study.user_attrs:
            self._score_baselines()
        is_started = False
        # The seconds are counted by a steady clock; the workers' deadline is a time of day, which
        # a changed clock or a suspended machine makes too early.
        while trials_done(self.study) < self.spec.search.trials and not self.stop.is_set():
            left = limit - spent.total()
            if left <= (_LEAST_SECONDS if is_started else 0):
                return
            is_started = True
            self._search_for(left, limit, spent)

    def _score_baselines(self) -> None:
        """Scores the baselines on the tasks of every role.

        Those of the test tables too: how long they take is only known afterwards, when the search
        may have used up their time. They choose nothing, and no learner is scored there yet.
        """
        data = self.data
        lists = [data.search_tasks(), data.confirm_tasks(), data.test_tasks()]
        total = sum(map(len, lists))
        for index, tasks in enumerate(lists):
            before = sum(map(len, lists[:index]))

            def on_progress(done: int, _total: int, before: int = before) -> None:
                self._baselines_scored("baselines", before + done, total)

            data.baselines(tasks, workers=self.processes, on_progress=on_progress)

    def _search_for(self, left: float, limit: float, spent: SpentSeconds) -> None:
        """Lets workers search for so many seconds, or until the trials are used up."""
        set_deadline(self.study, seconds=left)
        offset = time.time() - time.monotonic()

        def tick() -> int:
            nonlocal offset
            shifted = time.time() - time.monotonic()
            if abs(shifted - offset) > _CLOCK_JUMP_SECONDS:
                offset = shifted
                set_deadline(self.study, seconds=max(0.0, limit - spent.total()))
            with storage_errors(self.study._storage):
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
            return progress.done

        tick()
        url, logs = absolute_url(self.spec.storage), self.folder / "logs"
        if self.engine is None and self.workers == 1:
            with Ticker(tick, seconds=_TICK_SECONDS):
                run_worker(
                    url,
                    self.spec.name,
                    run_folder=self.folder,
                    stop=self.stop,
                    data=self.data,
                )
        else:
            run = run_processes if self.engine is None else self.engine.run
            run(
                url,
                self.spec.name,
                workers=self.workers,
                log_folder=logs,
                stop=self.stop,
                on_tick=tick,
            )
        tick()

    def _show_search(self) -> None:
        """Lets the dashboard show the search while its finalists are trained again.

        Not where the study has had a winner: what is shown then is of the whole study.
        """
        with storage_errors(self.study._storage):
            is_won = WINNER in self.study.user_attrs
        if not is_won:
            publish_notes(self.study, self.folder)

    def _confirm(self, spent: SpentSeconds) -> list[Confirmed]:
        with storage_errors(self.study._storage):
            trials, seeds = chosen_finalists(
                self.study,
                self.spec,
                workers=self.processes,
                seconds=self.spec.search.seconds - spent.total(),
            )
        chosen = [(trial.number, dict(trial.params)) for trial in trials]
        self.emit(Event("confirm", f"finalists: {len(chosen)}, fresh seeds of each: {seeds}"))
        return confirm(
            self.spec,
            self.data,
            chosen,
            run_folder=self.folder,
            workers=self.processes,
            seeds=seeds,
            stop=self.stop,
            on_progress=lambda done, total: self.emit(Event("confirm", "", done, total)),
        )

    def _test_and_export(self, confirmed: list[Confirmed]) -> TuneResult:
        selection = select(self.spec, confirmed)
        winner = selection.winner
        if str(selection):
            self.emit(Event("confirm", str(selection)))
        target = self.folder / "export"
        export = export_confirmed(
            winner,
            confirmed,
            data=self.data,
            study=self.study,
            target=target,
            workers=self.processes,
            on_progress=lambda done, total: self._baselines_scored("test", done, total),
        )
        self.study.set_user_attr(
            WINNER, {"trial": winner.trial, "seed_index": winner.seed_index, "value": winner.value}
        )
        self.emit(Event("export", f"wrote {target}"))
        prior = write_prior(self.study, self.spec, self.data)
        if prior is not None:
            self.emit(Event("export", f"wrote {prior}, for the studies to come"))
        report = publish_report(self.study, self.folder)
        self.emit(Event("report", f"wrote {report}"))
        sheet = export.sheet()
        role = next(
            role for role in ("test", "confirm", "validation") if role in set(sheet.frame["role"])
        )
        return TuneResult(
            study=self.spec.name,
            export=read_export(target),
            folder=target,
            report=report,
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


def _describe_tables(data: StudyData) -> str:
    counts = ", ".join(
        f"{len(tables)} {role}" for role, tables in data.tables_by_role().items() if tables
    )
    return f"tables: {counts}"
