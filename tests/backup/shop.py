"""A store with everything in it that a backup must bring back, and what may be asked of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from refold import (
    ANY,
    Decider,
    Effect,
    NewEvent,
    Process,
    Projection,
    RawEvent,
    Recorded,
    Statement,
    Store,
    after,
    command,
    event,
    finish,
    sql,
)
from refold.archive.threaded import stepped
from refold.backup.sources import backend_at
from refold.flows.contents import TABLES, live_rows
from refold.ports import Own
from refold.rows import Row
from refold.testing import ManualClock

START: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
WEEK: Final = timedelta(days=7)


@event("placed")
class Placed:
    amount: int


@event("reminded")
class Reminded: ...


@event("reminder.due")
class ReminderDue: ...


@command("place")
class Place:
    amount: int


@command("remind")
class Remind: ...


def decide(asked: Place | Remind, total: int) -> Iterator[Placed | Reminded]:
    match asked:
        case Place():
            yield Placed(asked.amount)
        case Remind():
            yield Reminded()


def evolve(total: int, happened: Placed | Reminded) -> int:
    return total + (happened.amount if isinstance(happened, Placed) else 0)


orders = Decider("order", initial=int, decide=decide, evolve=evolve)


def react(happened: Recorded[Placed | ReminderDue], waits: bool) -> Iterator[Effect]:
    match happened.data:
        case Placed() if not waits:
            yield after(WEEK, ReminderDue())
        case ReminderDue():
            yield orders.send(happened.stream.id, Remind())
            yield finish()
        case _:
            pass


reminders = Process("reminders", initial=bool, react=react, evolve=lambda waits, happened: True, starts_on=(Placed,))
seen = Projection("seen", schema="create table seen (position bigint primary key, amount integer)")


@seen.on(Placed)
def note(happened: Recorded[Placed]) -> Iterator[Statement]:
    yield sql(
        "insert into seen values (:position, :amount)", position=int(happened.position), amount=happened.data.amount
    )


EVENTS: Final = (Placed, Reminded, ReminderDue, RawEvent)
KNOWN: Final = UUID(int=7)
_ALL: Final = "select * from {refold}{table}"


def opened(url: str, clock: ManualClock | None = None) -> Store:
    return Store.open(url, events=EVENTS, clock=clock)


def build(url: str) -> None:
    """Orders with a timer each, a read model that has not seen the newest of them, keys, ids and tags."""
    with opened(url, ManualClock(START)) as store:
        for n in range(5):
            store.bind(orders).handle(str(n), Place(n), idempotency_key=f"key-{n}")
        store.process(reminders).catch_up(orders)
        store.catch_up(seen)
        store.bind(orders).handle("9", Place(90), idempotency_key="key-9")
        store.append("note-1", [NewEvent(RawEvent("noted", {"text": "ä\u2028"}), id=KNOWN, tags=frozenset({"red"}))])


def rows_of(url: str, until: int | None = None) -> list[Row]:
    """Every event with all of its bytes."""

    async def listed() -> list[Row]:
        return [row async for row in live_rows(backend, until=until)]

    with backend_at(url, reads=True) as backend:
        return stepped(listed())


def beside(url: str) -> dict[str, Any]:
    """Every row of our tables beside the events, and of the read model."""
    with backend_at(url, reads=True) as backend:
        ours = {
            name: sorted(map(repr, stepped(backend.query(Own(_ALL.replace("{table}", name), {}))))) for name in TABLES
        }
        return ours | {"seen": sorted(stepped(backend.query(sql("select position, amount from seen"))))}


def goes_on(url: str) -> None:
    """What was asked before is answered as before, and what was to come comes, once."""
    later = ManualClock(START + WEEK + timedelta(hours=1))
    with opened(url, later) as store:
        head = int(store.head())
        again = store.bind(orders).handle("3", Place(3), idempotency_key="key-3")
        assert (again.repeated, store.head()) == (True, head)
        assert store.append(
            "note-1", [NewEvent(RawEvent("noted", {"text": "ä\u2028"}), id=KNOWN, tags=frozenset({"red"}))]
        ).repeated
        store.catch_up(seen)
        placed = [(e.position, e.data.amount) for e in store.read(category="order") if isinstance(e.data, Placed)]
        assert sorted(store.query("select position, amount from seen")) == placed
        store.process(reminders).catch_up(orders)
        reminded = sorted(e.stream.id for e in store.read(category="order") if isinstance(e.data, Reminded))
        assert reminded == ["0", "1", "2", "3", "4", "9"]
        assert store.append("note-1", [RawEvent("noted", {})], expected=1).version == 2
        assert [damages for _, damages in store.verify() if damages] == []
        store.append("note-1", [RawEvent("noted", {})], expected=ANY)


def silent(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def left_in(folder: Path) -> list[str]:
    """What is there, but for what SQLite keeps beside a file that was only read."""
    return sorted(each.name for each in folder.iterdir() if not each.name.endswith(("-wal", "-shm")))
