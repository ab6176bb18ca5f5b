"""Stock: how many pieces of one product are free, and for which orders one is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from refold import Decider, command, event


@event("stock.received")
class StockReceived:
    pieces: int


@event("stock.reserved")
class StockReserved:
    order: str


@event("stock.released")
class StockReleased:
    order: str


StockEvent: TypeAlias = StockReceived | StockReserved | StockReleased


@command("stock.receive")
class ReceiveStock:
    pieces: int


@command("stock.reserve")
class ReserveStock:
    order: str


@command("stock.release")
class ReleaseStock:
    order: str


StockCommand: TypeAlias = ReceiveStock | ReserveStock | ReleaseStock


class OutOfStock(Exception):
    """Nothing is free."""


@dataclass(frozen=True, slots=True)
class Stock:
    free: int = 0
    kept: frozenset[str] = frozenset()


def decide(command: StockCommand, stock: Stock) -> Iterator[StockEvent]:
    """Which events follow from a command; one that was obeyed before leads to none."""
    match command:
        case ReceiveStock(pieces):
            yield StockReceived(pieces)
        case ReserveStock(order):
            if order not in stock.kept:
                if not stock.free:
                    raise OutOfStock("nothing is free")
                yield StockReserved(order)
        case ReleaseStock(order):
            if order in stock.kept:
                yield StockReleased(order)
        case _:
            assert_never(command)


def evolve(stock: Stock, event: StockEvent) -> Stock:
    """The stock after one event."""
    match event:
        case StockReceived(pieces):
            return Stock(stock.free + pieces, stock.kept)
        case StockReserved(order):
            return Stock(stock.free - 1, stock.kept | {order})
        case StockReleased(order):
            return Stock(stock.free + 1, stock.kept - {order})
        case _:
            assert_never(event)


stock = Decider("stock", initial=Stock, evolve=evolve, decide=decide)
