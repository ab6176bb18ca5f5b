"""A read model in two parts, and whoever is killed while it joins them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

from tests.faults.readmodels import EVENTS, Deposited

from refold import Projection, Recorded, Statement, Store, sql

POISON = 7


def sums(poisoned: Callable[[], None] = lambda: None) -> Projection:
    """The sum of each account; `poisoned` is called before a certain amount is added."""
    projection = Projection(
        "sums",
        schema="create table sums (account text primary key, amount integer not null)",
        key=lambda event: event.stream.id,
    )

    @projection.on(Deposited)
    def add(event: Recorded[Deposited]) -> Iterator[Statement]:
        if event.data.amount == POISON:
            poisoned()
        yield sql(
            "insert into sums values (:account, :amount) on conflict (account) do update set amount = sums.amount + :amount",
            account=event.stream.id,
            amount=event.data.amount,
        )

    return projection


def merge(url: str) -> None:
    """Join both parts, and be killed as soon as the one that is behind is to come up."""
    with Store.open(url, events=EVENTS) as store:
        store.model(sums(lambda: os.kill(os.getpid(), signal.SIGKILL))).repartition(1)
