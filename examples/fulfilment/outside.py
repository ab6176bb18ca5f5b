"""The world outside: a bank and a carrier that can be told the same thing twice, by its key, and that are not always well."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from refold import Declined, Retry

PATIENCE: Final = Retry(attempts=4, first=timedelta(minutes=1), longest=timedelta(minutes=10))
"""How hard the bank and the carrier are tried: again after 1, 2 and 4 minutes."""


def nobody() -> frozenset[str]:
    """Of no order."""
    return frozenset()


@dataclass
class Bank:
    """Takes money. `declines`: the cards of these orders are bad; `silent`: it never answers for these.

    `slow`: it does not answer the first time; `forgetful`: it takes the money, and then the answer is lost the first time.
    """

    declines: frozenset[str] = field(default_factory=nobody)
    silent: frozenset[str] = field(default_factory=nobody)
    slow: frozenset[str] = field(default_factory=nobody)
    forgetful: frozenset[str] = field(default_factory=nobody)
    asked: Counter[str] = field(default_factory=Counter[str])
    taken: dict[str, int] = field(default_factory=dict[str, int])
    _keys: set[str] = field(default_factory=set[str])

    def charge(self, order: str, cents: int, key: str) -> None:
        """Take money, once for each key.

        Raises:
            Declined: certainly nothing was taken.
            TimeoutError: no answer came; nobody knows.
        """
        self.asked[order] += 1
        if order in self.declines:
            raise Declined("the card is declined")
        if order in self.silent or (order in self.slow and self.asked[order] == 1):
            raise TimeoutError("the bank does not answer")
        if key not in self._keys:
            self._keys.add(key)
            self.taken[order] = self.taken.get(order, 0) + cents
        if order in self.forgetful and self.asked[order] == 1:
            raise TimeoutError("the answer of the bank is lost")

    def refund(self, order: str) -> None:
        """Give back what was taken, if anything was."""
        self.taken.pop(order, None)


@dataclass
class Carrier:
    """Takes parcels, one for each key."""

    parcels: dict[str, str] = field(default_factory=dict[str, str])
    _keys: set[str] = field(default_factory=set[str])

    def send(self, order: str, key: str) -> str:
        """The parcel's number."""
        if key not in self._keys:
            self._keys.add(key)
            self.parcels[order] = f"P{len(self._keys)}"
        return self.parcels[order]


@dataclass
class World:
    """Both of them."""

    bank: Bank = field(default_factory=Bank)
    carrier: Carrier = field(default_factory=Carrier)
