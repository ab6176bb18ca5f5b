"""Traffic: people who come without an end, while the process fulfils their orders.

Time passes for them from one to the next that is due, however long that takes by the clock of the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from random import Random
from typing import Final

from refold.demo.day import PRICES, Agenda, Routine, Visit, visit_of
from refold.demo.orders import (
    CancelOrder,
    GrantDiscount,
    OrderRefused,
    PlaceOrder,
    orders,
)
from refold.demo.payments import PaymentRefused, payments
from refold.demo.people import Shop, filled, issue_vouchers, paying
from refold.demo.stock import ReceiveStock, stock
from refold.demo.vouchers import RedeemVoucher

ENDS: Final = {"pays": 80, "is declined": 5, "leaves": 6, "forgets to pay": 4, "cancels": 5}
"""What visitors do in the end, and how many of a hundred."""

_FULL, _LOW = 60, 30
"""To how many pieces a product is filled up, and when."""
_LOOKS: Final = 60
"""How often somebody looks whether the bill has come, before they give it up."""


def traffic(shop: Shop, seed: int) -> Iterator[None]:
    """All that people do in the shop, a step each time, without an end; the same seed brings the same people."""
    agenda, random = Agenda(), Random(seed)  # noqa: S311 - a workload, no secret
    issue_vouchers(shop)
    agenda.join(timedelta(0), refilling(shop))
    agenda.join(timedelta(0), arriving(agenda, shop, random))
    while True:
        try:
            agenda.wake()
        except (OrderRefused, PaymentRefused):  # somebody else was faster, and the visitor goes home
            shop.refused += 1
        yield


def arriving(agenda: Agenda, shop: Shop, random: Random) -> Routine:
    """Lets in a visitor every few minutes."""
    for number in count(1001):
        agenda.join(agenda.now, visitor(shop, visit_of(str(number), random, ENDS)))
        yield timedelta(seconds=random.randrange(30, 300))


def refilling(shop: Shop) -> Routine:
    """Brings what has become scarce."""
    warehouse = shop.store.bind(stock)
    while True:
        for sku in PRICES:
            free = warehouse.state(sku).free
            if free < _LOW:
                shop.ask(stock, sku, ReceiveStock(_FULL - free), "supplier")
                yield timedelta(seconds=1)
        yield timedelta(minutes=10)


def visitor(shop: Shop, visit: Visit) -> Routine:
    """Fills an order in one story, and pays, or does not."""
    order, me = visit.order, visit.customer
    begun, last = yield from filled(shop, visit)
    if visit.voucher and last and (redeemed := shop.redeem(RedeemVoucher(visit.voucher, me, order), last)):
        yield timedelta(seconds=2)
        last = shop.ask(orders, order, GrantDiscount(visit.voucher, redeemed.data.percent), "till", redeemed)
    yield visit.pace
    if visit.ends == "leaves":
        return
    placed = shop.ask(orders, order, PlaceOrder(), me, last)
    yield timedelta(seconds=20 + Random(order).randrange(100))  # noqa: S311 - the same each time
    if visit.ends == "cancels":
        shop.ask(orders, order, CancelOrder("changed my mind"), me, placed)
    elif visit.ends != "forgets to pay":
        yield from _waiting_for_the_bill(shop, order)
        yield from paying(shop, visit, placed or begun)


def _waiting_for_the_bill(shop: Shop, order: str) -> Routine:
    """It is the process that writes it, on a thread of its own."""
    for _ in range(_LOOKS):
        if shop.store.bind(payments).state(order).cents or shop.store.bind(orders).state(order).status != "placed":
            return
        yield timedelta(seconds=20)
