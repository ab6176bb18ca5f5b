"""Events are facts: whatever another SQLite tool tries on the file, it is refused, or `verify` finds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from refold import NewEvent, Store
from refold.testing.contract.sample import EVENTS, Deposit, Noted, accounts

pytestmark = pytest.mark.guarantee("G8")

REST = "type, schema_version, data, tags, recorded_at, valid_at, correlation_id, causation_id, actor, metadata"
COLUMNS = f"position, stream, version, id, {REST}"
FORGED = REST.replace("type", "'forged'", 1)
COPY = f"select 1, stream, version, id, {FORGED} from events where position = 1"  # noqa: S608 - constants
OTHER_ID = COPY.replace("select 1, stream, version, id", "select 99, stream, 9, zeroblob(16)")

REFUSED = {
    "update": "update events set data = cast('{}' as blob) where position = 1",
    "update-of-all": "update events set type = type",
    "update-or-replace": "update or replace events set id = (select id from events where position = 2) where position = 1",
    "update-or-ignore": "update or ignore events set data = cast('{}' as blob)",
    "delete": "delete from events where position = 3",
    "delete-of-all": "delete from events",
    "insert-or-replace": f"insert or replace into events ({COLUMNS}) {COPY}",
    "replace": f"replace into events ({COLUMNS}) {COPY}",
    "insert-or-ignore": f"insert or ignore into events ({COLUMNS}) {COPY}",
    "upsert": f"insert into events ({COLUMNS}) {COPY} on conflict do update set type = 'forged'",
    "upsert-of-nothing": f"insert into events ({COLUMNS}) {COPY} on conflict do nothing",
    "replace-by-stream-and-version": f"replace into events ({COLUMNS}) {COPY.replace('select 1,', 'select 99,')}",
    "replace-by-id": f"replace into events ({COLUMNS}) {COPY.replace('select 1, stream, version', 'select 99, stream, 4')}",
    "a-hole-in-a-stream": f"insert into events ({COLUMNS}) {OTHER_ID}",
    "tags-update": "update event_tags set tag = 'x'",
    "tags-delete": "delete from event_tags",
    "tags-replace": "replace into event_tags select tag, position, 'forged' from event_tags",
    "tags-upsert": "insert into event_tags select tag, position, 'forged' from event_tags where true"
    " on conflict do update set type = 'forged'",
    "update-of-streams": "update events set stream = 'b' || stream",
    "set-null": "update events set data = null",
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with three events, tags and a request, which is closed."""
    with Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        store.append("note-1", [NewEvent(Noted("a"), tags=frozenset({"t"})), Noted("b")])
        store.bind(accounts).handle("1", Deposit(5), idempotency_key="k")
    return tmp_path / "store.db"


@pytest.fixture
def tool(path: Path) -> Iterator[sqlite3.Connection]:
    """Python's own SQLite on the same file."""
    db = sqlite3.connect(path, isolation_level=None)
    yield db
    db.close()


def damages(path: Path) -> list[str]:
    with Store.open(f"sqlite:///{path}", events=EVENTS) as store:
        return [damage.problem for _, found in store.verify() for damage in found]


def dump(db: sqlite3.Connection) -> list[str]:
    return list(db.iterdump())


@pytest.mark.parametrize("recursive", ["off", "on"])
@pytest.mark.parametrize("attack", REFUSED)
def test_an_attack_is_refused_and_changes_nothing(
    tool: sqlite3.Connection, path: Path, attack: str, recursive: str
) -> None:
    tool.execute(f"pragma recursive_triggers = {recursive}")
    before = dump(tool)
    with pytest.raises(sqlite3.IntegrityError, match="facts"):
        tool.execute(REFUSED[attack])
    assert dump(tool) == before
    assert damages(path) == []


@pytest.mark.parametrize("what", ["events", "tags"])
@pytest.mark.parametrize("how", ["appended", "not_changed", "not_removed"])
def test_a_dropped_trigger_is_found(tool: sqlite3.Connection, path: Path, what: str, how: str) -> None:
    trigger = f"{what}_are_{how}"
    tool.execute(f"drop trigger {trigger}")
    assert damages(path) == [f"the trigger {trigger} is missing: events could be changed"]


def test_a_trigger_that_was_made_toothless_is_found(tool: sqlite3.Connection, path: Path) -> None:
    tool.execute("drop trigger events_are_not_changed")
    tool.execute("create trigger events_are_not_changed before update on events begin select 1; end")
    assert damages(path) == ["the trigger events_are_not_changed is not as it was made: events could be changed"]


def test_a_table_that_was_swapped_is_found(tool: sqlite3.Connection, path: Path) -> None:
    (made,) = tool.execute("select sql from sqlite_master where name = 'events'").fetchone()
    tool.execute("alter table events rename to old")
    tool.execute(made)
    tool.execute(
        f"insert into events ({COLUMNS}) select {COLUMNS.replace(' data', ' cast(upper(data) as blob)')} from old"  # noqa: S608
    )
    tool.execute("drop table old")
    assert any("is missing: events could be changed" in problem for problem in damages(path))


UNLOCKED = {
    "a-lost-event": ("delete from events where position = 1", "does not follow version 1"),
    "a-lost-position": ("delete from events where position = 2", "the event before it is missing"),
    "turned-back": ("update events set recorded_at = 0 where position = 2", "its time is before that of the event before it"),
    "broken-json": ("update events set data = cast('{' as blob) where position = 2", "its data or metadata are not JSON"),
    "broken-tags": ("update events set tags = '[' where position = 2", "its data or metadata are not JSON"),
    "a-lost-tag": ("delete from event_tags where tag = 't'", "its tag t is not in the index"),
    "a-forged-tag": ("insert into event_tags values ('forged', 2, 'x')", "the index of tags has"),
}  # fmt: skip


@pytest.mark.parametrize("damage", UNLOCKED)
def test_what_was_done_behind_the_triggers_is_found(tool: sqlite3.Connection, path: Path, damage: str) -> None:
    triggers = [(name, sql) for name, sql in tool.execute("select name, sql from sqlite_master where type = 'trigger'")]
    for name, _ in triggers:
        tool.execute(f"drop trigger {name}")
    statement, found = UNLOCKED[damage]
    tool.execute(statement)
    for _, sql in triggers:
        tool.execute(sql)
    assert any(found in problem for problem in damages(path)), damages(path)


def test_an_append_by_hand_that_keeps_the_rules_is_an_event_like_any_other(
    tool: sqlite3.Connection, path: Path
) -> None:
    now = "(select max(recorded_at) from events)"
    values = REST.replace("tags", "'[]'").replace("recorded_at", now).replace("correlation_id", "'by hand'")
    tool.execute(
        f"insert into events ({COLUMNS}) select 4, stream, 3, zeroblob(16), {values} from events where position = 1"  # noqa: S608
    )
    assert damages(path) == []
    with Store.open(f"sqlite:///{path}", events=EVENTS) as store:
        assert [event.data for event in store.read("note-1")] == [Noted("a"), Noted("b"), Noted("a")]
        assert store.append("note-1", [Noted("c")], expected=3).version == 4
