"""The two kinds of stores that have backups, and what is told of the others. Engines are imported when they are needed."""

# ruff: noqa: PLC0415

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast
from urllib.parse import parse_qsl

from refold.archive.threaded import stepped
from refold.backup.drafts import PRIVATE, absent, mode_of, placed, workshop
from refold.errors import MissingExtra, Refused, Unsupported, UsageError
from refold.flows.contents import Tell, Whole
from refold.keys.opening import apart
from refold.opening import KNOWN, open_blocking
from refold.secrecy import shown

if TYPE_CHECKING:
    from refold.backends.sqlite import Location

Members: TypeAlias = list[tuple[str, Path]]
"""What is to go into a backup: names there, and files."""


class Kind(Protocol):
    """A store that can be backed up, or a place that one can be restored to."""

    @property
    def name(self) -> Literal["sqlite", "postgresql"]:
        """Which of the two."""
        ...

    @property
    def format(self) -> int:
        """The newest format of such a store."""
        ...

    @property
    def member(self) -> str:
        """How the store is called in a backup."""
        ...

    @property
    def place(self) -> str:
        """The file, or the schema."""
        ...

    @property
    def mode(self) -> int:
        """Who may read and write the file; what is in no file is for its user alone."""
        ...

    def tenants(self) -> tuple[str, ...]:
        """Stores of tenants that a backup of this one does not hold."""
        ...

    def copied(self, folder: Path, tell: Tell) -> AbstractContextManager[tuple[Whole, Members]]:
        """The store at one moment: to be looked at, and as files in a folder."""
        ...

    def check_free(self, place: str) -> None:
        """See that nothing is where the store is to be restored. `place` is where it stood.

        Raises:
            Refused: something is. UsageError: its schema has another name.
        """
        ...

    def restored(self, take_out: Callable[[Path], None], look: Callable[[Whole], None]) -> None:
        """Bring the file of a backup there, which `take_out` writes; `look` raises if the store is not as it should be."""
        ...

    def opened(self, *, reads: bool) -> AbstractContextManager[Whole]:
        """The backend alone, closed at the end; with `reads`, for reading alone."""
        ...

    def scratch(self) -> AbstractContextManager[Kind]:
        """A place beside, where nothing is, gone at the end."""
        ...


def kind_of(url: str) -> Kind:
    """What a URL names.

    Raises:
        Unsupported: no backup can be made of this. UsageError, MissingExtra: as `open_blocking`.
    """
    url, _ = apart(url)  # keys are backed up apart, or they would come back with the backup
    scheme = url.partition("://")[0]
    if scheme in {"postgresql", "postgres"} and "models" not in dict(parse_qsl(url.partition("?")[2])):
        return _postgres(url)
    match scheme:
        case "sqlite":
            from refold.backends.sqlite import Location

            return SqliteFile(Location.parse(url))
        case "memory":
            raise Unsupported("a memory store ends with its program, so it has no backup: take sqlite:///FILE.")
        case "nats" | "postgresql" | "postgres":
            raise Unsupported(_ELSEWHERE)
        case _:
            raise UsageError(f"{shown(url)!r} is no store that this Refold can open: it knows {KNOWN}.")


_ELSEWHERE = (
    "events on JetStream, or apart from their read models (?models=), cannot be backed up at one moment with all that "
    "belongs to them. Copy the events: `refold copy --from URL --to sqlite:///copy.db`, which later takes in what is new, "
    "and `refold backup` that copy. Read models are built again from the events."
)


def _postgres(url: str) -> Kind:
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    del psycopg
    return PostgresDatabase(url)


class SqliteFile:
    """One file."""

    def __init__(self, location: Location) -> None:
        from refold.backends.sqlite.connection import FORMAT

        self._location, self.format, self.member = location, FORMAT, "database.sqlite"
        self.name: Literal["sqlite"] = "sqlite"
        self.place = self._location.path
        if self._location.in_memory:
            raise Unsupported("a store in memory ends with its program, so it has no backup: take sqlite:///FILE.")

    @property
    def mode(self) -> int:
        return mode_of(Path(self.place))

    def tenants(self) -> tuple[str, ...]:
        return tuple(sorted(str(file) for file in Path(f"{self.place}.tenants").glob("*.db")))

    @contextmanager
    def copied(self, folder: Path, tell: Tell) -> Generator[tuple[Whole, Members]]:
        from refold.backends.sqlite.online import copy_online

        copy = folder / self.member
        copy_online(self._location, str(copy), lambda done, total: tell("pages", done, total))
        with self._at(copy).opened(reads=True) as backend:
            yield backend, [(self.member, copy)]

    def check_free(self, place: str) -> None:
        target = Path(self.place)
        absent(target)
        for left in (
            f"{target}-wal",
            f"{target}-journal",
        ):  # SQLite would take what is in them for part of the new file
            if Path(left).exists():
                raise Refused(f"{left!r} is left of another store: choose another name, or move it away.")

    def restored(self, take_out: Callable[[Path], None], look: Callable[[Whole], None]) -> None:
        target = Path(self.place)
        with workshop(target) as folder:
            draft = folder / self.member
            take_out(draft)
            with self._at(draft).opened(
                reads=False
            ) as backend:  # for writing: an older format is brought to the newest
                look(backend)
            self.check_free("")
            placed(draft, target)

    def opened(self, *, reads: bool) -> AbstractContextManager[Whole]:
        from refold.backends.sqlite import SqliteBackend

        return _closed(SqliteBackend(replace(self._location, mode="ro") if reads else self._location))

    @contextmanager
    def scratch(self) -> Generator[Kind]:
        with tempfile.TemporaryDirectory(prefix="refold-drill-") as folder:
            yield self._at(Path(folder) / self.member)

    def _at(self, path: Path) -> SqliteFile:
        """Another file; its path may have anything in it, which a URL may not."""
        from refold.backends.sqlite import Location

        return SqliteFile(Location(str(path)))


class PostgresDatabase:
    """A whole database: read models stand where the application wants them, and belong to the store as its events do."""

    def __init__(self, url: str) -> None:
        from refold.backends.postgres import PostgresLocation
        from refold.backends.postgres.schema import FORMAT

        self._url, self._location, self.format = url, PostgresLocation.parse(url), FORMAT
        self.name: Literal["postgresql"] = "postgresql"
        self.member, self.mode = "database.dump", PRIVATE
        self.place = self._location.schema

    def tenants(self) -> tuple[str, ...]:
        return ()  # their schemas are in the same database, and so in the backup

    @contextmanager
    def copied(self, folder: Path, tell: Tell) -> Generator[tuple[Whole, Members]]:
        from refold.backends.postgres.dumping import moment

        with moment(self._url) as now:
            now.dump(self._location, folder / self.member)
            yield cast("Whole", now.backend), [(self.member, folder / self.member)]

    def check_free(self, place: str) -> None:
        from refold.backends.postgres.dumping import check_empty

        if self.place != place:
            raise UsageError(
                f"the backup is of schema {place!r}, and the URL names {self.place!r}: write ?schema={place}."
            )
        check_empty(self._location)

    def restored(self, take_out: Callable[[Path], None], look: Callable[[Whole], None]) -> None:
        from refold.backends.postgres.dumping import load

        with tempfile.TemporaryDirectory(prefix="refold-restore-") as folder:
            dump = Path(folder) / self.member
            take_out(dump)
            load(self._location, dump)
        with self.opened(reads=False) as backend:
            look(backend)

    def opened(self, *, reads: bool) -> AbstractContextManager[Whole]:
        url = f"{self._url}{'&' if '?' in self._url else '?'}mode=ro" if reads else self._url
        return _closed(cast("Whole", open_blocking(url)))

    @contextmanager
    def scratch(self) -> Generator[Kind]:
        from refold.backends.postgres.dumping import scratch_database

        with scratch_database(self._url) as url:
            yield PostgresDatabase(url)


def backend_at(url: str, *, reads: bool = False) -> AbstractContextManager[Whole]:
    """The backend alone, closed at the end."""
    return kind_of(url).opened(reads=reads)


@contextmanager
def _closed(backend: Whole) -> Generator[Whole]:
    try:
        yield backend
    finally:
        stepped(backend.close())


def same_kind(kind: Kind, name: str, place: str) -> None:
    """See that a backup of one kind is restored to that kind.

    Raises:
        UsageError: it is not.
    """
    if kind.name != name:
        raise UsageError(
            f"the backup is of a {name} store, and the URL is of a {kind.name} one: restore it to the same, then "
            f"`refold copy` the events. It was made of {place!r}."
        )


def named(places: Sequence[str]) -> str:
    """Some of them, for people."""
    return ", ".join(places[:3]) + (f" and {len(places) - 3:,} more" if len(places) > 3 else "")  # noqa: PLR2004
