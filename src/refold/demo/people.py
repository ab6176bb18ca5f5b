"""The people of the shop: each gives the commands that are theirs, in their own name."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias, TypeVar

from refold import Decider, Recorded, Store
from refold.demo.day import DELIVERIES, VOUCHERS, Day, Routine, Visit
from refold.demo.fulfilment import fulfilment
from refold.demo.orders import (
    AddLine,
    GrantDiscount,
    OpenOrder,
    PlaceOrder,
    RemoveLine,
    ShipOrder,
    orders,
)
from refold.demo.payments import DeclinePayment, ReceivePayment, payments
from refold.demo.sales import sales
from refold.demo.stock import ReceiveStock, stock
from refold.demo.vouchers import RedeemVoucher, VoucherIssued, VoucherRefused, vouchers

C = TypeVar("C")
Filling: TypeAlias = Generator[timedelta, None, tuple[Recorded[Any] | None, Recorded[Any] | None]]

MARK: Final = "refold.demo"
"""Metadata of the first event, under the key `demo`: by it the demo knows a file of its own again."""


class Shop:
    """A store, and how many commands were given to it and refused by a rule."""

    def __init__(self, store: Store) -> None:
        self.store, self.handled, self.refused = store, 0, 0
        self._fulfilment = store.process(fulfilment)

    def fulfil(self) -> None:
        """Let the process do all that follows by now."""
        self.handled += self._fulfilment.catch_up(orders, stock, payments).commands

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
    """Fills an order and places it, or leaves; the process takes it from there."""
    order, me = visit.order, visit.customer
    _, last = yield from filled(shop, visit)
    if visit.voucher and last:
        yield visit.pace
        redeemed = shop.redeem(RedeemVoucher(visit.voucher, me, order), last)
        if redeemed:
            last = shop.ask(orders, order, GrantDiscount(visit.voucher, redeemed.data.percent), "till", redeemed)
    yield visit.pace
    if visit.ends == "leaves":
        return
    placed = shop.ask(orders, order, PlaceOrder(), me, last)
    if visit.ends != "forgets to pay":
        yield visit.pace
        yield from paying(shop, visit, placed)


def paying(shop: Shop, visit: Visit, placed: Recorded[Any] | None) -> Routine:
    """Pays what the process asked for, unless it cancelled the order; the clerk sends the parcel."""
    store, order = shop.store, visit.order
    cents = store.bind(payments).state(order).cents
    if not cents or store.bind(orders).state(order).status != "placed":
        return
    if visit.ends == "is declined":
        shop.ask(payments, order, DeclinePayment("card declined"), "bank", placed)
        return
    shop.ask(payments, order, ReceivePayment(cents), "bank", placed)
    yield visit.pace * 4
    if store.bind(orders).state(order).status == "paid":
        paid = next(store.read(orders.stream(order), direction="backward", limit=1))
        shop.ask(orders, order, ShipOrder(f"parcel-{order}"), "clerk", paid)


def everybody(day: Day, shop: Shop, guests: Sequence[Visit]) -> None:
    """Let all of them join the day."""
    day.join(timedelta(minutes=-45), manager(shop))
    for when, delivery in DELIVERIES.items():
        day.join(when, supplier(shop, delivery))
    for visit in guests:
        day.join(visit.arrives, visitor(shop, visit))
