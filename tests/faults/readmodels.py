"""Read models made in every way that there is, and what each must hold: the log, folded once more in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from refold import Decider, Projection, Recorded, Statement, Store, Table, ask, command, event, sql
from refold.projection import Asking
from refold.tables import Change

POISON: Final = 666
"""The amount that a handler fails for."""
OUTBOX: Final = Projection("outbox", schema="create table outbox (position integer not null, version integer not null)")
"""Makes the table that effects write to; nothing is unique in it, so that what is done twice is seen."""


@event("account.deposited")
class Deposited:
    amount: int


@event("account.withdrawn")
class Withdrawn:
    amount: int


@command("account.move")
class Move:
    amount: int


def moving(command: Move, balance: int) -> Iterator[Deposited | Withdrawn]:
    """Nobody takes out more than there is: then nothing happens."""
    if command.amount > 0:
        yield Deposited(command.amount)
    elif balance + command.amount >= 0:
        yield Withdrawn(-command.amount)


def moved(balance: int, event: Deposited | Withdrawn) -> int:
    """What is in the account after an event."""
    return balance + (event.amount if isinstance(event, Deposited) else -event.amount)


accounts: Final = Decider("account", initial=int, evolve=moved, decide=moving)
EVENTS: Final = (Deposited, Withdrawn)

Moved: TypeAlias = Recorded[Deposited | Withdrawn]
Rows: TypeAlias = list[tuple[Any, ...]]


def amount(event: Moved) -> int:
    """What came to the account; below zero if it went."""
    return event.data.amount if isinstance(event.data, Deposited) else -event.data.amount


def chained(seen: int, position: int) -> int:
    """A number that tells in which order which positions came."""
    return (seen * 31 + position) % 1_000_003


@dataclass(frozen=True)
class Card:
    """An account as it is after the events in `seen`."""

    account: str
    balance: int = 0
    seen: int = 0


CARDS: Final = Table("cards", Card, key="account")


def totals() -> Projection:
    """By statements alone."""
    projection = Projection(
        "totals", schema="create table totals (account text primary key, total bigint not null, moves bigint not null)"
    )

    def add(event: Moved) -> Iterator[Statement]:
        yield sql(
            "insert into totals values (:account, :amount, 1) on conflict (account) do update"
            " set total = totals.total + excluded.total, moves = totals.moves + 1",
            account=event.stream.id, amount=amount(event),
        )  # fmt: skip

    return _on_both(projection, add)


def cards() -> Projection:
    """By rows of a table that are looked up; a poisonous amount parks its account."""
    projection = Projection("cards", tables=(CARDS,))

    def put(event: Moved, card: Card | None) -> Iterator[Change]:
        if event.data.amount == POISON:
            raise ValueError(POISON)
        card = card or Card(event.stream.id)
        balance, seen = card.balance + amount(event), chained(card.seen, event.position)
        yield CARDS.put(replace(card, balance=balance, seen=seen))

    projection.on(Deposited, get=lambda e: CARDS[e.stream.id])(put)
    projection.on(Withdrawn, get=lambda e: CARDS[e.stream.id])(put)
    return projection


def ledger() -> Projection:
    """By asking what the last balance is."""
    projection = Projection(
        "ledger",
        schema="create table ledger (position bigint not null, account text not null, balance bigint not null);"
        "create index ledger_of_account on ledger (account, position)",
    )

    def enter(event: Moved) -> Asking:
        rows = yield ask(
            "select balance from ledger where account = :account order by position desc limit 1",
            account=event.stream.id,
        )
        balance = (int(str(rows[0][0])) if rows else 0) + amount(event)
        yield sql(
            "insert into ledger values (:position, :account, :balance)",
            position=event.position, account=event.stream.id, balance=balance,
        )  # fmt: skip

    return _on_both(projection, enter)


def buckets() -> Projection:
    """With a key of its own, so that it can be split."""
    projection = Projection(
        "buckets",
        schema="create table buckets (account text primary key, seen bigint not null)",
        key=lambda event: event.stream.id,
    )

    def add(event: Moved) -> Iterator[Statement]:
        yield sql(
            "insert into buckets values (:account, :position % 1000003) on conflict (account) do update"
            " set seen = (buckets.seen * 31 + :position) % 1000003",
            account=event.stream.id, position=int(event.position),
        )  # fmt: skip

    return _on_both(projection, add)


def mails() -> Projection:
    """With a mail for each event, that must be sent once for ever."""
    projection = Projection("mails", schema="create table mails (position bigint not null)")

    def note(event: Moved) -> Iterator[Statement]:
        yield sql("insert into mails values (:position)", position=event.position)

    def send(event: Moved) -> Iterator[Statement]:
        yield sql("insert into outbox values (:position, 1)", position=event.position)

    projection.effect(Deposited)(send)
    projection.effect(Withdrawn)(send)
    return _on_both(projection, note)


def _on_both(projection: Projection, handler: Callable[[Any], Any]) -> Projection:
    projection.on(Deposited)(handler)
    projection.on(Withdrawn)(handler)
    return projection


PROJECTIONS: Final[Mapping[str, Callable[[], Projection]]] = {
    "totals": totals, "cards": cards, "ledger": ledger, "buckets": buckets, "mails": mails,
}  # fmt: skip
ROWS: Final = {
    "totals": "select account, total, moves from totals",
    "cards": "select account, balance, seen from cards",
    "ledger": "select position, account, balance from ledger",
    "buckets": "select account, seen from buckets",
    "mails": "select position from mails",
    "outbox": "select position, version from outbox",
}


# What must be there ------------------------------------------------------------


def moves(store: Store) -> list[Moved]:
    """Every event that the read models are about."""
    return [event for event in store.read() if isinstance(event.data, Deposited | Withdrawn)]


def parked(events: Sequence[Moved]) -> list[int]:
    """The positions of poisonous events and of those behind them in their account."""
    poisoned: set[str] = set()
    found: list[int] = []
    for each in events:
        if each.data.amount == POISON:
            poisoned.add(each.stream.id)
        if each.stream.id in poisoned:
            found.append(each.position)
    return found


def expected(events: Sequence[Moved]) -> Mapping[str, Rows]:
    """The rows of each read model, sorted."""
    totals: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    orders: dict[str, int] = {}
    cards: dict[str, tuple[int, int]] = {}
    ledger: Rows = []
    behind = set(parked(events))
    for each in events:
        account, position = each.stream.id, int(each.position)
        totals[account] += amount(each)
        counts[account] += 1
        orders[account] = chained(orders.get(account, 0), position)
        ledger.append((position, account, totals[account]))
        if position not in behind:
            cards[account] = totals[account], orders[account]
    found: dict[str, Rows] = {
        "totals": [(account, totals[account], counts[account]) for account in totals],
        "cards": [(account, *card) for account, card in cards.items()],
        "ledger": ledger,
        "buckets": [*orders.items()],
        "mails": [(int(event.position),) for event in events],
        "outbox": [(int(event.position), 1) for event in events],
    }
    return {name: sorted(rows) for name, rows in found.items()}


def contradictions(store: Store, names: Sequence[str]) -> list[str]:
    """Where read models, outbox, dead letters or audits say something else than the log does."""
    events = moves(store)
    wanted = expected(events)
    found: list[str] = []
    for name in (*names, *(["outbox"] if "mails" in names else [])):
        found += _differences(name, wanted[name], sorted(store.query(ROWS[name])))
    for name in names:
        model = store.model(PROJECTIONS[name]())
        letters = [int(letter.position) for letter in model.dead_letters()]
        if letters != (parked(events) if name == "cards" else []):
            found.append(f"{name}: dead letters {letters[:5]}, not {parked(events)[:5]}")
        audit = model.audit()
        if not audit.is_sound or audit.until != store.head():
            found.append(f"{name}: {audit}")
    return found


def _differences(name: str, wanted: Rows, there: Rows) -> list[str]:
    """What is there too often, and what is missing."""
    more, fewer = Counter(there) - Counter(wanted), Counter(wanted) - Counter(there)
    return [
        f"{name}: {len(rows)} rows {what}: {list(rows)[:3]}"
        for what, rows in (("too many", more), ("missing", fewer))
        if rows
    ]
