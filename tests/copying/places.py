"""Empty stores of every backend, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.contract.test_nats import placed

from refold import Clock, RawEvent, Store

BACKENDS: Final = ("memory", "sqlite", "postgresql")
WAYS: Final = (
    *((old, new) for old in BACKENDS for new in BACKENDS),
    *(("sqlite", new) for new in ("nats", "nats with sqlite", "postgresql with sqlite")),
    *(("postgresql", "nats"), ("nats", "nats"), ("nats", "postgresql"), ("nats with sqlite", "sqlite")),
)
"""From where to where copies go."""


class Places:
    """Opens empty stores."""

    def __init__(self, directory: Path, new_database: Callable[[], str], nats: str) -> None:
        self._directory, self._new_database, self._nats = directory, new_database, nats
        self._numbers = count(1)
        self._opened = ExitStack()

    def url(self, backend: str) -> str:
        """A place where nothing is yet."""
        match backend:
            case "memory":
                return "memory://"
            case "sqlite":
                return f"sqlite:///{self._directory}/{next(self._numbers)}.db?durability=best-effort"
            case "nats":
                new = contextmanager(placed)(self._nats.removeprefix("nats://"))
                return self._opened.enter_context(new).url
            case "postgresql":
                return self._new_database()
            case _:
                events, _, models = backend.partition(" with ")
                place = self.url(events)
                return f"{place}{'&' if '?' in place else '?'}models={quote(self.url(models))}"

    def open(self, backend: str, clock: Clock | None = None) -> Store:
        """An empty store."""
        return self._opened.enter_context(Store.open(self.url(backend), events=[RawEvent], clock=clock))

    def close(self) -> None:
        """Close all, and take away what would be left at a server."""
        self._opened.close()


def held(store: Store) -> Sequence[tuple[Any, ...]]:
    """All that a store holds but positions, in their order."""
    return [
        (str(e.stream), e.version, e.type, e.schema_version, e.data, e.id, e.recorded_at, e.tags, e.metadata)
        for e in store.read()
    ]
