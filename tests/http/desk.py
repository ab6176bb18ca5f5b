"""A small shop, as it is served: carts that take things, read models that keep up or do not, a process that reminds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from refold import App, Decider, Process, Projection, Recorded, after, command, event, finish, sql
from refold.process import After, Finish
from refold.projection import Statement


@event("cart.item-added", tags=("sku",))
class ItemAdded:
    sku: str
    qty: int


@event("cart.noted")
class Noted:
    note: str


@dataclass(frozen=True)
class Cart:
    items: int = 0


class Full(Exception):
    """The cart takes no more."""


@command("cart.add")
class Add:
    sku: str
    qty: int


@command("cart.note")
class Note:
    note: str


def evolve(cart: Cart, event: ItemAdded | Noted) -> Cart:
    return replace(cart, items=cart.items + event.qty) if isinstance(event, ItemAdded) else cart


def decide(command: Add | Note, cart: Cart) -> Iterable[ItemAdded | Noted]:
    if isinstance(command, Note):
        if command.note:
            yield Noted(command.note)
        return
    if cart.items + command.qty > 10:
        raise Full(f"{cart.items} are in it")
    yield ItemAdded(command.sku, command.qty)


notes = Projection(
    "notes", schema="create table notes (position integer primary key, note text)", key=lambda e: str(e.stream)
)


@notes.on(Noted)
def note(e: Recorded[Noted]) -> Iterator[Statement]:
    if "[" in e.data.note:
        raise ValueError("no brackets, please")
    yield sql("insert into notes values (:position, :note)", position=e.position, note=e.data.note)


@event("cart.forgotten")
class Forgotten: ...


def remind(e: Recorded[ItemAdded | Noted | Forgotten], seen: int) -> Iterator[After | Finish]:
    match e.data:
        case ItemAdded():
            yield after(timedelta(days=36_500), Forgotten())
        case Noted(note):
            if note == "unreadable":
                raise ValueError("who can read this?")
        case Forgotten():
            yield finish()


carts = Decider("cart", initial=Cart, evolve=evolve, decide=decide)
reminders = Process("reminders", int, remind, lambda seen, _: seen + 1, starts_on=(ItemAdded,), otherwise="park")
app = App(carts, notes, reminders)
