"""Quotas: how much one client may ask for, and how guessing is slowed."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from refold.http.problems import Declined

_REMEMBERED: Final = 10_000
"""Clients and addresses: who was longest not heard of is forgotten first."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """Bytes of a body; events of a page; requests a second of one client, and how many at once; subscriptions it has open."""

    body_bytes: int = 16 << 20
    page: int = 1_000
    rate: float = 500.0
    burst: int = 1_000
    subscriptions: int = 100


class Rates:
    """A bucket of requests for each client, which fills with time."""

    def __init__(self, quotas: Quotas, now: Callable[[], float] = time.monotonic) -> None:
        self._quotas, self._now = quotas, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """One request of a client.

        Raises:
            Declined: 429, it asks too often.
        """
        now = self._now()
        left, since = self._left.pop(client, (float(self._quotas.burst), now))
        left = min(float(self._quotas.burst), left + (now - since) * self._quotas.rate)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) / self._quotas.rate))
            raise Declined(
                429,
                "too-many-requests",
                f"{self._quotas.rate:g} requests a second are allowed: ask again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )


class Slots:
    """The subscriptions that each client has open."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self.open: dict[str, int] = {}

    def take(self, client: str) -> Callable[[], None]:
        """One more; what comes back gives it back, once however often it is called.

        Raises:
            Declined: 429, it has too many.
        """
        if self.open.get(client, 0) >= self._quotas.subscriptions:
            raise Declined(
                429,
                "too-many-subscriptions",
                f"{self._quotas.subscriptions} subscriptions may be open at once: close one.",
                headers={"Retry-After": "5"},
            )
        self.open[client] = self.open.get(client, 0) + 1
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            if given_back:
                return
            given_back = True
            self.open[client] -= 1
            if not self.open[client]:
                del self.open[client]

        return give_back


class Guesses:
    """Wrong tokens, by the address that they came from: after some, each answer takes longer. Right ones never wait."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, free: int = 5, longest: float = 5.0, waiting: int = 20
    ) -> None:
        self._now, self._free, self._longest, self._most = now, free, longest, waiting
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting: dict[str, int] = {}

    def delay(self, address: str) -> float:
        """Count a wrong token, and say how many seconds its answer takes; a minute without one forgets them all."""
        count, last = self._seen.pop(address, (0, 0.0))
        count = 1 if self._now() - last > 60 else count + 1  # noqa: PLR2004 - a minute
        self._seen[address] = (count, self._now())
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return 0.0 if count <= self._free else min(self._longest, 0.1 * 2.0 ** min(count - self._free, 10))

    async def slow(self, address: str) -> None:
        """Wait, before a wrong token is refused.

        Raises:
            Declined: 429, many wait already.
        """
        delay = self.delay(address)
        if not delay:
            return
        if self._waiting.get(address, 0) >= self._most:
            raise Declined(
                429, "too-many-guesses", "too many wrong tokens came from there.", headers={"Retry-After": "60"}
            )
        self._waiting[address] = self._waiting.get(address, 0) + 1
        try:
            await asyncio.sleep(delay)
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]
