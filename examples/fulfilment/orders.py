"""Orders. The order is the judge: once it is dispatched it cannot be cancelled, and once it is cancelled not dispatched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from refold import Decider, command, event

# What happened ----------------------------------------------------------------


@event("order.placed")
class OrderPlaced:
    order: str
    customer: str
    sku: str
    cents: int


@event("order.accepted")
class OrderAccepted: ...


@event("order.dispatched")
class OrderDispatched: ...


@event("order.cancelled")
class OrderCancelled:
    reason: str


OrderEvent: TypeAlias = OrderPlaced | OrderAccepted | OrderDispatched | OrderCancelled


# What can be asked ------------------------------------------------------------


@command("order.place")
class PlaceOrder:
    order: str
    customer: str
    sku: str
    cents: int


@command("order.accept")
class AcceptOrder: ...


@command("order.dispatch")
class DispatchOrder: ...


@command("order.cancel")
class CancelOrder:
    reason: str


OrderCommand: TypeAlias = PlaceOrder | AcceptOrder | DispatchOrder | CancelOrder


# The rules --------------------------------------------------------------------


class TooLate(Exception):
    """What was decided before forbids it."""


@dataclass(frozen=True, slots=True)
class Order:
    status: Literal["new", "placed", "accepted", "dispatched", "cancelled"] = "new"
    reason: str = ""


def decide(command: OrderCommand, order: Order) -> Iterator[OrderEvent]:
    """Which events follow from a command; one that was obeyed before leads to none."""
    match command:
        case PlaceOrder(number, customer, sku, cents):
            if order.status == "new":
                yield OrderPlaced(number, customer, sku, cents)
        case AcceptOrder():
            _must_not_be(order, "cancelled")
            if order.status == "placed":
                yield OrderAccepted()
        case DispatchOrder():
            _must_not_be(order, "cancelled")
            if order.status != "dispatched":
                yield OrderDispatched()
        case CancelOrder(reason):
            _must_not_be(order, "dispatched")
            if order.status != "cancelled":
                yield OrderCancelled(reason)
        case _:
            assert_never(command)


def _must_not_be(order: Order, status: str) -> None:
    if order.status == status:
        raise TooLate(f"the order is {status}")


def evolve(order: Order, event: OrderEvent) -> Order:
    """The order after one event."""
    match event:
        case OrderPlaced():
            return Order("placed")
        case OrderAccepted():
            return Order("accepted")
        case OrderDispatched():
            return Order("dispatched")
        case OrderCancelled(reason):
            return Order("cancelled", reason)
        case _:
            assert_never(event)


orders = Decider("order", initial=Order, evolve=evolve, decide=decide)
