"""G19: a slow reader costs the others nothing.

One subscriber in a process of its own, and one client of the HTTP server, take an event a second while many are appended as
quickly as it goes. What the subscriber's process, the server's, and PostgreSQL's sessions hold for themselves is measured
before and after; all appends are there long before the slow ones have seen them.
"""

from __future__ import annotations

from typing import Final

import pytest
from tests.faults.slowness import grown
from tests.guarantees.seeding import named
from tests.guarantees.telling import tell

pytestmark = [pytest.mark.guarantee("G19")]
MIB: Final = 1 << 20
MOST: Final = 32 * MIB


def stay(url: str, events: int, size: int) -> None:
    found = grown(url, events, size)
    figures = {f"{who}_mib": f"{size / MIB:.1f}" for who, size in found.items()}
    tell("G19", named(url), events=events, mib=events * size // MIB, **figures)
    assert max(found.values()) < MOST


def test_who_takes_an_event_a_second_costs_nothing(url: str) -> None:
    stay(url, 5_000, 12_000)


@pytest.mark.long
def test_who_takes_an_event_a_second_of_a_hundred_thousand_costs_nothing(url: str) -> None:
    stay(url, 100_000, 2_000)
