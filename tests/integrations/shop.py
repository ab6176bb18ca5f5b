"""A shop to project: its events, what a one-pass program makes of them, and the same as mapped classes."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable
from typing import Any

from sqlalchemy import Engine, create_engine, delete, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from refold import NewEvent, Projection, Recorded, Store, event, sql
from refold.integrations.sqlalchemy import emptying


@event("shop.placed")
class Placed:
    """An order came in."""

    order: str
    customer: str
    cents: int


@event("shop.paid")
class Paid:
    """It was paid."""

    order: str


@event("shop.cancelled")
class Cancelled:
    """It was given up."""

    order: str


EVENTS = [Placed, Paid, Cancelled]

Orders = dict[str, tuple[str, int, str]]
Customers = dict[str, tuple[int, int]]


def folded(events: Iterable[Recorded[Any]]) -> tuple[Orders, Customers]:
    """Orders by id (customer, cents, state), and customers by name (how many orders that were not cancelled, for how much)."""
    orders: Orders = {}
    for recorded in events:
        match recorded.data:
            case Placed(order, customer, cents):
                orders[order] = (customer, cents, "placed")
            case Paid(order):
                orders[order] = (*orders[order][:2], "paid")
            case Cancelled(order):
                del orders[order]
            case other:
                raise AssertionError(other)
    customers: Customers = {}
    for customer, cents, _ in orders.values():
        count, total = customers.get(customer, (0, 0))
        customers[customer] = (count + 1, total + cents)
    return orders, customers


def sell(store: Store, orders: int, seed: int = 1, first: int = 0) -> None:
    """Append so many orders, and what became of them."""
    dice = random.Random(seed)  # noqa: S311 - a sample
    for number in range(first, first + orders):
        order, then = f"o{number}", dice.choice([None, Paid, Paid, Cancelled])
        events = [NewEvent(Placed(order, f"c{dice.randrange(9)}", dice.randrange(1, 9_999)))]
        store.append(f"order-{order}", [*events, NewEvent(then(order))] if then else events)


class Base(DeclarativeBase):
    """The application's own tables."""


class Order(Base):
    """An order that stands."""

    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(primary_key=True)
    customer: Mapped[str]
    cents: Mapped[int]
    state: Mapped[str]


class Customer(Base):
    """What is counted of a customer."""

    __tablename__ = "customers"
    name: Mapped[str] = mapped_column(primary_key=True)
    orders: Mapped[int]
    cents: Mapped[int]


def engine_at(url: str) -> Engine:
    """An engine, its tables made."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    return engine


def shown(engine: Engine) -> tuple[Orders, Customers]:
    """The read model, as `folded` has it."""
    with Session(engine) as session:
        return shown_in(session)


def shown_in(session: Session) -> tuple[Orders, Customers]:
    """The same in a transaction."""
    orders = {row.id: (row.customer, row.cents, row.state) for row in session.scalars(select(Order))}
    customers = {row.name: (row.orders, row.cents) for row in session.scalars(select(Customer)) if row.orders}
    return orders, customers


def mapped_shop(name: str = "shop") -> Projection:
    """Every way that a handler has to change a read model of SQLAlchemy's."""
    view = Projection(name, schema=emptying(Order, Customer))

    @view.on(Placed)
    def placed(recorded: Recorded[Placed]) -> Generator[Any, Any, None]:
        event = recorded.data
        yield insert(Order).values(id=event.order, customer=event.customer, cents=event.cents, state="placed")
        yield lambda session: count(session, event.customer, 1, event.cents)

    @view.on(Paid)
    def paid(recorded: Recorded[Paid]) -> Generator[Any, Any, None]:
        yield update(Order).where(Order.id == recorded.data.order).values(state="paid")

    @view.on(Cancelled)
    def cancelled(recorded: Recorded[Cancelled]) -> Generator[Any, Any, None]:
        ((customer, cents),) = yield select(Order.customer, Order.cents).where(Order.id == recorded.data.order)
        yield delete(Order).where(Order.id == recorded.data.order)
        yield sql(
            "update customers set orders = orders - 1, cents = cents - :cents where name = :c", cents=cents, c=customer
        )

    return view


def count(session: Session, name: str, orders: int, cents: int) -> None:
    """One more order of a customer's, through the session."""
    customer = session.get(Customer, name, populate_existing=True)
    if customer is None:
        session.add(Customer(name=name, orders=orders, cents=cents))
    else:
        customer.orders += orders
        customer.cents += cents
