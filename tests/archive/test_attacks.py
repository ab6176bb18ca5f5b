"""Events stay facts beside an archive: only what is recorded as archived goes, and only that comes back."""

# ruff: noqa: S608 - constants

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from tests.archive.books import archived, opened, raw, restored, write_books

from refold.archive.threaded import stepped

pytestmark = pytest.mark.guarantee("G8")

VALUES = "stream, events, tags, first_position, last_position, first_recorded_at, last_recorded_at, digest, archived_at"
ROW = "position, stream, version, id, type, schema_version, data, tags, recorded_at, correlation_id, metadata"

ATTACKS = {
    "delete": "delete from {events} where stream = 'note-1'",
    "delete-of-all": "delete from {events}",
    "delete-of-the-current-period": "delete from {events} where stream = 'book-b'",
    "update": "update {events} set type = 'forged'",
    "tags": "delete from {event_tags}",
    "a-record-of-too-few": f"insert into {{archived}} ({VALUES}) values ('book-b', 1, 0, 1, 5, 0, 0, '', 0)",
    "a-record-of-no-stream": f"insert into {{archived}} ({VALUES}) values ('book-z', 0, 0, 1, 1, 0, 0, '', 0)",
    "a-record-of-the-newest-event": f"insert into {{archived}} ({VALUES}) select stream, count(*), 0, min(position), "
    "max(position), 0, 0, '', 0 from {events} where stream = 'book-b@2' group by stream",
    "a-record-twice": f"insert into {{archived}} ({VALUES}) select {VALUES} from {{archived}}",
    "a-record-changed": "update {archived} set digest = 'forged'",
    "a-record-removed": "delete from {archived}",
    "types-changed": "update {archived_types} set last_position = 0",
    "types-removed": "delete from {archived_types}",
    "an-archived-stream-that-begins-again": f"insert into {{events}} ({ROW}) select 99, 'book-a', 1, {{id}}, type, "
    "schema_version, data, tags, recorded_at, correlation_id, metadata from {events} where position = 2",
    "what-comes-back-from-nowhere": f"insert into {{returned}} ({ROW}) select 1, 'book-z', 1, {{zeros}}, type, schema_version, "
    "data, tags, recorded_at, correlation_id, metadata from {returned} where position = 2",
    "what-comes-back-elsewhere": f"insert into {{returned}} ({ROW}) select 99, 'book-a', 3, {{zeros}}, type, schema_version, "
    "data, tags, recorded_at, correlation_id, metadata from {returned} where position = 2",
}  # fmt: skip
OF_SQLITE = {
    "replaced": f"insert or replace into {{events}} ({ROW}) select 2, 'book-a', 1, {{id}}, 'forged', schema_version, "
    "data, tags, recorded_at, correlation_id, metadata from {events} where position = 2",
    "a-record-replaced": f"insert or replace into {{archived}} ({VALUES}) select {VALUES} from {{archived}}",
    "the-end-of-an-archived-stream": f"insert into {{events}} ({ROW}) select 99, 'book-a', 3, {{id}}, type, schema_version, "
    "data, tags, recorded_at, correlation_id, metadata from {events} where position = 2",
}
OF_POSTGRES = {
    "truncate": "truncate {events}",
    "records-truncated": "truncate {archived}",
    "types-truncated": "truncate {archived_types}",
}


@contextmanager
def tool(url: str) -> Generator[Any]:
    """Something else that runs SQL on the store's database: its way to run, names of tables, and its error."""
    names = ("events", "event_tags", "archived", "archived_types", "returned")
    if url.startswith("sqlite:"):
        ours = {name: name if name in names[:2] else f"refold_{name}" for name in names}
        db = apsw.Connection(url.removeprefix("sqlite:///").partition("?")[0])
        yield (
            lambda sql: db.execute(sql.format(**ours, id="randomblob(16)", zeros="zeroblob(16)")),
            apsw.ConstraintError,
        )
        db.close()
        return
    schema = url.rpartition("schema=")[2]
    ours = {name: f"{schema}.{name}" for name in names}
    with psycopg.connect(url.rpartition("&schema=")[0], autocommit=True) as connection:
        values = {"id": "gen_random_uuid()", "zeros": "uuid_send(gen_random_uuid())"}
        yield (
            lambda sql: connection.execute(sql.format(**ours, **values).encode()),
            (psycopg.errors.RestrictViolation, psycopg.errors.UniqueViolation),
        )


@pytest.mark.parametrize("attack", [*ATTACKS, *OF_SQLITE, *OF_POSTGRES])
def test_the_database_refuses_it(url: str, tmp_path: Path, attack: str) -> None:
    is_sqlite = url.startswith("sqlite:")
    attacks = {**ATTACKS, **(OF_SQLITE if is_sqlite else OF_POSTGRES)}
    if attack not in attacks:
        pytest.skip("the other database's")
    write_books(url, 1, "ab")
    with opened(url) as backend:
        before = raw(backend)
    archived(url, tmp_path, choose=lambda each: each.stream == "book-a")

    with tool(url) as (run, refused), pytest.raises(refused):
        run(attacks[attack])
    with opened(url, tmp_path) as backend:
        assert (raw(backend), list(backend_damages(backend))) == (before, [])
    restored(url, tmp_path)
    with opened(url) as backend:
        assert raw(backend) == before


def backend_damages(backend: Any) -> Any:
    """What `verify` finds."""
    return stepped(backend.verify(0, 10_000))


def test_a_record_that_is_a_lie_is_found_by_verify(url: str, tmp_path: Path) -> None:
    write_books(url, 1, "ab")
    archived(url, tmp_path, choose=lambda each: each.stream == "book-a")
    with tool(url) as (run, _):
        for trigger in ("archived_streams_are_kept", "archived_streams_are_back"):
            on = "" if url.startswith("sqlite:") else " on {archived}"
            run(f"drop trigger {trigger}{on}")
        run("delete from {archived}")
    with opened(url) as backend:
        problems = [damage.problem for damage in backend_damages(backend)]
    assert "the trigger archived_streams_are_kept is missing: events could be changed" in problems
    assert "the last position is 8, but 6 events are in the store and its archive" in problems
    assert "the event before it is missing" in problems
