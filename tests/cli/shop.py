"""A small shop: a store whose times and ids are known, the program that reads it, and two logs to import."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from refold.messages import Metadata, NewEvent, RawEvent
from refold.store import Store
from refold.testing import ManualClock

PROGRAM: Final = """
from dataclasses import dataclass, replace
from datetime import timedelta

from refold import (
    App, CannotUndo, Decider, Process, Projection, Publication, Recorded, Table, after, cancel, command, effect, event,
    finish, sql, undoes,
)


@event("cart.item-added")
class ItemAdded:
    sku: str
    qty: int


@event("cart.noted")
class Noted:
    sku: None
    note: str


@event("cart.item-removed")
class ItemRemoved:
    sku: str
    qty: int


@dataclass(frozen=True)
class Cart:
    items: int = 0


def evolve(cart: Cart, event: ItemAdded | Noted | ItemRemoved) -> Cart:
    if isinstance(event, Noted):
        return cart
    return replace(cart, items=cart.items + (event.qty if isinstance(event, ItemAdded) else -event.qty))


@undoes(ItemAdded)
def take_out(event: ItemAdded, cart: Cart):
    if event.qty > cart.items:
        raise CannotUndo(f"only {cart.items} are left")
    yield ItemRemoved(event.sku, event.qty)


@dataclass(frozen=True)
class Size:
    cart: str
    items: int


sizes = Table("sizes", Size, key="cart")
carts = Projection("carts", tables=[sizes], key=lambda e: e.stream.id)


@carts.on(ItemAdded, get=lambda e: sizes[e.stream.id])
def resize(e, size):
    yield sizes.put(Size(e.stream.id, (size.items if size else 0) + e.data.qty))


notes = Projection("notes", schema="create table notes (position integer primary key, note text)")


@notes.on(Noted)
def note(e):
    if "[" in e.data.note:
        raise ValueError("no brackets, please")
    yield sql("insert into notes values (:position, :note)", position=e.position, note=e.data.note)


@command("cart.add")
class Add:
    sku: str
    pieces: int


class Full(Exception): ...


def decide(command: Add, cart: Cart):
    if cart.items + command.pieces > 10:
        raise Full(f"{cart.items} are in it")
    yield ItemAdded(command.sku, command.pieces)


def without_notes(event):
    if event.type != "cart.noted":
        yield replace(event, tags=event.tags | {"copied"})


app = App(Decider("cart", initial=Cart, evolve=evolve, decide=decide, inverses=(take_out,)), carts, notes)
not_an_app = 1

@event("cart.forgotten")
class Forgotten: ...


@command("mail.send")
class Mail:
    text: str


@effect("mail")
def mail(request: Mail, key: str) -> None:
    if request.text == "lost":
        raise OSError("no connection")


def remind(e: Recorded[ItemAdded | Noted | Forgotten], seen: int):
    match e.data:
        case ItemAdded():
            yield cancel(Forgotten)
            yield after(timedelta(days=36_500), Forgotten())
        case Noted(note=note):
            if note == "unreadable":
                raise ValueError("who can read this?")
            yield mail.send(Mail(note))
        case Forgotten():
            yield decider.send(e.stream.id, Add("reminder", 1))
            yield finish()


def seen_more(seen: int, event: ItemAdded | Noted | Forgotten) -> int:
    return seen + 1


(decider,) = app.folds.values()
reminders = Process("reminders", int, remind, seen_more, starts_on=(ItemAdded,), otherwise="park")
desk = App(decider, reminders, mail)
both = App(decider, reminders, mail, carts)

sent = []
carts_out = Publication("carts-out", ItemAdded, to=sent.append, source="/shop")
outbox = App(carts_out)
"""
LOG: Final = """case_id,activity,timestamp,officer
1001,application received,2024-03-01T09:00:00Z,Ada
1001,inspected,2024-03-04T14:30:00Z,Bob
1002,application received,2024-03-05T10:15:00Z,Ada
"""
EVENT: Final = '{"type": "cart.item-added", "data": {"sku": "b-9", "qty": 5}}\n'
KURRENT: Final = (
    '{"eventId": "0b1c7c1e-0f6f-4d0c-9a53-0f1b6b1a9d37", "eventType": "paid", "streamId": "order-9", "revision": 0, '
    '"data": {"sum": 3}, "created": "2024-03-01T12:00:00Z"}\n'
)
STORED_EVENTS: Final = """
create table stored_events (
    originator_id text, originator_version integer, topic text, state blob, primary key (originator_id, originator_version)
);
insert into stored_events values ('7', 1, 'bank:Opened', cast('{"owner": "Ada"}' as blob));
"""
ORDERS: Final = "order,what,at\nA1,placed,2024-03-01\nA1,paid,2024-03-02\n"


class Outcome(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def id_of(number: int) -> UUID:
    """The id of the event at a position of the shop."""
    return UUID(int=0x0199_0000_0000_7000_8000_0000_0000_0000 + number)


def build_shop(directory: Path) -> None:
    """`shop.db`, in which cart c-1 has three events and order-1 is a story over two streams; `shop.py`; the logs."""
    (directory / "shop.py").write_text(PROGRAM)
    (directory / "next").mkdir()
    (directory / "next" / "shop.py").write_text(PROGRAM.replace("(event.qty if", "(2 * event.qty if"))
    (directory / "event.json").write_text(EVENT)
    (directory / "log.csv").write_text(LOG)
    (directory / "orders.csv").write_text(ORDERS)
    (directory / "kurrentdb.jsonl").write_text(KURRENT)
    with closing(sqlite3.connect(directory / "accounts.db")) as accounts:
        accounts.executescript(STORED_EVENTS)
    clock = ManualClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
    with Store.open(f"sqlite:///{directory}/shop.db", events=[RawEvent], clock=clock) as store:
        placed = str(id_of(4))
        for number, stream, type, data, story in (
            (1, "cart-c-1", "cart.item-added", {"sku": "b-1", "qty": 2}, Metadata("c-1", actor="ada")),
            (2, "cart-c-1", "cart.item-added", {"sku": "b-2", "qty": 1}, Metadata("c-1")),
            (3, "cart-c-1", "cart.noted", {"sku": None, "note": "a [gift]\nfor Bob"}, Metadata("c-1")),
            (4, "order-1", "order.placed", {"total": 30}, _upon("order-1", "order.place", 104)),
            (5, "payment-1", "payment.asked", {}, _upon("order-1", "payment.ask", 105, placed)),
            (6, "order-1", "order.paid", {}, Metadata("order-1", str(id_of(5)))),
        ):
            valid_at = datetime(2025, 12, 24, tzinfo=UTC) if number == 2 else None
            tags = frozenset({"gift", "c:1"}) if number == 3 else frozenset[str]()
            store.append(stream, [NewEvent(RawEvent(type, data), id_of(number), valid_at, tags, story)])
            clock.move(timedelta(minutes=1))


def _upon(story: str, command: str, number: int, cause: str | None = None) -> Metadata:
    free = {"$command": command} | ({"$cause": cause} if cause else {})
    return Metadata(story, str(id_of(number)), free=free)
