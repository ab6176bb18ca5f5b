"""Orders: filled, placed, paid, shipped; or cancelled. Money is in cents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never

from refold import Decider, command, event

Status: TypeAlias = Literal["new", "open", "placed", "paid", "shipped", "cancelled"]


@dataclass(frozen=True, slots=True)
class Line:
    """So many of one product, at so many cents each."""

    sku: str
    qty: int
    cents: int


# What happened ----------------------------------------------------------------


@event("order.opened")
class OrderOpened:
    customer: str


@event("order.line-added")
class LineAdded:
    sku: str
    qty: int
    cents: int


@event("order.line-removed")
class LineRemoved:
    sku: str


@event("order.discount-granted")
class DiscountGranted:
    voucher: str
    percent: int


@event("order.placed")
class OrderPlaced:
    customer: str
    lines: tuple[Line, ...]
    cents: int


@event("order.paid")
class OrderPaid: ...


@event("order.shipped")
class OrderShipped:
    parcel: str


@event("order.cancelled")
class OrderCancelled:
    reason: str


OrderEvent: TypeAlias = (
    OrderOpened | LineAdded | LineRemoved | DiscountGranted | OrderPlaced | OrderPaid | OrderShipped | OrderCancelled
)


# What can be asked ------------------------------------------------------------


@command("order.open")
class OpenOrder:
    customer: str


@command("order.add-line")
class AddLine:
    sku: str
    qty: int
    cents: int


@command("order.remove-line")
class RemoveLine:
    sku: str


@command("order.grant-discount")
class GrantDiscount:
    voucher: str
    percent: int


@command("order.place")
class PlaceOrder: ...


@command("order.confirm-payment")
class ConfirmPayment: ...


@command("order.ship")
class ShipOrder:
    parcel: str


@command("order.cancel")
class CancelOrder:
    reason: str


OrderCommand: TypeAlias = (
    OpenOrder | AddLine | RemoveLine | GrantDiscount | PlaceOrder | ConfirmPayment | ShipOrder | CancelOrder
)


# The rules --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `discount` is in percent."""

    status: Status = "new"
    customer: str = ""
    lines: tuple[Line, ...] = ()
    discount: int = 0
    parcel: str = ""

    @property
    def cents(self) -> int:
        """What it costs. The discount is rounded down."""
        full = sum(line.qty * line.cents for line in self.lines)
        return full - full * self.discount // 100

    def has(self, sku: str) -> bool:
        """Whether the product is in it."""
        return any(line.sku == sku for line in self.lines)

    def must_be(self, *allowed: Status) -> None:
        """Raises `WrongStatus` if it is none of these."""
        if self.status not in allowed:
            raise WrongStatus(f"the order is {self.status}: this is possible only while it is {' or '.join(allowed)}.")


class OrderRefused(Exception):
    """A rule of orders forbids it."""


class WrongStatus(OrderRefused):
    """Too early or too late."""


class InvalidLine(OrderRefused):
    """A quantity or product that cannot be."""


class OneDiscountOnly(OrderRefused):
    """The order has a discount already."""


class NothingOrdered(OrderRefused):
    """The order is empty."""


def decide(command: OrderCommand, order: Order) -> Iterator[OrderEvent]:  # noqa: C901, PLR0912 - one case a command
    """Which events follow from a command."""
    match command:
        case OpenOrder(customer):
            order.must_be("new")
            yield OrderOpened(customer)
        case AddLine(sku, qty, cents):
            order.must_be("open")
            if qty < 1:
                raise InvalidLine(f"{qty} of {sku}: order one at least.")
            yield LineAdded(sku, qty, cents)
        case RemoveLine(sku):
            order.must_be("open")
            if not order.has(sku):
                raise InvalidLine(f"there is no {sku} in the order.")
            yield LineRemoved(sku)
        case GrantDiscount(voucher, percent):
            order.must_be("open")
            if order.discount:
                raise OneDiscountOnly(f"the order has {order.discount} % off already.")
            yield DiscountGranted(voucher, percent)
        case PlaceOrder():
            order.must_be("open")
            if not order.lines:
                raise NothingOrdered
            yield OrderPlaced(order.customer, order.lines, order.cents)
        case ConfirmPayment():
            order.must_be("placed", "paid", "shipped")
            if order.status == "placed":
                yield OrderPaid()
        case ShipOrder(parcel):
            order.must_be("paid")
            yield OrderShipped(parcel)
        case CancelOrder(reason):
            order.must_be("open", "placed", "cancelled")
            if order.status != "cancelled":
                yield OrderCancelled(reason)
        case _:
            assert_never(command)


def evolve(order: Order, event: OrderEvent) -> Order:  # noqa: PLR0911 - one case an event
    """The order after one event."""
    match event:
        case OrderOpened(customer):
            return replace(order, status="open", customer=customer)
        case LineAdded(sku, qty, cents):
            return replace(order, lines=(*order.lines, Line(sku, qty, cents)))
        case LineRemoved(sku):
            return replace(order, lines=tuple(line for line in order.lines if line.sku != sku))
        case DiscountGranted(percent=percent):
            return replace(order, discount=percent)
        case OrderPlaced():
            return replace(order, status="placed")
        case OrderPaid():
            return replace(order, status="paid")
        case OrderShipped(parcel):
            return replace(order, status="shipped", parcel=parcel)
        case OrderCancelled():
            return replace(order, status="cancelled")
        case _:
            assert_never(event)


orders = Decider("order", initial=Order, evolve=evolve, decide=decide)
