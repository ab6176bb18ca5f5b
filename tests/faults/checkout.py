"""Orders that a saga takes and a process watches: stock in the store, a bank, a carrier and a post outside of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

from tests.faults.outside import Outside

from refold import (
    Decider,
    Effect,
    Process,
    Recorded,
    Retry,
    Saga,
    Steps,
    after,
    cancel,
    command,
    effect,
    event,
    fail,
    finish,
    saga,
)
from refold.duties import Runs
from refold.external import Breaker, EffectHandler

MOMENT: Final = timedelta(milliseconds=20)
QUICK: Final = Retry(4, MOMENT, 4 * MOMENT)
WATCHED_FOR: Final = timedelta(milliseconds=400)
"""After so long a process complains that an order was not shipped."""
COMPLAINTS: Final = 3
"""So often; then it gives up."""
APPROVED_WITHIN: Final = timedelta(milliseconds=700)
LOTS: Final = 1_000_000
SHORT: Final = 2
"""How much of the rare good there is."""


@event("order.placed")
class OrderPlaced:
    sku: str
    pause: int
    asks: bool


@event("order.approved")
class Approved:
    pass


# Stock: a decider that trusts whoever asks, so that a command that reaches it twice is seen ---------------------------


@command("stock.reserve")
class Reserve:
    order: str


@command("stock.release")
class Release:
    order: str


@command("stock.ship")
class Ship:
    order: str


@event("stock.reserved")
class Reserved:
    order: str


@event("stock.released")
class Released:
    order: str


@event("stock.shipped")
class Shipped:
    order: str


StockEvent: TypeAlias = Reserved | Released | Shipped


def moving(command: Reserve | Release | Ship, taken: tuple[str, int]) -> Iterator[StockEvent]:
    """What is not there cannot be reserved."""
    sku, count = taken
    match command:
        case Reserve(order) if sku == "rare" and count >= SHORT:
            raise ValueError(f"no more for order {order}")
        case Reserve(order):
            yield Reserved(order)
        case Release(order):
            yield Released(order)
        case Ship(order):
            yield Shipped(order)


def moved(taken: tuple[str, int], event: StockEvent) -> tuple[str, int]:
    """Whether it is the rare good, and how much of it is reserved or gone."""
    rare = event.order.startswith("rare")
    return "rare" if rare else "", taken[1] + {Reserved: 1, Released: -1, Shipped: 0}[type(event)]


stock: Final = Decider("stock", initial=lambda: ("", 0), evolve=moved, decide=moving)


# Orders: a saga ------------------------------------------------------------------------------------------------------


def checkout(outside: Outside) -> Saga[OrderPlaced]:
    """Reserve, take the money, wait, perhaps for a yes, and ship; after that it only goes forward."""

    @saga("checkout", hears=[Approved])
    async def code(s: Steps, order: OrderPlaced) -> str:
        here: Any = stock.send(order.sku, Reserve(s.id)), stock.send(order.sku, Release(s.id))
        await s.command("reserve", here[0], undo=here[1])
        paid = await s.step("charge", outside.charge, s.id, s.key("charge"), undo=outside.refund, retry=QUICK)
        await s.parallel(
            s.step("label", outside.label, s.id, s.key("label"), undo=outside.unlabel, retry=QUICK),
            s.sleep("pause", order.pause * MOMENT),
        )
        if order.asks:
            await s.wait_for("approved", Approved, timeout=APPROVED_WITHIN)
        await s.command("ship", stock.send(order.sku, Ship(s.id)), pivot=True)
        await s.step("deliver", outside.deliver, s.id, s.key("deliver"), retry=QUICK)
        return paid

    return code


# And a process, that complains if an order is not shipped in time ----------------------------------------------------


@command("post.letter")
class Letter:
    order: str
    number: int


@event("post.sent")
class LetterSent:
    number: int


@event("post.lost")
class LetterLost:
    number: int


@event("watch.overdue")
class Overdue:
    number: int


@command("log.note")
class Note:
    text: str


@event("log.noted")
class Noted:
    text: str


def noting(command: Note, count: int) -> Iterator[Noted]:
    """Whatever it is."""
    yield Noted(command.text)


def counted(count: int, event: Noted) -> int:
    """How many there are."""
    return count + 1


log: Final = Decider("log", initial=int, evolve=counted, decide=noting)


@dataclass(frozen=True, slots=True)
class Watch:
    """How many letters are on their way, and whether it was shipped."""

    letters: int = 0
    shipped: bool = False


Watched: TypeAlias = OrderPlaced | Shipped | Overdue | LetterSent | LetterLost


def order_of(recorded: Recorded[Watched]) -> str:
    """Which order it is about."""
    return recorded.data.order if isinstance(recorded.data, Shipped) else recorded.stream.id


def watching(post: EffectHandler[Letter]) -> Process[Watched, Watch]:
    """A letter when it is shipped, and before that one each time that it is overdue; then its end."""

    def react(e: Recorded[Watched], seen: Watch) -> Iterator[Effect]:
        order = order_of(e)
        match e.data:
            case OrderPlaced():
                yield log.send(order, Note("placed"))
                yield after(WATCHED_FOR, Overdue(1))
            case Overdue(number) if number <= COMPLAINTS:
                yield post.send(Letter(order, number)).otherwise(LetterLost(number))
                yield after(WATCHED_FOR, Overdue(number + 1))
            case Overdue():
                yield fail("not shipped")
            case Shipped():
                yield cancel(Overdue)
                yield log.send(order, Note("shipped"))
                yield post.send(Letter(order, 0)).otherwise(LetterLost(0))
            case LetterSent(number) | LetterLost(number):
                if number == 0:
                    yield log.send(order, Note("told"))
                    yield finish()

    def evolve(seen: Watch, event: Watched) -> Watch:
        return Watch(seen.letters + isinstance(event, Overdue), seen.shipped or isinstance(event, Shipped))

    return Process("watch", Watch, react, evolve, key=order_of, starts_on=(OrderPlaced,))


def postal(outside: Outside) -> EffectHandler[Letter]:
    """Letters."""

    @effect("post.letter", retry=QUICK, breaker=Breaker(1_000))
    def post(request: Letter, key: str) -> LetterSent:
        outside.letter(f"{request.order}/{request.number}", key)
        return LetterSent(request.number)

    return post


EVENTS: Final = (
    OrderPlaced, Approved, Reserved, Released, Shipped, LetterSent, LetterLost, Overdue, Noted,
)  # fmt: skip


def parts(outside: Outside) -> Sequence[Runs]:
    """All that a runner runs."""
    post = postal(outside)
    return checkout(outside), watching(post), stock, log, post


Place: TypeAlias = Callable[[str], OrderPlaced]


def order(id: str) -> OrderPlaced:
    """An order as its id says: `rare` goods run short, of `ask` somebody must say yes, `late` ones have time."""
    return OrderPlaced(
        "rare" if id.startswith("rare") else id, 30 if id.startswith("late") else 1, id.startswith("ask")
    )
