"""From a URL to a backend of the colour that is wanted. Engines and drivers are imported here, when they are needed."""

# ruff: noqa: PLC0415

from __future__ import annotations

from refold.errors import MissingExtra, UsageError
from refold.ports import Backend, Grouping

KNOWN = "sqlite:///FILE, sqlite:///:memory:, postgresql://HOST/DATABASE and memory://"


def open_blocking(url: str) -> Grouping | Backend:
    """The backend that a URL names, for blocking code: its methods never suspend.

    Raises:
        UsageError: no backend has this scheme.
        MissingExtra: its driver is not installed.
        StoreError: the store cannot be opened; nothing was changed.
    """
    match url.partition("://")[0] if "://" in url else "":
        case "memory":
            from refold.backends.memory import MemoryBackend

            return MemoryBackend()
        case "sqlite":
            from refold.backends.sqlite import Location, SqliteBackend

            return SqliteBackend(Location.parse(url))
        case "postgresql" | "postgres":
            return _postgres_blocking(url)
        case _:
            raise UsageError(f"{url!r} is no store that this Refold can open: it knows {KNOWN}.")


async def open_awaiting(url: str) -> Grouping | Backend:
    """The backend that a URL names, for code that awaits. A `Grouping` one is still blocking, and needs a thread.

    Raises:
        UsageError, MissingExtra, StoreError: as `open_blocking`.
    """
    if url.startswith(("postgresql://", "postgres://")):
        return await _postgres_awaiting(url)
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, open_blocking, url)


def _postgres_blocking(url: str) -> Backend:
    try:
        from refold.backends.postgres import opened_blocking
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    return opened_blocking(url)


async def _postgres_awaiting(url: str) -> Backend:
    try:
        from refold.backends.postgres import opened_awaiting
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    return await opened_awaiting(url)
