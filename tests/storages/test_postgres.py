from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from postgres_cluster import PASSWORD

from autometa.errors import RunError, UserError
from autometa.storages import (
    REASON,
    WORKER_DIED,
    close_storage,
    create_or_load_study,
    is_known_study,
    list_studies,
    load_study,
    open_storage,
    reap_orphans,
    storage_errors,
    storage_path,
    storage_place,
    study_lock,
    through_outages,
)
from autometa.storages import _patience as patience
from autometa.storages import _postgres_connector as connector
from autometa.storages import _reaper as reaper
from autometa.storages._patience import Patience

if TYPE_CHECKING:
    from postgres_cluster import Cluster


@pytest.fixture
def url(postgres_cluster: Cluster) -> str:
    """An empty place for a storage."""
    return postgres_cluster.new_storage()


@pytest.fixture
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits begin with a tenth of a second."""
    monkeypatch.setattr(patience, "_FIRST_WAIT_SECONDS", 0.1)


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether a message has one line, no hint for programmers, and no password."""
    text = str(error.value)
    is_clean = PASSWORD not in text and "sqlalche" not in text.lower() and "psycopg" not in text
    shows_no_other = error.value.__context__ is None or error.value.__suppress_context__
    return is_clean and shows_no_other and "\n" not in text


def test_processes_on_an_empty_database_make_one_study(
    url: str, opened: Callable[[str], BaseStorage], together: Callable[..., list[str]]
) -> None:
    """Six processes that start at one moment all run, and exactly one of them makes the study."""
    outputs = together(
        6,
        """
        from autometa.storages import create_or_load_study, open_storage
        import psycopg, alembic.command, sqlalchemy.dialects.postgresql  # what takes its time
        start()
        print(create_or_load_study(open_storage(sys.argv[1]), "toy", spec={}, fingerprint={})[1])
        """,
        url,
    )

    assert sorted(outputs) == ["False"] * 5 + ["True"]
    assert [study.name for study in list_studies(opened(url))] == ["toy"]


def test_wrong_password_is_named_without_any(postgres_cluster: Cluster) -> None:
    """Neither the wrong password nor the right one is shown."""
    with pytest.raises(RunError, match="refuses the password") as caught:
        open_storage(postgres_cluster.url(password=f"{PASSWORD}-wrong"))

    assert one_sentence(caught)


def test_missing_password_is_named(postgres_cluster: Cluster) -> None:
    """The message says how to give it."""
    with pytest.raises(RunError, match="AUTOMETA_STORAGE_PASSWORD_FILE") as caught:
        open_storage(postgres_cluster.url(password=None))

    assert one_sentence(caught)


def test_unknown_database_is_named(postgres_cluster: Cluster) -> None:
    """A database is not made by itself."""
    with pytest.raises(RunError, match=r"/absent failed: there is no such database") as caught:
        open_storage(postgres_cluster.url("absent"))

    assert one_sentence(caught)


def test_server_that_is_not_there_is_named_at_once(postgres_cluster: Cluster) -> None:
    """Opening waits for no outage, as the host may be wrong."""
    began = time.monotonic()

    with pytest.raises(RunError, match="Connection refused") as caught:
        open_storage(f"postgresql://ann:{PASSWORD}@127.0.0.1:9/studies")

    assert one_sentence(caught)
    assert time.monotonic() - began < 5


def test_missing_rights_are_named(postgres_cluster: Cluster) -> None:
    """A user that may make no tables is told what to ask for."""
    url = postgres_cluster.new_storage()
    user = url.partition("://")[2].partition(":")[0]
    postgres_cluster.execute(
        f"alter schema {user} owner to ann; grant usage on schema {user} to {user}"
    )

    with pytest.raises(RunError, match="lacks rights") as caught:
        open_storage(url)

    assert one_sentence(caught)


def test_missing_driver_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(UserError, match=r"install autometa\[postgres\]") as caught:
        open_storage(url)

    assert one_sentence(caught)


@pytest.mark.parametrize(
    ("version", "message"),
    [("v99.0.0", "newer version"), ("v3.0.0.a", "optuna storage upgrade --storage postgresql://")],
)
def test_other_schema_version_is_an_error_with_a_remedy(
    url: str, version: str, message: str, postgres_cluster: Cluster
) -> None:
    """Newer schemas ask for a newer Optuna, older ones for an upgrade."""
    close_storage(open_storage(url))
    postgres_cluster.execute(f"update alembic_version set version_num = '{version}'", url=url)

    with pytest.raises(RunError, match=message) as caught:
        open_storage(url)

    assert one_sentence(caught)


def test_database_of_another_program_is_refused_untouched(
    url: str, postgres_cluster: Cluster
) -> None:
    """Optuna would add its tables to any database."""
    postgres_cluster.execute("create table mail (id integer)", url=url)

    with pytest.raises(RunError, match="another program") as caught:
        open_storage(url)

    tables = "select tablename from pg_tables where schemaname = current_schema()"
    assert postgres_cluster.execute(tables, url=url) == [("mail",)]
    assert one_sentence(caught)


def test_nothing_is_made_where_only_an_existing_storage_will_do(
    url: str, postgres_cluster: Cluster
) -> None:
    """Listing studies makes no tables."""
    with pytest.raises(UserError, match="there is no storage at") as caught:
        open_storage(url, create=False)

    assert one_sentence(caught)
    assert not is_known_study(url, "toy")
    tables = "select count(*) from pg_tables where schemaname = current_schema()"
    assert postgres_cluster.execute(tables, url=url) == [(0,)]


@pytest.mark.parametrize("source", ["file", "PGPASSWORD", "PGPASSFILE"])
def test_password_may_come_from_elsewhere(
    source: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL need not hold the password."""
    bare = url.replace(f":{PASSWORD}@", "@")
    path = tmp_path / "password"
    line = f"*:*:*:*:{PASSWORD}" if source == "PGPASSFILE" else PASSWORD
    path.write_text(f"{line}\nsecond line\n")
    path.chmod(0o600)
    variable = "AUTOMETA_STORAGE_PASSWORD_FILE" if source == "file" else source
    monkeypatch.setenv(variable, PASSWORD if source == "PGPASSWORD" else str(path))

    storage = open_storage(bare)

    assert list_studies(storage) == []
    close_storage(storage)


@pytest.mark.parametrize(("content", "rule"), [(None, "cannot be read"), ("\nx", "is empty")])
def test_useless_password_file_is_refused(
    content: str | None, rule: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file and the variable, before a server is asked."""
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("AUTOMETA_STORAGE_PASSWORD_FILE", str(path))

    with pytest.raises(UserError, match=rule) as caught:
        open_storage(url.replace(f":{PASSWORD}@", "@"))

    assert str(path) in str(caught.value)
    assert one_sentence(caught)


def test_password_is_in_no_attribute_and_no_pickle(
    url: str, opened: Callable[[str], BaseStorage]
) -> None:
    """Optuna's own storage has it in both; a copy finds it in its own environment."""
    storage = opened(url)
    study, _ = create_or_load_study(storage, "toy", spec={}, fingerprint={})

    for thing in (storage, study, study._storage):
        assert PASSWORD.encode() not in pickle.dumps(thing)
        assert PASSWORD not in f"{thing!r} {vars(thing)}"
    assert PASSWORD not in storage_place(study._storage)
    assert storage_place(storage).startswith("postgresql://user_")
    assert storage_path(study._storage) is None


def test_lock_excludes_other_processes_and_dies_with_its_own(
    url: str, study: optuna.Study, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """A killed process leaves no lock behind."""
    code = """
        from autometa.storages import open_storage, study_lock
        with study_lock(open_storage(sys.argv[1])):
            print("held", flush=True)
            time.sleep(60)
    """
    holder = spawn(code, url)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    entered = threading.Event()

    def enter() -> None:
        with study_lock(study._storage):
            entered.set()

    waiter = threading.Thread(target=enter)
    waiter.start()
    was_excluded = not entered.wait(0.3)
    holder.kill()
    waiter.join(20)

    assert was_excluded
    assert entered.is_set()


def test_lock_held_for_too_long_is_named(
    url: str, study: optuna.Study, opened: Callable[[str], BaseStorage], monkeypatch: Any
) -> None:
    """Waiting ends with a sentence on what to look for."""
    monkeypatch.setattr(connector, "_SESSION", "set lock_timeout = '100ms'")
    other = opened(url)

    with (
        study_lock(study._storage),
        pytest.raises(RunError, match="held its lock for too long") as caught,
        storage_errors(other),
        study_lock(other),
    ):
        pass

    assert one_sentence(caught)


def test_storages_in_two_schemas_do_not_wait_for_each_other(
    url: str, postgres_cluster: Cluster, opened: Callable[[str], BaseStorage]
) -> None:
    """The lock is that of one storage."""
    other = opened(postgres_cluster.new_storage())

    with study_lock(opened(url)), study_lock(other):
        pass


@pytest.mark.usefixtures("quick_waits")
def test_server_restart_is_survived_between_and_within_calls(
    url: str, study: optuna.Study, postgres_cluster: Cluster
) -> None:
    """Ask, report and tell go on after the server is back; nothing comes twice."""
    postgres_cluster.stop()
    starter = threading.Timer(0.5, postgres_cluster.start)
    starter.start()
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    starter.join()
    postgres_cluster.restart()
    trial.report(0.5, step=1)
    postgres_cluster.restart()
    study.tell(trial, 1.0)

    (told,) = study.trials
    assert (told.state, told.value, told.intermediate_values) == (TrialState.COMPLETE, 1, {1: 0.5})


@pytest.mark.usefixtures("quick_waits")
def test_step_under_a_lock_begins_anew_after_a_restart(
    study: optuna.Study, postgres_cluster: Cluster
) -> None:
    """The restarted server has dropped the lock, so that what was read under it may be wrong."""
    attempts = []

    def count_and_ask() -> int:
        with study_lock(study._storage):
            attempts.append(len(study.get_trials()))
            if len(attempts) == 1:
                postgres_cluster.restart()
            return study.ask().number

    number = through_outages(study._storage, count_and_ask)

    assert attempts == [0, 0]
    assert number == 0
    assert len(study.trials) == 1


@pytest.mark.usefixtures("quick_waits")
def test_outage_between_failing_and_queueing_leaves_no_gap(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reaping that begins anew queues the dead trial at once, before others use its budget."""
    import psycopg

    study, _ = create_or_load_study(open_storage(url), "s", spec={}, fingerprint={})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("autometa:worker", {})
    queue, calls = reaper._requeue, []

    def lost(*arguments: Any) -> set[int]:
        calls.append(1)
        if len(calls) == 1:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return queue(*arguments)

    monkeypatch.setattr(reaper, "_requeue", lost)

    through_outages(study._storage, lambda: reap_orphans(study))
    reap_orphans(study)

    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[0].user_attrs[REASON] == WORKER_DIED
    assert study.trials[1].system_attrs["fixed_params"] == trial.params
    close_storage(study._storage)


@pytest.mark.usefixtures("quick_waits")
def test_outage_that_lasts_is_named(
    study: optuna.Study, postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When patience ends, the true cause is told in one sentence."""
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.5)
    trial = study.ask()
    postgres_cluster.stop()
    try:
        with (
            pytest.raises(RunError, match="Connection refused") as caught,
            storage_errors(study._storage),
        ):
            trial.report(0.5, step=1)
    finally:
        postgres_cluster.start()

    assert one_sentence(caught)


def test_stop_ends_the_waiting(url: str, postgres_cluster: Cluster) -> None:
    """A worker that is asked to end does not wait for a server."""
    stop = threading.Event()
    storage = open_storage(url, stop=stop)
    postgres_cluster.stop()
    try:
        threading.Timer(0.2, stop.set).start()
        began = time.monotonic()
        with pytest.raises(RunError, match="does not answer"), storage_errors(storage):
            storage.get_all_studies()
        took = time.monotonic() - began
    finally:
        postgres_cluster.start()
        close_storage(storage)

    assert took < 10


class _Clock:
    """A clock that only waiting moves, in place of an event and of ``time``."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def is_set(self) -> bool:
        return False

    def monotonic(self) -> float:
        return sum(self.waits)


def test_waits_double_up_to_a_minute_and_end_after_five(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule of waits, and the last error as it came."""
    clock = _Clock()
    monkeypatch.setattr(patience, "time", clock)
    waiting = Patience("here", is_outage=lambda _error: True, stop=clock)  # type: ignore[arg-type]

    def fail(attempt: int) -> None:
        raise OSError(attempt)

    with pytest.raises(OSError, match="9"):
        waiting.repeat(fail)

    assert clock.waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_error_that_is_no_outage_is_raised_at_once() -> None:
    """Only outages are waited for."""
    waiting = Patience("here", is_outage=lambda _error: False)

    with pytest.raises(ZeroDivisionError):
        waiting.repeat(lambda attempt: 1 // attempt)


def _break_after(name: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Loses the connection once, right after the server has committed a call."""
    import psycopg

    method, calls = getattr(RDBStorage, name), []

    def call(*arguments: Any) -> Any:
        result = method(*arguments)
        calls.append(1)
        if len(calls) == 1:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return result

    monkeypatch.setattr(RDBStorage, name, call)
    return calls


@pytest.mark.usefixtures("quick_waits")
def test_tell_whose_answer_was_lost_is_no_error(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeated call finds the trial finished, by itself."""
    trial = study.ask()
    _break_after("set_trial_state_values", monkeypatch)

    study.tell(trial, 1.5)

    assert [(t.state, t.value) for t in study.trials] == [(TrialState.COMPLETE, 1.5)]


def test_trial_that_another_has_finished_stays_an_error(
    url: str, study: optuna.Study, opened: Callable[[str], BaseStorage]
) -> None:
    """A worker that lost its trial to a reaper is told so."""
    trial = study.ask()
    load_study(opened(url), "toy").tell(trial.number, state=TrialState.FAIL)

    with pytest.raises(UpdateFinishedTrialError):
        study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [1.0])


@pytest.mark.parametrize("hours", [-11, 0, 9.75])
def test_trial_without_a_stamp_is_judged_alike_in_every_time_zone(
    hours: float, url: str, study: optuna.Study, postgres_cluster: Cluster
) -> None:
    """Optuna writes the worker's local time, which tells nothing of its zone."""
    for age_seconds in (5, 100):
        trial = study.ask()
        started = datetime.now() + timedelta(hours=hours, seconds=-age_seconds)
        postgres_cluster.execute(
            f"update trials set datetime_start = '{started}' where trial_id = {trial._trial_id}",
            url=url,
        )
    study = load_study(open_storage(url), "toy")

    reaped = reap_orphans(study)

    assert [report.number for report in reaped] == [1]
    assert study.trials[1].user_attrs[REASON] == WORKER_DIED
    close_storage(study._storage)


@pytest.mark.parametrize(
    ("age_seconds", "is_recent"), [(-30, True), (0, True), (59, True), (61, False), (800, False)]
)
def test_recent_is_a_minute_in_any_zone(age_seconds: float, is_recent: bool) -> None:
    """Clocks that differ by seconds make nothing old."""
    now = datetime.now(UTC).timestamp()
    for quarters in (-3, 0, 31):
        moment = datetime.fromtimestamp(now - age_seconds + quarters * 900)
        assert reaper._is_recent(moment, 60, now, in_zones=True) is is_recent


def test_error_of_a_command_is_one_line(postgres_cluster: Cluster, tmp_path: Path) -> None:
    """From the outside: exit code 1, one line on stderr, no traceback and no password."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "autometa", "studies"],
        env=os.environ | {"AUTOMETA_STORAGE": postgres_cluster.url("absent")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "there is no such database" in done.stderr
    assert PASSWORD not in done.stderr
