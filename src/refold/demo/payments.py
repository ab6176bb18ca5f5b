"""Payments: one for each order, under the order's id. Money is in cents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never

from refold import Decider, command, event

# What happened ----------------------------------------------------------------


@event("payment.requested")
class PaymentRequested:
    cents: int


@event("payment.received")
class PaymentReceived:
    cents: int


@event("payment.declined")
class PaymentDeclined:
    reason: str


@event("payment.refunded")
class PaymentRefunded:
    cents: int


PaymentEvent: TypeAlias = PaymentRequested | PaymentReceived | PaymentDeclined | PaymentRefunded


# What can be asked ------------------------------------------------------------


@command("payment.request")
class RequestPayment:
    cents: int


@command("payment.receive")
class ReceivePayment:
    cents: int


@command("payment.decline")
class DeclinePayment:
    reason: str


@command("payment.refund")
class RefundPayment: ...


PaymentCommand: TypeAlias = RequestPayment | ReceivePayment | DeclinePayment | RefundPayment


# The rules --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Payment:
    """Where the money for one order is."""

    status: Literal["none", "due", "received", "declined", "refunded"] = "none"
    cents: int = 0


class PaymentRefused(Exception):
    """A rule of payments forbids it."""


def decide(command: PaymentCommand, payment: Payment) -> Iterator[PaymentEvent]:
    """Which events follow from a command."""
    match command, payment.status:
        case RequestPayment(cents), "none":
            yield PaymentRequested(cents)
        case ReceivePayment(cents), "due" | "declined":
            if cents != payment.cents:
                raise PaymentRefused(f"{cents} cents came, {payment.cents} are due.")
            yield PaymentReceived(cents)
        case DeclinePayment(reason), "due":
            yield PaymentDeclined(reason)
        case RefundPayment(), "received":
            yield PaymentRefunded(payment.cents)
        case RefundPayment(), "refunded":
            return
        case _, status:
            raise PaymentRefused(f"{type(command).__name__} is not possible: the payment's status is {status!r}.")


def evolve(payment: Payment, event: PaymentEvent) -> Payment:
    """The payment after one event."""
    match event:
        case PaymentRequested(cents):
            return Payment("due", cents)
        case PaymentReceived():
            return replace(payment, status="received")
        case PaymentDeclined():
            return replace(payment, status="declined")
        case PaymentRefunded():
            return replace(payment, status="refunded")
        case _:
            assert_never(event)


payments = Decider("payment", initial=Payment, evolve=evolve, decide=decide)
