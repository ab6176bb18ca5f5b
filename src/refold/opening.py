"""From a URL to an engine: which backend a store lives in."""

from __future__ import annotations

from refold.backends.memory import MemoryBackend
from refold.errors import UsageError
from refold.ports import Grouping

KNOWN = "sqlite:///FILE, sqlite:///:memory: and memory://"


def open_backend(url: str) -> Grouping:
    """The backend that a URL names.

    Raises:
        UsageError: no backend has this scheme.
        StoreError: the store cannot be opened; nothing was changed.
    """
    scheme, colon, _ = url.partition("://")
    match scheme:
        case "memory" if colon:
            return MemoryBackend()
        case "sqlite" if colon:
            from refold.backends.sqlite import Location, SqliteBackend  # noqa: PLC0415 - apsw is loaded when it is needed

            return SqliteBackend(Location.parse(url))
        case _:
            raise UsageError(f"{url!r} is no store that this Refold can open: it knows {KNOWN}.")
