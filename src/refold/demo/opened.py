"""The shop while it is open: customers on a thread of their own, workers on theirs, and how far all of it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import perf_counter
from types import TracebackType
from typing import Self

from msgspec import Struct

from refold import Running, Store
from refold.demo.fulfilment import fulfilment
from refold.demo.labels import labels
from refold.demo.orders import orders
from refold.demo.payments import payments
from refold.demo.people import Shop
from refold.demo.sales import sales
from refold.demo.stock import stock
from refold.demo.traffic import traffic


class Standing(Struct, frozen=True):
    """How far it is: `seconds` since it opened; `behind` and `parked` are events and keys of the read model that has most."""

    seconds: float
    events: int
    handled: int
    refused: int
    behind: int
    parked: int


class OpenShop:
    """A shop whose customers give about `rate` commands a second, and whose workers run, for as long as the block lasts."""

    def __init__(self, store: Store, *, rate: float, seed: int) -> None:
        self._store, self._rate = store, rate
        self._shop, self._stop = Shop(store), threading.Event()
        self._steps: Iterator[None] = traffic(self._shop, seed)
        self._customers = threading.Thread(target=self._serve, name="refold-customers")
        self._running: Running | None = None
        self._began = perf_counter()
        self.trouble: Exception | None = None
        """What ended the traffic, if anything did."""

    @property
    def seconds(self) -> float:
        """How long it has been open."""
        return perf_counter() - self._began

    def standing(self) -> Standing:
        """How far it is now."""
        builds = self._store.projections()
        return Standing(
            self.seconds, int(self._store.head()), self._shop.handled, self._shop.refused,
            max((each.lag for each in builds), default=0), max((each.parked_keys for each in builds), default=0),
        )  # fmt: skip

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                asked = self._asked()
                next(self._steps)
                self._stop.wait((self._asked() - asked) / self._rate)
        except Exception as error:  # noqa: BLE001 - whoever waits for the shop is told
            self.trouble = error

    def _asked(self) -> int:
        return self._shop.handled + self._shop.refused

    def __enter__(self) -> Self:
        self._running = self._store.run(sales, labels, fulfilment, orders, stock, payments)
        self._customers.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._customers.join()
        if self._running is not None:
            self._running.stop()
            self._running.join()
