"""The people of the shop: each gives the commands that are theirs, in their own name."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias, TypeVar

from refold import Decider, Recorded, Store
from refold.demo.day import DELIVERIES, VOUCHERS, Day, Routine, Visit
from refold.demo.fulfilment import PAY_WITHIN
from refold.demo.orders import (
    AddLine,
    CancelOrder,
    ConfirmPayment,
    GrantDiscount,
    OpenOrder,
    OrderPlaced,
    PlaceOrder,
    RemoveLine,
    ShipOrder,
    orders,
)
from refold.demo.payments import DeclinePayment, ReceivePayment, RequestPayment, payments
from refold.demo.sales import sales
from refold.demo.stock import PickStock, ReceiveStock, ReleaseStock, ReserveStock, StockShort, stock
from refold.demo.vouchers import RedeemVoucher, VoucherIssued, VoucherRefused, vouchers

C = TypeVar("C")
Filling: TypeAlias = Generator[timedelta, None, tuple[Recorded[Any] | None, Recorded[Any] | None]]

MARK: Final = "refold.demo"
"""Metadata of the first event, under the key `demo`: by it the demo knows a file of its own again."""


class Shop:
    """A store, and how many commands were given to it and refused by a rule."""

    def __init__(self, store: Store) -> None:
        self.store, self.handled, self.refused = store, 0, 0

    def ask(
        self, decider: Decider[C, Any, Any], id: str, command: C, actor: str, cause: Recorded[Any] | None = None
    ) -> Recorded[Any] | None:
        """Handle a command, in the name of `actor`, because of `cause`; the last event that came of it."""
        handled = self.store.context(actor=actor, cause=cause).bind(decider).handle(id, command)
        self.handled += 1
        return self._at(handled.position) if handled.events else None

    def redeem(self, request: RedeemVoucher, cause: Recorded[Any]) -> Recorded[Any] | None:
        """Redeem a voucher; None if a rule forbids it."""
        store = self.store.context(actor=request.customer, cause=cause)
        try:
            decided = store.decide(request.model, request.decide, stream=request.stream)
        except VoucherRefused:
            self.refused += 1
            return None
        self.handled += 1
        return self._at(decided.position)

    def _at(self, position: int) -> Recorded[Any]:
        return next(self.store.read(after=position - 1, limit=1))


def issue_vouchers(shop: Shop) -> None:
    """The first that happens: these events carry the mark."""
    for code, (percent, uses) in VOUCHERS.items():
        shop.store.context(actor="manager", demo=MARK).append(
            vouchers.stream(code), [VoucherIssued(code, percent, uses)]
        )


def manager(shop: Shop) -> Routine:
    """Issues the vouchers before the shop opens, and looks at the sales every half hour."""
    issue_vouchers(shop)
    while True:
        shop.store.catch_up(sales)
        yield timedelta(minutes=30)


def supplier(shop: Shop, delivery: Mapping[str, int]) -> Routine:
    """Delivers once."""
    for sku, qty in delivery.items():
        shop.ask(stock, sku, ReceiveStock(qty), "supplier")
    yield from ()


def filled(shop: Shop, visit: Visit) -> Filling:
    """Opens an order, and puts into it what is wanted; gives the first event and the last."""
    order, me = visit.order, visit.customer
    begun = last = shop.ask(orders, order, OpenOrder(me), me)
    for line in visit.basket:
        yield visit.pace
        last = shop.ask(orders, order, AddLine(line.sku, line.qty, line.cents), me, last)
    if visit.drops:
        yield visit.pace
        last = shop.ask(orders, order, RemoveLine(visit.drops), me, last)
    return begun, last


def visitor(shop: Shop, visit: Visit) -> Routine:
    """Fills an order and places it, or leaves; the clerk takes it from there."""
    order, me = visit.order, visit.customer
    _, last = yield from filled(shop, visit)
    if visit.voucher and last:
        yield visit.pace
        redeemed = shop.redeem(RedeemVoucher(visit.voucher, me, order), last)
        if redeemed:
            last = shop.ask(orders, order, GrantDiscount(visit.voucher, redeemed.data.percent), "till", redeemed)
    yield visit.pace
    if visit.ends != "leaves":
        placed = shop.ask(orders, order, PlaceOrder(), me, last)
        assert placed is not None
        yield from clerk(shop, visit, placed)


def clerk(shop: Shop, visit: Visit, placed: Recorded[Any]) -> Routine:
    """Reserves stock, waits for the money, and sends the parcel."""
    order: str = visit.order
    what: OrderPlaced = placed.data
    reserved = [shop.ask(stock, line.sku, ReserveStock(order, line.qty), "clerk", placed) for line in what.lines]
    short = next((e for e in reserved if e and isinstance(e.data, StockShort)), None)
    if short:
        _cancel(shop, order, "out of stock", what, short)
        return
    due = shop.ask(payments, order, RequestPayment(what.cents), "clerk", placed)
    if visit.ends == "forgets to pay":
        yield PAY_WITHIN
        _cancel(shop, order, "not paid in time", what, due)
        return
    yield visit.pace
    if visit.ends == "is declined":
        declined = shop.ask(payments, order, DeclinePayment("card declined"), "bank", due)
        _cancel(shop, order, "card declined", what, declined)
        return
    received = shop.ask(payments, order, ReceivePayment(what.cents), "bank", due)
    paid = shop.ask(orders, order, ConfirmPayment(), "clerk", received)
    yield visit.pace * 4
    shipped = shop.ask(orders, order, ShipOrder(f"parcel-{order}"), "clerk", paid)
    for line in what.lines:
        shop.ask(stock, line.sku, PickStock(order), "clerk", shipped)


def _cancel(shop: Shop, order: str, reason: str, what: OrderPlaced, cause: Recorded[Any] | None) -> None:
    cancelled = shop.ask(orders, order, CancelOrder(reason), "clerk", cause)
    for line in what.lines:
        shop.ask(stock, line.sku, ReleaseStock(order), "clerk", cancelled)


def everybody(day: Day, shop: Shop, guests: Sequence[Visit]) -> None:
    """Let all of them join the day."""
    day.join(timedelta(minutes=-45), manager(shop))
    for when, delivery in DELIVERIES.items():
        day.join(when, supplier(shop, delivery))
    for visit in guests:
        day.join(visit.arrives, visitor(shop, visit))
