"""Empty stores of every backend, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Final

from refold import Clock, RawEvent, Store

BACKENDS: Final = ("memory", "sqlite", "postgresql")


class Places:
    """Opens empty stores."""

    def __init__(self, directory: Path, new_database: Callable[[], str]) -> None:
        self._directory, self._new_database = directory, new_database
        self._numbers = count(1)
        self._opened = ExitStack()

    def url(self, backend: str) -> str:
        """A place where nothing is yet."""
        match backend:
            case "memory":
                return "memory://"
            case "sqlite":
                return f"sqlite:///{self._directory}/{next(self._numbers)}.db?durability=best-effort"
            case _:
                return self._new_database()

    def open(self, backend: str, clock: Clock | None = None) -> Store:
        """An empty store."""
        return self._opened.enter_context(Store.open(self.url(backend), events=[RawEvent], clock=clock))

    def close(self) -> None:
        """Close all."""
        self._opened.close()


def held(store: Store) -> Sequence[tuple[Any, ...]]:
    """All that a store holds but positions, in their order."""
    return [
        (str(e.stream), e.version, e.type, e.schema_version, e.data, e.id, e.recorded_at, e.tags, e.metadata)
        for e in store.read()
    ]
