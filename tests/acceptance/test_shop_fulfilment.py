"""The shop's process on a real store: what must follow follows by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from refold import Store
from refold.demo.fulfilment import PAY_WITHIN, fulfilment
from refold.demo.orders import AddLine, CancelOrder, OpenOrder, Order, PlaceOrder, ShipOrder, orders
from refold.demo.payments import DeclinePayment, ReceivePayment, payments
from refold.demo.stock import ReceiveStock, Stock, stock
from refold.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shop(clock: ManualClock) -> Iterator[Store]:
    """With three cups, and an order for two of them."""
    with Store.open("sqlite:///:memory:", clock=clock) as store:
        store.bind(stock).handle("cup", ReceiveStock(3))
        for command in (OpenOrder("Ada"), AddLine("cup", 2, 12_50), PlaceOrder()):
            store.bind(orders).handle("1", command)
        follow(store)
        yield store


def follow(store: Store) -> None:
    store.process(fulfilment).catch_up(orders, payments, stock)


def ends(store: Store) -> tuple[str, str, Stock]:
    order: Order = store.bind(orders).state("1")
    return order.status, store.bind(payments).state("1").status, store.bind(stock).state("cup")


def test_what_is_paid_and_shipped_leaves_the_shop(shop: Store) -> None:
    assert ends(shop) == ("placed", "due", Stock(1, {"1": 2}))
    shop.bind(payments).handle("1", ReceivePayment(25_00))
    follow(shop)
    assert ends(shop) == ("paid", "received", Stock(1, {"1": 2}))
    shop.bind(orders).handle("1", ShipOrder("parcel-1"))
    follow(shop)
    assert ends(shop) == ("shipped", "received", Stock(1, {}))
    assert [each.state for each in shop.process(fulfilment).list()] == ["finished"]


def test_what_is_not_paid_in_time_is_cancelled_and_released(shop: Store, clock: ManualClock) -> None:
    clock.move(PAY_WITHIN - timedelta(seconds=1))
    follow(shop)
    assert ends(shop) == ("placed", "due", Stock(1, {"1": 2}))
    clock.move(timedelta(seconds=1))
    follow(shop)
    assert ends(shop) == ("cancelled", "due", Stock(3, {}))


def test_a_declined_payment_cancels_the_order(shop: Store) -> None:
    shop.bind(payments).handle("1", DeclinePayment("card declined"))
    follow(shop)
    assert ends(shop) == ("cancelled", "declined", Stock(3, {}))


def test_money_that_comes_after_a_cancellation_is_given_back(shop: Store) -> None:
    shop.bind(orders).handle("1", CancelOrder("changed my mind"))
    follow(shop)
    shop.bind(payments).handle("1", ReceivePayment(25_00))
    follow(shop)
    assert ends(shop) == ("cancelled", "refunded", Stock(3, {}))
