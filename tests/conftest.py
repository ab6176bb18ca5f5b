"""What every test may ask for."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.postgres.emptied import Emptied

from refold.testing.postgres import PostgresServer

pytest_plugins = ["refold.testing.pytest_plugin", "tests.guarantees.recording"]

HOUR = pytest.mark.timeout(3600)

settings.register_profile(
    "refold", settings.default, deadline=None
)  # how long an example takes is the machine's business
settings.load_profile("refold")


def pytest_configure() -> None:
    """Ctrl-C interrupts, even where a shell began all this in the background, and so had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long test has longer than the others before it is taken for one that hangs."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(HOUR)


@pytest.fixture(scope="module")
def emptied(postgres: PostgresServer) -> Iterator[Emptied]:
    """One database for all tests of a module, to be emptied after each."""
    found = Emptied(postgres)
    yield found
    found.drop()
