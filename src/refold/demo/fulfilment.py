"""Fulfilment: what must follow when an order is placed, paid, not paid, cancelled or shipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias

from refold import Effect, Process, Recorded, after, cancel, event, finish
from refold.demo.orders import CancelOrder, ConfirmPayment, Line, OrderCancelled, OrderPlaced, OrderShipped, orders
from refold.demo.payments import PaymentDeclined, PaymentReceived, RefundPayment, RequestPayment, payments
from refold.demo.stock import PickStock, ReleaseStock, ReserveStock, StockShort, stock

PAY_WITHIN: Final = timedelta(hours=2)
COME_LATE_WITHIN: Final = timedelta(days=30)
"""So long a payment for an order that was cancelled is sent back by itself."""


@event("payment.overdue")
class PaymentOverdue:
    """A timeout: an event from our future self."""


@event("payment.none-to-come")
class NoPaymentToCome:
    """A timeout: what is paid after it is a matter for people."""


@event("payment.too-late")
class PaymentTooLate:
    """The order was cancelled while the payment was on its way."""


Noticed: TypeAlias = (
    OrderPlaced
    | OrderCancelled
    | OrderShipped
    | PaymentReceived
    | PaymentDeclined
    | PaymentOverdue
    | PaymentTooLate
    | NoPaymentToCome
    | StockShort
)


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """What one order's process has to remember."""

    lines: tuple[Line, ...] = ()
    cancelled: bool = False


def order_of(e: Recorded[Noticed]) -> str:
    """Which order an event belongs to: stock lies in streams by product, all else in streams by order."""
    return e.data.order if isinstance(e.data, StockShort) else e.stream.id


def react(e: Recorded[Noticed], seen: Fulfilment) -> Iterator[Effect]:  # noqa: C901 - a table
    """What should follow."""
    order = order_of(e)
    match e.data:
        case OrderPlaced(lines=lines, cents=cents):
            yield from (stock.send(line.sku, ReserveStock(order, line.qty)) for line in lines)
            yield payments.send(order, RequestPayment(cents))
            yield after(PAY_WITHIN, PaymentOverdue())
        case PaymentReceived() if seen.cancelled:
            yield payments.send(order, RefundPayment())
        case PaymentReceived():
            yield cancel(PaymentOverdue)
            yield orders.send(order, ConfirmPayment()).otherwise(PaymentTooLate())
        case PaymentTooLate():
            yield payments.send(order, RefundPayment())
        case PaymentDeclined(reason):
            yield orders.send(order, CancelOrder(reason))
        case PaymentOverdue():
            yield orders.send(order, CancelOrder("not paid in time"))
        case StockShort():
            yield orders.send(order, CancelOrder("out of stock"))
        case OrderCancelled():
            yield cancel(PaymentOverdue)
            yield after(COME_LATE_WITHIN, NoPaymentToCome())
            yield from (stock.send(line.sku, ReleaseStock(order)) for line in seen.lines)
        case NoPaymentToCome():
            yield finish()
        case OrderShipped():
            yield from (stock.send(line.sku, PickStock(order)) for line in seen.lines)
            yield finish()


def evolve(seen: Fulfilment, event: Noticed) -> Fulfilment:
    """What is remembered after one event."""
    match event:
        case OrderPlaced(lines=lines):
            return replace(seen, lines=lines)
        case OrderCancelled():
            return replace(seen, cancelled=True)
        case _:
            return seen


fulfilment = Process("fulfilment", initial=Fulfilment, react=react, evolve=evolve, key=order_of)
