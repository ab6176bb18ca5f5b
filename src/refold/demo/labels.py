"""Labels: a read model that cannot take in everything, so that there are dead letters to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from refold import Projection, Recorded, Statement, sql
from refold.demo.orders import OrderPlaced

NOWHERE: Final = frozenset({"Olga", "Radia"})
"""Customers whose address nobody has written down."""

labels = Projection(
    "labels", schema="create table labels (number text primary key, customer text)", key=lambda e: str(e.stream)
)


class AddressUnknown(Exception):
    """There is nothing to print on the label."""


@labels.on(OrderPlaced)
def placed(e: Recorded[OrderPlaced]) -> Iterator[Statement]:
    if e.data.customer in NOWHERE:
        raise AddressUnknown(f"no address is known for {e.data.customer}")
    yield sql("insert into labels values (:number, :customer)", number=e.stream.id, customer=e.data.customer)
