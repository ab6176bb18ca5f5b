"""Where a run happens: an empty store each time, on SQLite, or on servers that wait for the disk.

What the run before left is removed, so that a long benchmark does not fill the disk.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

from refold.testing.nats import nats_cluster, nats_server
from refold.testing.postgres import postgres_server

Places: TypeAlias = Callable[[], AbstractContextManager[Callable[[], str]]]
"""Opens a kind of place; what it gives makes a new URL at each call, and the one before is gone then."""


@contextmanager
def sqlite_places() -> Generator[Callable[[], str]]:
    """A new file each time."""
    numbers = itertools.count()
    with tempfile.TemporaryDirectory(prefix="refold-bench-") as place:

        def new() -> str:
            for path in Path(place).glob("*"):
                path.unlink()
            return f"sqlite:///{place}/{next(numbers)}.db"

        yield new


@contextmanager
def postgres_places() -> Generator[Callable[[], str]]:
    """A new database each time, on a server that waits for the disk."""
    with postgres_server(durable=True) as server:
        made = list[str]()

        def new() -> str:
            while made:
                server.drop(made.pop())
            made.append(server.new_database())
            return made[-1]

        yield new


@contextmanager
def jetstream_places() -> Generator[Callable[[], str]]:
    """A new stream each time, on a server that waits for the disk."""
    with nats_server(durable=True) as server:
        yield _streams(f"{server}/bench", 1)


@contextmanager
def replicated_places() -> Generator[Callable[[], str]]:
    """The same on three servers, all of them here."""
    with nats_cluster(durable=True) as nodes:
        yield _streams(f"nats://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}/bench", 3)


def _streams(store: str, replicas: int) -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"{store}{next(numbers)}?replicas={replicas}&sync=always"
