"""Files that are not ours, not readable, not writable, from another time: each a clear error, and nothing is changed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from refold import NewerFormat, NotAStore, Store, StoreBusy, StoreCorrupt, StoreError, StoreReadOnly, StoreUnreachable
from refold.backends.sqlite.connection import FORMAT, LOG
from refold.testing.contract.sample import EVENTS, Noted


def made(path: Path, notes: int = 3) -> bytes:
    """A store with some notes, closed; its bytes."""
    with Store.open(f"sqlite:///{path}", events=EVENTS) as store:
        for i in range(notes):
            store.append("note-1", [Noted(str(i))])
    return path.read_bytes()


def texts(path: Path, settings: str = "") -> list[str]:
    with Store.open(f"sqlite:///{path}{settings}", events=EVENTS) as store:
        return [event.data.text for event in store.read()]


def another_database(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("create table customers (name text)")
    db.close()


def another_application(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("pragma application_id = 17")
    db.close()


STRANGERS: dict[str, Callable[[Path], object]] = {
    "another-database": another_database,
    "another-application": another_application,
    "text": lambda path: path.write_text("Dear diary,\n" * 1_000),
    "short-text": lambda path: path.write_text("xy"),
    "random-bytes": lambda path: path.write_bytes(os.urandom(8_192)),
    "few-random-bytes": lambda path: path.write_bytes(b"\x93" * 50),
    "half-a-header": lambda path: path.write_bytes(b"SQLite format 3\x00" + os.urandom(2) + b"\1\1" + os.urandom(196)),
    "half-a-header-of-wal": lambda path: path.write_bytes(
        b"SQLite format 3\x00" + os.urandom(2) + b"\2\2" + os.urandom(196)
    ),
}


@pytest.mark.parametrize("settings", ["", "?mode=ro"])
@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_is_not_a_store_is_refused_and_left_as_it_is(tmp_path: Path, stranger: str, settings: str) -> None:
    path = tmp_path / "file"
    STRANGERS[stranger](path)
    before = path.read_bytes()
    with pytest.raises(NotAStore, match=r"choose another file\. Nothing was changed\."):
        Store.open(f"sqlite:///{path}{settings}")
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    made(path)
    assert texts(path) == ["0", "1", "2"]


def test_an_empty_file_cannot_be_read_only(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(StoreReadOnly, match="open it once for writing"):
        Store.open(f"sqlite:///{path}?mode=ro")
    assert path.read_bytes() == b""


@pytest.mark.parametrize("settings", ["", "?mode=ro"])
def test_a_newer_format_is_refused_and_left_as_it_is(tmp_path: Path, settings: str) -> None:
    path = tmp_path / "store.db"
    made(path)
    with sqlite3.connect(path) as db:
        db.execute(f"pragma user_version = {FORMAT + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(NewerFormat, match=f"has format {FORMAT + 1}, this Refold reads up to {FORMAT}: upgrade refold"):
        Store.open(f"sqlite:///{path}{settings}")
    assert path.read_bytes() == before


def test_a_directory_a_missing_directory_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="is a directory: name a file in it"):
        Store.open(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreUnreachable, match="there is no directory"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/store.db")
    with pytest.raises(StoreUnreachable, match="there is no store"):
        Store.open(f"sqlite:///{tmp_path}/store.db?mode=ro")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_an_error_and_is_found_by_verify(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    whole = bytearray(made(path, 200))
    page = len(whole) // 2 // 4096 * 4096
    whole[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(whole)
    try:
        with Store.open(f"sqlite:///{path}", events=EVENTS) as store:
            damages = [damage.problem for _, found in store.verify() for damage in found]
    except StoreCorrupt as error:
        damages = [str(error)]
    assert damages != []


def test_a_store_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    whole = made(path, 200)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreCorrupt, match="restore a backup"):
        texts(path)


def test_reading_only_reads_what_others_append_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    made(path)
    with (
        Store.open(f"sqlite:///{path}", events=EVENTS) as writer,
        Store.open(f"sqlite:///{path}?mode=ro", events=EVENTS) as reader,
    ):
        writer.append("note-1", [Noted("new")])
        assert [event.data.text for event in reader.read()][-1] == "new"
        with pytest.raises(StoreReadOnly, match=r"opened with mode=ro\. Nothing was written"):
            reader.append("note-1", [Noted("refused")])
        assert reader.head() == writer.head() == 4


def test_a_store_is_read_only_though_it_is_not_open_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    before = made(path)
    assert texts(path, "?mode=ro") == ["0", "1", "2"]
    assert path.read_bytes() == before


READ_ONLY = """
import os, sys
os.setgid(65534); os.setuid(65534)
from refold import Store, StoreReadOnly, RawEvent
with Store.open(sys.argv[1], events=[RawEvent]) as store:
    print(len(list(store.read())))
    try:
        store.append("note-1", [RawEvent("X", {})])
    except StoreReadOnly as error:
        print("refused")
"""


def test_a_file_that_may_not_be_written_can_be_read(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become a user who may not write here")
    made(tmp_path / "store.db")
    for path in (tmp_path, *tmp_path.parents):
        if str(path).startswith("/tmp/"):  # noqa: S108 - where pytest keeps it
            path.chmod(0o755)
    (tmp_path / "store.db").chmod(0o444)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, f"sqlite:///{tmp_path}/store.db"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("the other user may not read this installation")
    assert done.stdout.split() == ["3", "refused"], done.stderr


LOCKER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


def locked(path: Path, statement: str) -> subprocess.Popen[str]:
    """Another process that holds a lock: in one process, two copies of SQLite would not see each other's."""
    other = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(path), statement], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    return other


def let_go(other: subprocess.Popen[str]) -> None:
    other.communicate("")
    assert other.returncode == 0


def test_a_store_that_another_process_has_locked_says_so_and_goes_on_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    made(path)
    other = locked(path, "begin immediate")
    with Store.open(f"sqlite:///{path}?busy_timeout=0.05", events=EVENTS) as store:
        with pytest.raises(StoreBusy, match=r"locked by another process for longer than 0\.05 s\. Nothing was written"):
            store.append("note-1", [Noted("late")])
        assert len(list(store.read())) == 3
        let_go(other)
        assert store.append("note-1", [Noted("now")]).version == 4


def test_a_new_store_on_a_locked_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    other = locked(path, "begin exclusive")
    with pytest.raises(StoreBusy, match="locked by another process"):
        Store.open(f"sqlite:///{path}?busy_timeout=0.05")
    let_go(other)
    made(path)
    assert texts(path) == ["0", "1", "2"]


def test_many_processes_make_one_store(tmp_path: Path) -> None:
    program = "import sys; from refold import *; Store.open(sys.argv[1]).append('a-1', [RawEvent('X', {})])"
    url = f"sqlite:///{tmp_path}/store.db"
    makers = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(6)]
    assert [maker.wait() for maker in makers] == [0] * 6
    with Store.open(url) as store:
        assert store.stats().events == 6


def test_the_engine_is_one_without_the_known_corruption(tmp_path: Path) -> None:
    """SQLite before 3.51.3 can corrupt a database in WAL mode when its log is reset."""
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)
    assert issubclass(StoreCorrupt, StoreError)


def test_a_store_in_a_folder_that_may_not_be_written_says_what_it_takes_to_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    Store.open(f"sqlite:///{path}").close()

    def connection(*args: object, **given: object) -> None:
        raise apsw.CantOpenError("unable to open database file")

    monkeypatch.setattr(apsw, "Connection", connection)
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)
    with pytest.raises(StoreUnreachable, match=r"its folder may not be written.*Copy the file"):
        Store.open(f"sqlite:///{path}?mode=ro")


def test_what_the_log_grew_by_beside_a_long_reader_goes_back_to_the_disk(tmp_path: Path) -> None:
    made(tmp_path / "a.db")
    log, large = tmp_path / "a.db-wal", "x" * 900_000
    with Store.open(f"sqlite:///{tmp_path}/a.db?durability=best-effort", events=EVENTS) as store:
        reader = apsw.Connection(str(tmp_path / "a.db"))
        with reader:
            assert reader.execute("select count(*) from events").get == 3
            while log.stat().st_size < LOG + (4 << 20):
                store.append("note-2", [Noted(large)])
        reader.close()
        for text in "abc":  # all is taken into the file, the log begins again, and is cut
            store.append("note-3", [Noted(text)])
        assert log.stat().st_size <= LOG
