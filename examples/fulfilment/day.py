"""A quarter of an hour in the shop: six orders for five teapots, whose fates differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from examples.fulfilment import choreography, orchestration
from examples.fulfilment.orders import CancelOrder, Order, PlaceOrder, orders
from examples.fulfilment.outside import Bank, World
from examples.fulfilment.stock import ReceiveStock, Stock, stock

from refold import EffectHandler, Instances, Process, Saga, Store
from refold.testing import ManualClock

OPENS: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
CENTS: Final = 39_00
PIECES: Final = 5

FATES: Final[Mapping[str, tuple[str, str]]] = {
    "1001": ("Ada", "all goes well"),
    "1002": ("Ben", "his card is declined"),
    "1003": ("Cem", "the bank takes the money, its answer is lost"),
    "1004": ("Dee", "changes her mind while the bank is slow"),
    "1005": ("Eli", "the bank never answers"),
    "1006": ("Fay", "the last teapot has just gone"),
}
"""Who places which order, and what happens."""


def world() -> World:
    """A world in which all of that happens."""
    return World(Bank(frozenset({"1002"}), frozenset({"1005"}), frozenset({"1004"}), frozenset({"1003"})))


@dataclass
class Day:
    """A store in which the orders are fulfilled, by one way or the other, and the world outside it."""

    store: Store
    clock: ManualClock
    world: World
    by: Process[Any, Any] | Saga[Any]
    effects: Sequence[EffectHandler[Any]] = ()

    @staticmethod
    def by_process() -> Day:
        """Fulfilled by the process."""
        clock, outside = ManualClock(OPENS), world()
        store = Store.open("sqlite:///:memory:", clock=clock)
        return Day(store, clock, outside, choreography.fulfilment, choreography.effects(outside))

    @staticmethod
    def by_saga() -> Day:
        """Fulfilled by the saga."""
        clock, outside = ManualClock(OPENS), world()
        return Day(Store.open("sqlite:///:memory:", clock=clock), clock, outside, orchestration.fulfilment(outside))

    @property
    def instances(self) -> Instances:
        """The instances of the process or the saga: one for each order."""
        return self.store.process(self.by)

    def play(self) -> Day:
        """All orders come at once, Dee cancels hers after half a minute, and the rest is patience."""
        self.store.bind(stock).handle("teapot", ReceiveStock(PIECES))
        for order, (customer, _) in FATES.items():
            self.store.bind(orders).handle(order, PlaceOrder(order, customer, "teapot", CENTS))
        self._look()
        self.clock.move(timedelta(seconds=30))
        self.store.bind(orders).handle("1004", CancelOrder("the customer has changed her mind"))
        for _ in range(30):
            self._look()
            self.clock.move(timedelta(seconds=30))
        return self

    def _look(self) -> None:
        """Do all that can be done now. `store.run(...)` would do it all the time, on threads."""
        self.instances.catch_up(orders, stock, *self.effects)

    def orders(self) -> Mapping[str, Order]:
        """How each order ended."""
        return {order: self.store.bind(orders).state(order) for order in FATES}

    def stock(self) -> Stock:
        """What is left."""
        return self.store.bind(stock).state("teapot")
