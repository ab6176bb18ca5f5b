"""Each event has a digest from the format on that brought them; what older formats wrote reads on, and has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests.archive.books import archived, restored, write_books
from tests.faults.attacks import COLUMNS, unguarded

from refold import RawEvent, Store
from refold.backends.postgres import schema
from refold.backends.sqlite import connection
from refold.testing.postgres import PostgresServer

pytestmark = pytest.mark.guarantee("G8")

BEFORE_SQLITE, BEFORE_POSTGRESQL = 6, 7
"""The last formats without digests."""
SINCE_IS_GONE = {"sqlite": "delete from refold_digests", "postgresql": "delete from refold.digests"}
"""From which position on every event has a digest, nobody says any more."""
OLD = "1, 'note-1', 1, {id}, 'noted', 1, {data}, '[]', 5, null, 'story', null, null, {metadata}"


@pytest.fixture
def new(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[str]:
    """Where nothing is yet."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path}/new.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture
def old(new: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of a format without digests, with one event."""
    if new.startswith("sqlite"):
        with closing(sqlite3.connect(new.removeprefix("sqlite:///"), isolation_level=None)) as db:
            for name in connection.MIGRATIONS[:BEFORE_SQLITE]:
                db.executescript(Path(connection.__file__).with_name("migrations").joinpath(name).read_text("utf-8"))
            db.execute(f"pragma application_id = {connection.APPLICATION_ID}")
            db.execute(f"pragma user_version = {BEFORE_SQLITE}")
        values = OLD.format(id="zeroblob(16)", data="cast('{}' as blob)", metadata="cast('{}' as blob)")
    else:
        with monkeypatch.context() as patched:
            patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:BEFORE_POSTGRESQL])
            patched.setattr(schema, "FORMAT", BEFORE_POSTGRESQL)
            Store.open(new).close()
        values = OLD.format(id="'00000000-0000-0000-0000-000000000000'", data="'{}'", metadata="'{}'")
    done(new, f"insert into refold.events ({COLUMNS}) values ({values})")  # noqa: S608 - constants
    return new


both = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])


def done(url: str, statement: str) -> None:
    """A statement, with every right and without the triggers."""
    if not url.startswith("sqlite"):
        with psycopg.connect(url) as server:
            server.execute("set session_replication_role = replica")
            server.execute(statement.encode())
        return
    with unguarded(url.removeprefix("sqlite:///")) as tool:
        tool.execute(statement.replace("refold.", ""))


def problems(url: str) -> Sequence[str]:
    """What `verify` finds."""
    with Store.open(url, events=[RawEvent]) as store:
        return [f"{damage.position}: {damage.problem}" for _, found in store.verify() for damage in found]


@both
def test_a_store_without_digests_gets_them_from_its_next_event_on(old: str) -> None:
    with Store.open(old, events=[RawEvent]) as store:
        store.append("note-1", [RawEvent("noted", {"n": 2})], expected=1)
        assert [(event.version, event.data.data) for event in store.read("note-1")] == [(1, {}), (2, {"n": 2})]
    assert problems(old) == []
    done(old, "update refold.events set actor = 'mallory'")
    assert problems(old) == ["2: it is not what was written: its digest does not fit"]


@both
def test_an_event_whose_digest_was_taken_away_is_found(new: str, backend: str) -> None:
    with Store.open(new, events=[RawEvent]) as store:
        store.append("note-1", [RawEvent("noted", {})])
    done(new, "update refold.events set digest = null")
    assert problems(new) == ["1: it has no digest: something else than Refold wrote it"]
    done(new, SINCE_IS_GONE[backend])
    assert problems(new) == ["1: it has no digest: something else than Refold wrote it"]


@both
def test_events_that_come_back_out_of_an_archive_have_theirs(new: str, tmp_path: Path) -> None:
    write_books(new, 2)
    archived(new, tmp_path / "archive")
    restored(new, tmp_path / "archive")
    assert problems(new) == []
    done(new, "update refold.events set actor = 'mallory' where position = 1")
    assert problems(new) == ["1: it is not what was written: its digest does not fit"]
