"""Events are facts: what another SQLite tool does to the file behind the triggers, `verify` finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.attacks import COLUMNS, REST, unguarded

from refold import NewEvent, Store, StoreCorrupt
from refold.testing.contract.sample import EVENTS, Deposit, Noted, accounts

pytestmark = pytest.mark.guarantee("G8")


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
    "no-time": ("update events set valid_at = 1 << 62 where position = 2", "its valid_at is no time of the years 1 to 9999"),
    "a-lost-tag": ("delete from event_tags where tag = 't'", "its tag t is not in the index"),
    "a-forged-tag": ("insert into event_tags values ('forged', 2, 'x')", "the index of tags has"),
}  # fmt: skip


@pytest.mark.parametrize("damage", UNLOCKED)
def test_what_was_done_behind_the_triggers_is_found(path: Path, damage: str) -> None:
    statement, found = UNLOCKED[damage]
    with unguarded(path) as tool:
        tool.execute(statement)
    assert any(found in problem for problem in damages(path)), damages(path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("tags = '[1]'", "the event at position 2 is damaged: beside its data stands what was never written"),
        ("metadata = cast('[]' as blob)", "the event at position 2 is damaged"),
        ("id = x'00'", "the event at position 2 is damaged"),
        ("stream = 'nodash'", "the event at position 2 is damaged"),
        ("valid_at = 1 << 62", "the event at position 2 is damaged"),
        ("actor = cast(x'ff' as text)", "it holds text that is not UTF-8"),
    ],
)
def test_an_event_that_was_damaged_beside_its_data_is_told_when_it_is_read(
    tool: sqlite3.Connection, path: Path, damage: str, told: str
) -> None:
    tool.execute("drop trigger events_are_not_changed")
    tool.execute(f"update events set {damage} where position = 2")  # noqa: S608 - a constant
    with Store.open(f"sqlite:///{path}", events=EVENTS) as store, pytest.raises(StoreCorrupt, match=told):
        list(store.read())


def test_an_append_by_hand_that_keeps_the_rules_is_read_like_any_other_and_found(
    tool: sqlite3.Connection, path: Path
) -> None:
    now = "(select max(recorded_at) from events)"
    values = REST.replace("tags", "'[]'").replace("recorded_at", now).replace("correlation_id", "'by hand'")
    tool.execute(
        f"insert into events ({COLUMNS}) select 4, stream, 3, zeroblob(16), {values} from events where position = 1"  # noqa: S608
    )
    assert damages(path) == ["it has no digest: something else than Refold wrote it"]
    with Store.open(f"sqlite:///{path}", events=EVENTS) as store:
        assert [event.data for event in store.read("note-1")] == [Noted("a"), Noted("b"), Noted("a")]
        assert store.append("note-1", [Noted("c")], expected=3).version == 4
