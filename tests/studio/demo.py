"""A day in the shop of the demo, in which the process fulfils the orders: what the pictures and the browser look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from time import monotonic, sleep

from refold import App, Projection, Recorded, Statement, Store, sql
from refold.demo import app as demo
from refold.demo.day import DELIVERIES, OPENS, Day, visits
from refold.demo.fulfilment import fulfilment
from refold.demo.labels import labels
from refold.demo.orders import OrderOpened, OrderShipped, orders
from refold.demo.payments import payments
from refold.demo.people import Shop, manager, supplier
from refold.demo.sales import sales
from refold.demo.stock import StockReceived, stock
from refold.demo.traffic import visitor

NOON = OPENS + timedelta(hours=4)
"""When the second delivery comes."""

customers = Projection(
    "customers", schema="create table customers (name text primary key, orders integer)", key=lambda e: str(e.stream)
)
levels = Projection("stock_levels", schema="create table levels (sku text primary key, received integer)")
mails = Projection("mails", schema="create table mails (number text primary key)", key=lambda e: str(e.stream))
"""Nothing of it can be taken in, so it fails."""


@customers.on(OrderOpened)
def customer(e: Recorded[OrderOpened]) -> Iterator[Statement]:
    text = "insert into customers values (:name, 1) on conflict (name) do update set orders = orders + 1"
    yield sql(text, name=e.data.customer)


@levels.on(StockReceived)
def received(e: Recorded[StockReceived]) -> Iterator[Statement]:
    text = "insert into levels values (:sku, :qty) on conflict (sku) do update set received = received + :qty"
    yield sql(text, sku=e.stream.id, qty=e.data.qty)


@mails.on(OrderShipped)
def mail(e: Recorded[OrderShipped]) -> Iterator[Statement]:
    if e.stream.id:
        raise ValueError("mail.example takes no mails of this kind")
    yield sql("insert into mails values (:number)", number=e.stream.id)


app = App(
    *demo.app.folds.values(), *demo.app.projections.values(), *demo.app.processes.values(), customers, levels, mails
)


def fill(store: Store, day: Day, guests: int = 120) -> None:
    """Let the day pass; `store` has the clock of the day."""
    shop = Shop(store)
    day.join(timedelta(minutes=-45), manager(shop))
    for when, delivery in DELIVERIES.items():
        day.join(when, supplier(shop, delivery))
    for visit in visits(guests, 1):
        day.join(visit.arrives, visitor(shop, visit))
    for moment in day.play():
        store.process(fulfilment).catch_up(orders, stock, payments)
        if moment == NOON:
            _pause(store)
    store.catch_up(sales)
    _run_through(store)


def _pause(store: Store) -> None:
    """At noon somebody pauses one read model, and forgets another."""
    store.catch_up(levels)
    store.catch_up(customers)
    store.model(customers).pause("the table gets another column")


def _run_through(store: Store) -> None:
    """A runner parks what cannot be applied, and stops where nothing can."""
    until = monotonic() + 60
    with store.run(labels, mails):
        while monotonic() < until:
            found = {each.name: each for each in store.projections()}
            if "mails" in found and found["mails"].state == "failed" and not found["labels"].lag:
                return
            sleep(0.02)
    raise AssertionError(f"the runner has not come to an end: {store.projections()}")
