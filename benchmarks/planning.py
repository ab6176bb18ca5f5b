"""From users to events a second, stores, machines, bytes and money: the arithmetic of docs/explanation/scale.md.

python -m benchmarks.planning    prints the table that the page quotes

Each number is measured here, or assumed; the assumptions are yours to replace.
"""

from __future__ import annotations

from math import ceil
from typing import Final

EVENTS_A_DAY: Final = 20
"""Of one user. Assumed."""
PEAK: Final = 5
"""How many times the mean the busiest second has. Assumed."""
STORE: Final = 10_000
"""Appends a second of one store on three machines, quorum-synchronous, with 512 callers. Measured, all of it on two cores."""
FULL: Final = 0.5
"""How much of that is planned with. Assumed."""
BYTES: Final = 500
"""Of one event of a hundred bytes of JSON, with all its indexes. Measured on PostgreSQL 18."""
COPIES: Final = 3
"""Machines of one store: a cluster with Patroni."""
MACHINE: Final = 300
"""Dollars a month of one machine with eight cores and its part of the network. Assumed."""
DISK: Final = 0.08
"""Dollars a month of one gigabyte on a solid-state disk. Assumed."""


def row(users: int) -> str:
    """One line of the table."""
    peak = users * EVENTS_A_DAY / 86_400 * PEAK
    stores = max(1, ceil(peak / (STORE * FULL)))
    year = users * EVENTS_A_DAY * 365 * BYTES / 1e9
    machines = stores * COPIES
    money = machines * MACHINE, year * COPIES * DISK
    return f"{users:13,} {peak:13,.0f} {stores:8,} {machines:10,} {year:16,.0f} {money[0]:14,.0f} {money[1]:13,.0f}"


def plan() -> list[str]:
    """The table."""
    head = "        users  events/s peak   stores   machines   GB of one year   $/month machines   $/month disks"
    return [head, *(row(10**power) for power in range(4, 10))]


if __name__ == "__main__":
    print("\n".join(plan()))
