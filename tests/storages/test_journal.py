from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from autometa.errors import RunError, UserError
from autometa.storages import create_or_load_study, load_study, open_storage
from autometa.storages._locks import journal_lock, kernel_lock

RECORD = b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":1}}\n'
STUMP = RECORD[:25]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound journal: study ``toy`` with two finished trials."""
    path = tmp_path / "s.journal"
    study, _ = create_or_load_study(open_storage(str(path)), "toy", spec={}, fingerprint={})
    for value in (0.25, 0.5):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, value)
    return path


def damaged(path: Path) -> list[bytes]:
    """The contents of the side files, oldest first."""
    return [side.read_bytes() for side in sorted(path.parent.glob("*.damaged-*Z"))]


def works(path: Path) -> bool:
    """Whether two more trials can be written and read back by a fresh process's eyes."""
    study = load_study(open_storage(str(path)), "toy")
    before = len(study.trials)
    for _ in range(2):
        study.tell(study.ask(), 1.0)
    return len(load_study(open_storage(str(path)), "toy").trials) == before + 2


def test_journal_cut_at_any_byte_of_its_last_record_is_repaired(path: Path) -> None:
    """Wherever the last write stopped, only that record is missing, and writing goes on."""
    content = path.read_bytes()
    kept = content[: content.rindex(b"\n", 0, -1) + 1]

    for length in range(len(kept), len(content)):
        path.write_bytes(content[:length])
        storage = open_storage(str(path))
        assert path.read_bytes() == kept
        states = [trial.state.name for trial in load_study(storage, "toy").trials]
        assert states == ["COMPLETE", "RUNNING"]

    assert works(path)
    assert damaged(path) == [content[len(kept) : end] for end in range(len(kept) + 1, len(content))]


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 4096,
        b"\0" * 100 + b"\n",
        b"garbage\n",
        b"garbage",
        b"one\ntwo\n\xff\xfe\n{}",
        b"123\n",
        b'{"a":1}\n',
        b"\n",
        STUMP + RECORD,
        STUMP + b"\r" + RECORD,
        b"[" * 100_000,
    ],
    ids=lambda tail: repr(tail[:12]),
)
def test_unreadable_tail_is_moved_to_a_side_file(
    path: Path, tail: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """NULs, garbage and glued records are cut off, kept aside, and named in one warning."""
    content = path.read_bytes()
    path.write_bytes(content + tail)

    with caplog.at_level(logging.WARNING, logger="autometa.storages"):
        open_storage(str(path))

    assert path.read_bytes() == content
    assert damaged(path) == [tail]
    assert [record.name for record in caplog.records] == ["autometa.storages"]
    assert ".damaged-" in caplog.text
    assert works(path)


def test_sound_journal_is_left_alone(path: Path) -> None:
    """Opening a sound journal changes no byte and makes no side file."""
    content = path.read_bytes()

    open_storage(str(path))

    assert path.read_bytes() == content
    assert not damaged(path)


def test_first_record_cut_leaves_an_empty_journal(tmp_path: Path) -> None:
    """A process killed in its very first write does not make the path unusable."""
    path = tmp_path / "s.journal"
    path.write_bytes(RECORD[:5])

    storage = open_storage(str(path))

    assert storage.get_all_studies() == []
    assert damaged(path) == [RECORD[:5]]


def test_damage_in_the_middle_is_an_error_with_a_remedy(path: Path) -> None:
    """Cutting would lose the trials after it, so nothing is changed."""
    lines = path.read_bytes().splitlines(keepends=True)
    content = b"".join([*lines[:3], b"broken\n", *lines[3:]])

    for tail in (b"", STUMP):
        path.write_bytes(content + tail)
        with pytest.raises(RunError, match=r"line 4 of the journal .* restore the file"):
            open_storage(str(path))
        assert path.read_bytes() == content + tail
    assert not damaged(path)


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"SQLite format 3\0" + b"\0" * 84, b"text", b'{"a": 1}\n']
)
def test_file_that_is_no_journal_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    """A path given by mistake must not be cut to nothing."""
    path = tmp_path / "table.csv"
    path.write_bytes(content)

    with pytest.raises(RunError, match="is not a journal"):
        open_storage(f"journal:{path}")

    assert path.read_bytes() == content
    assert not damaged(path)


def test_record_of_a_newer_optuna_is_an_error(path: Path) -> None:
    """An unknown operation is not damage, and is not cut off."""
    content = path.read_bytes() + b'{"op_code":77,"worker_id":"w"}\n'
    path.write_bytes(content)

    with pytest.raises(RunError, match="newer Optuna"):
        open_storage(str(path))

    assert path.read_bytes() == content


def test_open_storage_repairs_a_tail_before_its_next_write(path: Path) -> None:
    """A stump left by another, killed writer does not swallow the next record."""
    study = load_study(open_storage(str(path)), "toy")
    with path.open("ab") as file:
        file.write(STUMP)

    study.tell(study.ask(), 1.0)

    assert damaged(path) == [STUMP]
    assert len(load_study(open_storage(str(path)), "toy").trials) == 3


def test_repair_while_others_append_loses_nothing(
    path: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """Three writers and many repairs at the same moment: every acknowledged record is there."""
    code = """
        from autometa.storages import load_study, open_storage
        study = load_study(open_storage(sys.argv[1]), "toy")
        for number in range(60):
            study.set_user_attr(f"{sys.argv[2]}-{number}", number)
        print("done", flush=True)
    """
    writers = [spawn(code, path, name) for name in "abc"]

    repairs = 0
    while any(writer.poll() is None for writer in writers):
        with journal_lock(path), path.open("ab") as file:
            file.write(STUMP)
        open_storage(str(path))
        repairs += 1
        time.sleep(0.01)

    assert [writer.communicate()[0] for writer in writers] == ["done\n"] * 3
    attributes = load_study(open_storage(str(path)), "toy").user_attrs
    assert sum(key[:2] in ("a-", "b-", "c-") for key in attributes) == 180
    assert damaged(path) == [STUMP] * repairs


def test_lock_of_a_killed_process_is_broken_in_seconds(
    path: Path, spawn: Callable[..., subprocess.Popen[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Kill -9 of a lock's holder holds the others up for a few seconds, not for thirty."""
    code = """
        from pathlib import Path
        from autometa.storages._locks import journal_lock
        with journal_lock(Path(sys.argv[1])):
            print("held", flush=True)
            time.sleep(60)
    """
    holder = spawn(code, path)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    assert path.with_name("s.journal.lock").is_symlink()

    start = time.monotonic()
    assert works(path)
    seconds = time.monotonic() - start

    assert seconds < 8
    assert not path.with_name("s.journal.lock").is_symlink()


def test_live_holder_is_never_overtaken(path: Path) -> None:
    """Who waits too long for a live process gets an error, not the lock."""
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with journal_lock(path):
            held.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)

    with (
        pytest.raises(RunError, match="held the lock"),
        kernel_lock(path, "append", timeout_seconds=0.1),
    ):
        pass

    leave.set()
    thread.join()


def test_full_disk_leaves_the_journal_whole(
    path: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """The writer stops with the true cause and takes its half-written record back."""
    code = """
        import resource
        from autometa.errors import RunError
        from autometa.storages import load_study, open_storage
        study = load_study(open_storage(sys.argv[1]), "toy")
        limit = os.path.getsize(sys.argv[1]) + 20
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            study.ask()
        except RunError as error:
            print(error)
    """
    content = path.read_bytes()

    output, errors = spawn(code, path).communicate(timeout=60)

    assert "cannot be used (File too large); free space" in output, errors
    assert path.read_bytes() == content
    assert works(path)


def test_journal_deleted_during_a_run_does_not_come_back(path: Path) -> None:
    """A new file would hold the second half of a study only."""
    study = load_study(open_storage(str(path)), "toy")
    path.unlink()

    with pytest.raises(RunError, match="No such file"):
        study.ask()

    assert not path.exists()


def test_folder_is_made_on_demand_only(tmp_path: Path) -> None:
    """A missing storage is made for a new study and is an error when a study is looked for."""
    path = tmp_path / "a" / "b" / "s.journal"

    with pytest.raises(UserError, match=r"there is no storage at .*--storage"):
        open_storage(str(path), create=False)
    open_storage(str(path))

    assert path.exists()
    assert open_storage(str(path), create=False).get_all_studies() == []


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    """A folder is named as such."""
    with pytest.raises(UserError, match="is a folder; add a file name"):
        open_storage(f"journal:{tmp_path}")


def test_file_in_place_of_the_folder_is_an_error(path: Path) -> None:
    """A folder that cannot be made is named."""
    with pytest.raises(RunError, match="cannot be made"):
        open_storage(f"journal:{path}/s.journal")


def test_read_only_storage_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing rights are told before anything is written."""
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != path)

    with pytest.raises(RunError, match="readable and writable; give access"):
        open_storage(str(path))


def test_plain_optuna_reads_and_writes_the_same_journal(path: Path) -> None:
    """The file stays an ordinary Optuna journal."""
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    study = optuna.load_study(study_name="toy", storage=optuna.storages.JournalStorage(backend))
    study.tell(study.ask(), 1.0)

    assert len(load_study(open_storage(str(path)), "toy").trials) == 3
