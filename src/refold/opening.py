"""From a URL to a backend of the colour that is wanted. Engines and drivers are imported here, when they are needed."""

# ruff: noqa: PLC0415

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urlsplit

from refold.archives import Archives, OpenArchive
from refold.errors import MissingExtra, Unsupported, UsageError
from refold.keys.opening import apart, sealing_at
from refold.migration import Migration
from refold.personal import Sealing
from refold.ports import Backend, Grouping, Waking
from refold.secrecy import shown

KNOWN = "sqlite:///FILE, sqlite:///:memory:, postgresql://HOST/DATABASE, nats://HOST[,HOST...]/NAME and memory://"


def sealing_of(url: str) -> Sealing:
    """Who seals the personal data of the store at a URL, by the keys that its setting `keys` names.

    Raises:
        UsageError, MissingExtra, StoreError: as `sealing_at`.
    """
    return sealing_at(apart(url)[1])


async def sealing_of_awaited(url: str) -> Sealing:
    """The same, for code that awaits: the file is opened, or the server called, in a thread."""
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, sealing_of, url)


def open_blocking(url: str, archive: str | None = None) -> Grouping | Backend:
    """The backend that a URL names, for blocking code: its methods never suspend. `archive`: the directory of its archive.

    Raises:
        UsageError: no backend has this scheme.
        Unsupported: this one has no archive.
        MissingExtra: its driver is not installed.
        StoreError: the store cannot be opened; nothing was changed.
    """
    url, _ = apart(url)
    match url.partition("://")[0] if "://" in url else "":
        case "memory":
            from refold.backends.memory import MemoryBackend

            if archive is not None:
                raise Unsupported("the memory backend has no archive: open 'sqlite:///:memory:' instead.")
            return MemoryBackend()
        case "sqlite":
            from refold.backends.sqlite import Location, SqliteBackend

            return SqliteBackend(Location.parse(url), _archives(archive))
        case "postgresql" | "postgres" | "nats":
            return _served_blocking(url, archive)
        case _:
            raise UsageError(
                f"{shown(url).partition('?')[0]!r} is no store that this Refold can open: it knows {KNOWN}."
            )


def _archives(place: str | None, *, awaits: bool = False) -> Archives | None:
    if place is None:
        return None
    from refold.archive.files import Files
    from refold.archive.threaded import Threaded

    return OpenArchive(Threaded(Files(place)) if awaits else Files(place))


async def open_awaiting(url: str, archive: str | None = None) -> Grouping | Backend:
    """The backend that a URL names, for code that awaits. A `Grouping` one is still blocking, and needs a thread.

    Raises:
        UsageError, MissingExtra, StoreError: as `open_blocking`.
    """
    url, _ = apart(url)
    if url.startswith(("postgresql://", "postgres://", "nats://")):
        return await _served_awaiting(url, archive)
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, open_blocking, url, archive)


def migration(url: str) -> Migration:
    """What it takes to bring the store at a URL to the format of this Refold. Nothing is changed.

    To migrate it, open it for writing.

    Raises:
        UsageError, MissingExtra, StoreError: as `open_blocking`. NewerFormat: the store is ahead of this Refold.
    """
    url, _ = apart(url)
    match url.partition("://")[0] if "://" in url else "":
        case "sqlite":
            from refold.backends.sqlite import Location, migration_of

            return migration_of(Location.parse(url))
        case "postgresql" | "postgres":
            return _postgres_migration(url)
        case _:
            raise UsageError(f"{shown(url)!r} has no format to migrate: SQLite and PostgreSQL have.")


def _postgres_migration(url: str) -> Migration:
    try:
        from refold.backends.postgres import migration_of
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    return migration_of(url)


def _postgres_blocking(url: str, archives: Archives | None) -> Backend:
    try:
        from refold.backends.postgres import opened_blocking
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    return opened_blocking(url, archives)


async def _postgres_awaiting(url: str, archives: Archives | None) -> Backend:
    try:
        from refold.backends.postgres import opened_awaiting
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    return await opened_awaiting(url, archives)


def _nats_blocking(url: str, archive: str | None) -> Backend:
    try:
        from refold.backends.nats import opened_blocking
    except ImportError as error:
        raise MissingExtra("nats-py", "nats") from error
    if archive is not None:
        raise _no_archive_on_nats()
    return opened_blocking(url)


async def _nats_awaiting(url: str, archive: str | None) -> Backend:
    try:
        from refold.backends.nats import opened_awaiting
    except ImportError as error:
        raise MissingExtra("nats-py", "nats") from error
    if archive is not None:
        raise _no_archive_on_nats()
    return await opened_awaiting(url)


def _apart(url: str) -> tuple[str, str | None]:
    """The URL of the events, and that of the database which their read models are in, if they are in one."""
    base, _, query = url.partition("?")
    settings = parse_qsl(query, keep_blank_values=True)
    models = dict(settings).get("models")
    if models is None:
        return url, None
    rest = urlencode([(name, value) for name, value in settings if name != "models"])
    return f"{base}?{rest}" if rest else base, models


def _served_blocking(url: str, archive: str | None) -> Backend:
    """A store that a server serves, with its read models elsewhere if the URL says so."""
    url, models = _apart(url)
    if models is None:
        return _events_blocking(url, archive)
    from refold.backends.paired import Paired

    events = _events_blocking(url, archive)
    try:
        return Paired(_waking(events), open_blocking(models), events, _place(url))
    except BaseException:
        with suppress(StopIteration):
            events.close().send(None)  # to its end: it never suspends
        raise


def _events_blocking(url: str, archive: str | None) -> Backend:
    return _nats_blocking(url, archive) if url.startswith("nats:") else _postgres_blocking(url, _archives(archive))


async def _served_awaiting(url: str, archive: str | None) -> Backend:
    """The same. Where the database is served by a thread, what runs in its transactions has a connection of its own."""
    url, models = _apart(url)
    if models is None:
        return await _events_awaiting(url, archive)
    import asyncio

    from refold.backends.paired import Paired

    events = near = await _events_awaiting(url, archive)
    try:
        database = await open_awaiting(models)
        if isinstance(database, Grouping):
            near = await asyncio.get_running_loop().run_in_executor(None, _events_blocking, url, archive)
    except BaseException:
        await events.close()
        raise
    return Paired(_waking(events), database, near, _place(url))


async def _events_awaiting(url: str, archive: str | None) -> Backend:
    if url.startswith("nats:"):
        return await _nats_awaiting(url, archive)
    return await _postgres_awaiting(url, _archives(archive, awaits=True))


def _waking(events: Backend) -> Waking:
    assert isinstance(events, Waking)  # noqa: S101 - what a server serves is
    return events


def _place(url: str) -> str:
    """The events, as their database remembers them: by the store's name, since servers come and go."""
    parts = urlsplit(url)
    name = parts.path.removeprefix("/")
    if parts.scheme == "nats":
        return f"nats {name}"
    return f"postgresql {name}, schema {dict(parse_qsl(parts.query)).get('schema', 'refold')}"


def _no_archive_on_nats() -> Unsupported:
    return Unsupported("the nats backend has no archive: what stands in JetStream stays there.")
