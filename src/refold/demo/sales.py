"""Sales: the read model, two tables beside the events, and the questions that it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from refold import Projection, Recorded, Statement, Store, sql
from refold.demo.orders import OrderCancelled, OrderOpened, OrderPaid, OrderPlaced, OrderShipped, Status

sales = Projection(
    "sales",
    schema="""
        create table if not exists shop_orders (
            id text primary key, customer text not null, status text not null, cents integer not null default 0
        );
        create table if not exists shop_lines (
            order_id text not null, sku text not null, qty integer not null, cents integer not null
        );
    """,
)


@sales.on(OrderOpened)
def opened(e: Recorded[OrderOpened]) -> Iterator[Statement]:
    yield sql(
        "insert into shop_orders (id, customer, status) values (:id, :customer, 'open')",
        id=e.stream.id,
        customer=e.data.customer,
    )


@sales.on(OrderPlaced)
def placed(e: Recorded[OrderPlaced]) -> Iterator[Statement]:
    yield sql(
        "update shop_orders set status = 'placed', cents = :cents where id = :id", id=e.stream.id, cents=e.data.cents
    )
    for line in e.data.lines:
        yield sql(
            "insert into shop_lines values (:id, :sku, :qty, :cents)",
            id=e.stream.id,
            sku=line.sku,
            qty=line.qty,
            cents=line.qty * line.cents,
        )


@sales.on(OrderPaid)
def paid(e: Recorded[OrderPaid]) -> Iterator[Statement]:
    yield _now(e.stream.id, "paid")


@sales.on(OrderShipped)
def shipped(e: Recorded[OrderShipped]) -> Iterator[Statement]:
    yield _now(e.stream.id, "shipped")


@sales.on(OrderCancelled)
def cancelled(e: Recorded[OrderCancelled]) -> Iterator[Statement]:
    yield _now(e.stream.id, "cancelled")


def _now(id: str, status: Status) -> Statement:
    return sql("update shop_orders set status = :status where id = :id", id=id, status=status)


class ProductSales(NamedTuple):
    """One product: in how many paid orders, how many pieces, and their price in cents before discounts."""

    sku: str
    orders: int
    pieces: int
    cents: int


class OrdersAt(NamedTuple):
    """The orders that stand at one status, and what they cost in cents."""

    status: Status
    orders: int
    cents: int


_BY_PRODUCT = """
    select sku, count(distinct order_id), sum(qty), sum(shop_lines.cents)
    from shop_lines join shop_orders on shop_orders.id = order_id
    where status in ('paid', 'shipped')
    group by sku order by sum(shop_lines.cents) desc, sku
"""
_BY_STATUS = """
    select status, count(*), sum(cents) from shop_orders group by status
    order by instr('open placed paid shipped cancelled', status)
"""


def by_product(store: Store) -> Sequence[ProductSales]:
    """What was sold, the best product first."""
    return [ProductSales(*cast("tuple[str, int, int, int]", row)) for row in store.query(_BY_PRODUCT)]


def by_status(store: Store) -> Sequence[OrdersAt]:
    """How many orders stand where."""
    return [OrdersAt(*cast("tuple[Status, int, int]", row)) for row in store.query(_BY_STATUS)]
