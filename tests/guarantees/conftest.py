"""Empty stores of each backend, for promises that are put to the proof on all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.copying.places import Places

from refold.testing.postgres import PostgresServer

NewUrl: TypeAlias = Callable[[], str]
KINDS = {"jetstream": "nats with sqlite", "plain-jetstream": "nats"}
"""What a place is called there: JetStream has no read models of its own."""


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewUrl]:
    """Gives the URL of an empty store, each time another one."""
    with ExitStack() as left:

        def new_database() -> str:
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.new_database()
            left.callback(server.drop, url)
            return url

        places = Places(tmp_path, new_database, request.getfixturevalue("nats") if request.param in KINDS else "")
        left.callback(places.close)
        kind = KINDS.get(request.param, str(request.param))
        yield lambda: places.url(kind)


@pytest.fixture
def url(new_url: NewUrl) -> str:
    """An empty store."""
    return new_url()
