"""The shop in Django's models: settings for this process, and handlers that use the ORM by themselves."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import django  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs] # Django has no types
from django.conf import settings  # type: ignore[import-untyped] # as above
from django.db import connections, models, transaction  # type: ignore[import-untyped] # as above
from tests.integrations.shop import Cancelled, Customers, Orders, Paid, Placed

from refold import Projection, Recorded
from refold.integrations.django import emptying

if not settings.configured:
    settings.configure(DATABASES={}, INSTALLED_APPS=[])
    django.setup()


class Order(models.Model):  # type: ignore[misc] # noqa: DJ008 - Django has no types; shown to nobody
    """An order that stands."""

    id = models.CharField(primary_key=True, max_length=20)
    customer = models.CharField(max_length=20)
    cents = models.IntegerField()
    state = models.CharField(max_length=20)
    objects: ClassVar[Any] = models.Manager()

    class Meta:
        app_label = "shop"
        db_table = "orders"


class Customer(models.Model):  # type: ignore[misc] # noqa: DJ008 - as above
    """What is counted of a customer."""

    name = models.CharField(primary_key=True, max_length=20)
    orders = models.IntegerField()
    cents = models.IntegerField()
    objects: ClassVar[Any] = models.Manager()

    class Meta:
        app_label = "shop"
        db_table = "customers"


class Note(models.Model):  # type: ignore[misc] # noqa: DJ008 - as above
    """Refers to an order, which is looked for at the commit only."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    objects: ClassVar[Any] = models.Manager()

    class Meta:
        app_label = "shop"
        db_table = "notes"


MODELS: list[Any] = [Order, Customer, Note]
atomic: Any = transaction.atomic


class Databases:
    """URLs as Django's settings."""

    kinds: ClassVar = {"sqlite": "django.db.backends.sqlite3", "postgresql": "django.db.backends.postgresql"}

    @classmethod
    def of(cls, url: str) -> dict[str, Any]:
        """The settings of one database."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found: dict[str, Any] = {"ENGINE": cls.kinds[parts.scheme], "NAME": parts.path[1:]}
        if parts.scheme == "postgresql":
            found |= {"USER": parts.username, "HOST": query.get("host") or parts.hostname, "PORT": parts.port or ""}
            found |= {"PASSWORD": parts.password or ""}
        return found


@contextmanager
def default_database(url: str, *, make: bool = True) -> Generator[None]:
    """Django's default database is this one, in every thread that begins after this."""
    connections.settings = connections.configure_settings({"default": Databases.of(url)})
    try:
        if make:
            with connections["default"].schema_editor() as editor:
                for model in MODELS:
                    editor.create_model(model)
        yield
    finally:
        connections["default"].close()
        del connections["default"]


def shown() -> tuple[Orders, Customers]:
    """The read model, as a one-pass program has it."""
    orders = {row.id: (row.customer, row.cents, row.state) for row in Order.objects.all()}
    customers = {row.name: (row.orders, row.cents) for row in Customer.objects.all() if row.orders}
    return orders, customers


def django_shop(name: str = "shop") -> Projection:
    """Plain functions on the ORM."""
    view = Projection(name, schema=emptying(Order, Customer))

    @view.on(Placed)
    def placed(recorded: Recorded[Placed]) -> None:
        event = recorded.data
        Order.objects.create(id=event.order, customer=event.customer, cents=event.cents, state="placed")
        count(event.customer, 1, event.cents)

    @view.on(Paid)
    def paid(recorded: Recorded[Paid]) -> None:
        Order.objects.filter(id=recorded.data.order).update(state="paid")

    @view.on(Cancelled)
    def cancelled(recorded: Recorded[Cancelled]) -> None:
        order = Order.objects.get(id=recorded.data.order)
        count(order.customer, -1, -order.cents)
        order.delete()

    return view


def count(name: str, orders: int, cents: int) -> None:
    """Some more orders of a customer's."""
    customer, _ = Customer.objects.get_or_create(name=name, defaults={"orders": 0, "cents": 0})
    customer.orders += orders
    customer.cents += cents
    customer.save()
