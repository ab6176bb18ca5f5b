"""Stock: what lies in the warehouse of one product, and for which orders it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from refold import Decider, command, event

# What happened ----------------------------------------------------------------


@event("stock.received")
class StockReceived:
    qty: int


@event("stock.reserved")
class StockReserved:
    order: str
    qty: int


@event("stock.short")
class StockShort:
    """Not enough for the order: an outcome that others must hear of, hence an event and no error."""

    order: str
    missing: int


@event("stock.released")
class StockReleased:
    order: str


@event("stock.picked")
class StockPicked:
    order: str


StockEvent: TypeAlias = StockReceived | StockReserved | StockShort | StockReleased | StockPicked


# What can be asked ------------------------------------------------------------


@command("stock.receive")
class ReceiveStock:
    qty: int


@command("stock.reserve")
class ReserveStock:
    order: str
    qty: int


@command("stock.release")
class ReleaseStock:
    order: str


@command("stock.pick")
class PickStock:
    order: str


StockCommand: TypeAlias = ReceiveStock | ReserveStock | ReleaseStock | PickStock


# The rules --------------------------------------------------------------------


def nothing_reserved() -> Mapping[str, int]:
    """Of no order."""
    return {}


@dataclass(frozen=True, slots=True)
class Stock:
    """One product: what nobody has a claim on, and what is kept for which order."""

    free: int = 0
    reserved: Mapping[str, int] = field(default_factory=nothing_reserved)


class NothingReserved(Exception):
    """What is to be picked was not reserved."""


class InvalidQuantity(Exception):
    """Stock moves in pieces, one at least."""


def decide(command: StockCommand, stock: Stock) -> Iterator[StockEvent]:
    """Which events follow from a command; one that was obeyed before leads to none."""
    match command:
        case ReceiveStock(qty):
            _must_be_pieces(qty)
            yield StockReceived(qty)
        case ReserveStock(order, qty):
            _must_be_pieces(qty)
            if order not in stock.reserved:
                yield StockReserved(order, qty) if qty <= stock.free else StockShort(order, qty - stock.free)
        case ReleaseStock(order):
            if order in stock.reserved:
                yield StockReleased(order)
        case PickStock(order):
            if order not in stock.reserved:
                raise NothingReserved(f"nothing is reserved for order {order}.")
            yield StockPicked(order)
        case _:
            assert_never(command)


def _must_be_pieces(qty: int) -> None:
    if qty < 1:
        raise InvalidQuantity(f"{qty} pieces: one at least.")


def evolve(stock: Stock, event: StockEvent) -> Stock:
    """The stock after one event."""
    match event:
        case StockReceived(qty):
            return Stock(stock.free + qty, stock.reserved)
        case StockReserved(order, qty):
            return Stock(stock.free - qty, {**stock.reserved, order: qty})
        case StockShort():
            return stock
        case StockReleased(order):
            return Stock(stock.free + stock.reserved[order], _without(stock.reserved, order))
        case StockPicked(order):
            return Stock(stock.free, _without(stock.reserved, order))
        case _:
            assert_never(event)


def _without(reserved: Mapping[str, int], order: str) -> Mapping[str, int]:
    return {other: qty for other, qty in reserved.items() if other != order}


stock = Decider("stock", initial=Stock, evolve=evolve, decide=decide)
