"""Fulfilment as a process: what should follow from each event, and from each thing that did not happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias

from examples.fulfilment.orders import CancelOrder, DispatchOrder, OrderCancelled, OrderDispatched, OrderPlaced, orders
from examples.fulfilment.outside import PATIENCE, World
from examples.fulfilment.stock import ReleaseStock, ReserveStock, StockReserved, stock

from refold import (
    Call,
    Declined,
    Effect,
    EffectHandler,
    Process,
    Recorded,
    after,
    cancel,
    command,
    effect,
    event,
    finish,
)

PROMISE: Final = timedelta(minutes=5)
"""An order is paid in this time, or given up."""

# What is asked of the world outside, and what comes back ----------------------


@command("bank.charge")
class Charge:
    order: str
    cents: int


@command("bank.refund")
class Refund:
    order: str


@command("carrier.send")
class SendParcel:
    order: str


@event("bank.charged")
class Charged: ...


@event("bank.declined")
class CardDeclined: ...


@event("bank.silent")
class NoAnswer:
    """Every attempt failed. Nobody knows whether one had an effect."""


@event("carrier.took-parcel")
class ParcelSent:
    parcel: str


def effects(world: World) -> Sequence[EffectHandler[Any]]:
    """What does it there."""

    @effect("bank.charge", retry=PATIENCE)
    def charge(request: Charge, key: str) -> Charged | CardDeclined:
        try:
            world.bank.charge(request.order, request.cents, key)
        except Declined:
            return CardDeclined()
        return Charged()

    @effect("bank.refund", retry=PATIENCE)
    def refund(request: Refund, key: str) -> None:  # refold: ignore[ES022] reason=giving back twice is as once
        world.bank.refund(request.order)

    @effect("carrier.send", retry=PATIENCE)
    def send_parcel(request: SendParcel, key: str) -> ParcelSent:
        return ParcelSent(world.carrier.send(request.order, key))

    return charge, refund, send_parcel


# The process ------------------------------------------------------------------


@event("fulfilment.out-of-stock")
class OutOfStock:
    """The reservation was refused."""


@event("fulfilment.too-late")
class TooLate:
    """The order was cancelled before it could be dispatched."""


@event("fulfilment.took-too-long")
class TookTooLong:
    """A timeout."""


Failure: TypeAlias = OutOfStock | CardDeclined | NoAnswer | TooLate
Noticed: TypeAlias = (
    OrderPlaced | OrderCancelled | OrderDispatched | StockReserved | Charged | ParcelSent | TookTooLong | Failure
)
REASONS: Final[Mapping[type[Failure], str]] = {
    OutOfStock: "out of stock", CardDeclined: "card declined", NoAnswer: "no answer from the bank",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What has to be remembered of one order."""

    sku: str = ""
    cents: int = 0
    cancelled: bool = False


def order_of(e: Recorded[Noticed]) -> str:
    """Stock lies in streams by product, all else in streams by order."""
    return e.data.order if isinstance(e.data, StockReserved) else e.stream.id


def react(e: Recorded[Noticed], seen: Seen) -> Iterator[Effect]:
    """What should follow."""
    order = order_of(e)
    match e.data:
        case OrderPlaced(sku=sku):
            yield stock.send(sku, ReserveStock(order)).otherwise(OutOfStock())
            yield after(PROMISE, TookTooLong())
        case StockReserved() if seen.cancelled:
            yield stock.send(seen.sku, ReleaseStock(order))
            yield finish()
        case StockReserved():
            yield Call("bank.charge", Charge(order, seen.cents)).otherwise(NoAnswer())
        case Charged():
            yield cancel(TookTooLong)
            yield orders.send(order, DispatchOrder()).otherwise(TooLate())
        case TookTooLong():
            yield orders.send(order, CancelOrder("took too long"))
        case OrderDispatched():
            yield Call("carrier.send", SendParcel(order))
        case ParcelSent():
            yield finish()
        case OutOfStock() | CardDeclined() | NoAnswer() | TooLate():
            yield from _given_up(e.data, order, seen)
        case _:
            pass


def _given_up(why: Failure, order: str, seen: Seen) -> Iterator[Effect]:
    """What was done is undone, also what may have been done."""
    yield cancel(TookTooLong)
    if not isinstance(why, TooLate):
        yield orders.send(order, CancelOrder(REASONS[type(why)]))
    if isinstance(why, TooLate | NoAnswer):
        yield Call("bank.refund", Refund(order))
    if not isinstance(why, OutOfStock):
        yield stock.send(seen.sku, ReleaseStock(order))
    yield finish()


def evolve(seen: Seen, event: Noticed) -> Seen:
    """What is remembered after one event."""
    match event:
        case OrderPlaced(sku=sku, cents=cents):
            return replace(seen, sku=sku, cents=cents)
        case OrderCancelled():
            return replace(seen, cancelled=True)
        case _:
            return seen


fulfilment = Process("fulfilment", Seen, react, evolve, order_of, starts_on=(OrderPlaced,))
