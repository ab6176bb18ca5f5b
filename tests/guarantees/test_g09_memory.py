"""G9: reads take constant memory.

Each reader is a process of its own: it reads a part, so that all is loaded and its caches are full, then the whole history,
which is larger than what it may grow by at its peak. One that keeps what it has read must be found.
"""

from __future__ import annotations

from typing import Final

import pytest
from tests.faults.remembering import fill, grown
from tests.guarantees.conftest import NewUrl
from tests.guarantees.seeding import named
from tests.guarantees.telling import tell

pytestmark = [pytest.mark.guarantee("G9")]

MIB: Final = 1 << 20
MOST: Final = 20 * MIB
READERS: Final = {
    "sqlite": ("sync", "backward", "awaiting", "http", "export", "rebuild"),
    "postgresql": ("sync", "awaiting", "http", "export", "rebuild"),
    "plain-jetstream": ("sync", "awaiting"),
}


def stay(url: str, readers: tuple[str, ...], events: int, size: int) -> None:
    """Each of these readers grows by less than that."""
    few = fill(url, events, size)
    found = {reader: grown(reader, url, events, few) for reader in readers}
    figures = {f"{reader}_mib": f"{size / MIB:.1f}" for reader, size in found.items()}
    tell("G9", named(url), events=events, mib=events * size // MIB, **figures)
    assert {reader: size for reader, size in found.items() if size >= MOST} == {}


@pytest.mark.parametrize("new_url", READERS, indirect=True)
def test_a_history_that_is_read_takes_no_more_memory_than_a_page_of_it(
    request: pytest.FixtureRequest, new_url: NewUrl
) -> None:
    stay(new_url(), READERS[request.node.callspec.params["new_url"]], 10_000, 4_000)


@pytest.mark.long
@pytest.mark.parametrize("new_url", READERS, indirect=True)
def test_a_history_of_a_million_events_takes_no_more_memory_than_a_page_of_it(
    request: pytest.FixtureRequest, new_url: NewUrl
) -> None:
    stay(new_url(), READERS[request.node.callspec.params["new_url"]], 1_000_000, 100)


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
def test_who_keeps_what_was_read_is_found(new_url: NewUrl) -> None:
    url = new_url()
    few = fill(url, 10_000, 4_000)
    assert grown("hoarding", url, 10_000, few) > MOST
