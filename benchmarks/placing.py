"""Where tenants go when one store is not enough: how uneven the stores are loaded, and how many move when one is added.

python -m benchmarks.placing    prints the tables that docs/explanation/scale.md quotes

Nothing here is random: the load of tenant k is k to the power of -s over the sum of all, which is Zipf's law with the
exponent s, and hashes are of names. s = 0 is even; what people do lies around 1.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

TENANTS: Final = 20_000
SKEWS: Final = (0.0, 0.8, 1.0, 1.2)
STORES: Final = (4, 16, 64)

Place: TypeAlias = Callable[[Sequence[float], int], list[int]]
"""From the loads of tenants to the store of each."""


def zipf(tenants: int, skew: float) -> list[float]:
    """The share of the load that each has, the largest first."""
    weights = [rank**-skew for rank in range(1, tenants + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]


def by_remainder(loads: Sequence[float], stores: int) -> list[int]:
    """By the hash of the name, divided by the number of stores."""
    return [_hash(f"tenant-{n}") % stores for n in range(len(loads))]


def by_rendezvous(loads: Sequence[float], stores: int) -> list[int]:
    """By the store whose hash with the name is the highest."""
    return [max(range(stores), key=lambda store: _hash(f"tenant-{n} {store}")) for n in range(len(loads))]


def by_directory(loads: Sequence[float], stores: int) -> list[int]:
    """By a table that is kept: the largest first, each to the store that has the least so far."""
    least = [(0.0, store) for store in range(stores)]
    placed: list[int] = []
    for load in loads:
        has, store = least[0]
        heapq.heapreplace(least, (has + load, store))
        placed.append(store)
    return placed


def busiest(loads: Sequence[float], placed: Sequence[int], stores: int) -> float:
    """How many times the mean the store has that has most."""
    sums = [0.0] * stores
    for load, store in zip(loads, placed, strict=True):
        sums[store] += load
    return max(sums) * stores


def moved(place: Place, tenants: int, stores: int) -> float:
    """The share of tenants that move when one store is added."""
    even = [1 / tenants] * tenants
    return sum(a != b for a, b in zip(place(even, stores), place(even, stores + 1), strict=True)) / tenants


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def uneven() -> list[str]:
    """The busiest store beside the mean."""
    lines = ["skew   largest tenant   stores   busiest by hash   busiest by directory"]
    for skew in SKEWS:
        loads = zipf(TENANTS, skew)
        for stores in STORES:
            hashed = busiest(loads, by_remainder(loads, stores), stores)
            listed = busiest(loads, by_directory(loads, stores), stores)
            lines.append(f"{skew:4.1f} {loads[0]:15.2%} {stores:8} {hashed:15.2f} x {listed:18.2f} x")
    return lines


def moving() -> list[str]:
    """What moves when a store is added."""
    lines = ["stores   move by remainder   move by rendezvous"]
    for stores in (4, 16):
        shares = [moved(place, TENANTS, stores) for place in (by_remainder, by_rendezvous)]
        lines.append(f"{stores} to {stores + 1:<4} {shares[0]:11.1%} {shares[1]:19.1%}")
    return lines


if __name__ == "__main__":
    print("\n".join([*uneven(), "", *moving()]))
