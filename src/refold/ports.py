"""All that a backend must do. Bytes in, bytes out; `async` is the spelling that has no colour.

A blocking backend's methods never suspend, so a plain call can run them to their end; see `refold._bridge`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from msgspec import Struct

from refold.columns import SqlValue
from refold.projection import ForTarget, Statement
from refold.query import AppendCondition, Expected, ExpectedVersion, Query
from refold.rows import NewRow, Payload, Row

T = TypeVar("T")

Durability: TypeAlias = Literal["disk", "quorum-disk", "quorum-memory", "best-effort"]
"""What an acknowledged append survives: a power cut here, one of a minority of nodes, a crash of some, or nothing sure."""

PAGE = 1_000
"""How many rows one read gives at most."""


class Write(Struct, frozen=True):
    """Events for one stream, and what the writer expects of it."""

    stream: str
    rows: tuple[NewRow, ...]
    expected: ExpectedVersion = Expected.ANY


class StreamCheck(Struct, frozen=True):
    """An expectation of a stream that is not written."""

    stream: str
    expected: ExpectedVersion


Check: TypeAlias = StreamCheck | AppendCondition


class Request(Struct, frozen=True):
    """An idempotency key, what it is used for (so that a repeat can be told from a mistake), and on which stream.

    `asked_before`: what the same was called once, where that differs.
    """

    key: str
    asked: str
    stream: str
    asked_before: str | None = None


class Append(Struct, frozen=True):
    """One atomic change: every write and check holds, or nothing is written.

    With a `request`, no writes are legal: that a command changed nothing is an outcome to remember, too.
    `now` is when it happens, in microseconds; the backend records that, or the time of the newest event if later.
    `same`: whether data of other bytes than those that stand under its id are of an equal event.
    """

    writes: tuple[Write, ...]
    now: int
    checks: tuple[Check, ...] = ()
    request: Request | None = None
    same: Callable[[NewRow, Row], bool] | None = None


class Outcome(Struct, frozen=True):
    """What a request led to, as remembered under its key: the stream's version, and its events' positions, 0 if none."""

    asked: str
    stream: str
    version: int
    first_position: int
    last_position: int


class Appended(Struct, frozen=True):
    """Everything was written, now or, if `repeated`, the first time that it was asked for.

    `positions` are in the order of the events given; `versions` are those the streams were brought to, one a write.
    """

    positions: tuple[int, ...]
    versions: tuple[int, ...]
    repeated: bool = False


class StreamMoved(Struct, frozen=True):
    """A stream was not as expected. `tail` holds its events after the expected version: all, if `complete`."""

    stream: str
    expected: ExpectedVersion
    actual: int
    tail: tuple[Payload, ...] = ()
    complete: bool = False

    def __str__(self) -> str:
        wanted = f"not {self.expected}" if isinstance(self.expected, int) else f"expected was {self.expected.name}"
        return f"stream {self.stream!r} is at version {self.actual}, {wanted}: another writer appended first"


class QueryMatched(Struct, frozen=True):
    """An event that should not be there matches a query, at position `actual`, the last such."""

    condition: AppendCondition
    actual: int

    def __str__(self) -> str:
        return (
            f"an event that matches [{self.condition.query}] stands at position {self.actual}, after {self.condition.after}: "
            "another writer appended first"
        )


Failure: TypeAlias = StreamMoved | QueryMatched


class Conflicted(Struct, frozen=True):
    """Nothing was written. Every check that failed, with the actual values."""

    failures: tuple[Failure, ...]


class AlreadyAsked(Struct, frozen=True):
    """Nothing was written: the request's key is known, with this outcome."""

    outcome: Outcome


AppendResult: TypeAlias = Appended | Conflicted | AlreadyAsked


class InStream(Struct, frozen=True):
    """The events of one stream, in the order of versions."""

    stream: str


class InCategory(Struct, frozen=True):
    """The events of all streams of a category."""

    category: str


class Matching(Struct, frozen=True):
    """The events that match a query; `Query.all()` is the whole store."""

    query: Query


class InStory(Struct, frozen=True):
    """The events of one correlation id."""

    correlation_id: str


Source: TypeAlias = InStream | InCategory | Matching | InStory
EVERYTHING = Matching(Query.all())


class Selection(Struct, frozen=True):
    """One page to read: rows of `source` strictly beyond `after`, up to `limit`, oldest first or `backward`.

    `after` is a version for a stream and a position for anything else; backward, rows before it are read, and `None`
    is the end. `recorded_from`, `recorded_until` (microseconds) and `position_until` are inclusive.
    """

    source: Source = EVERYTHING
    after: int | None = None
    backward: bool = False
    limit: int = PAGE
    recorded_from: int | None = None
    recorded_until: int | None = None
    position_until: int | None = None


class StreamInfo(Struct, frozen=True):
    """One stream in a list of them. Times are UTC."""

    stream: str
    version: int
    last_position: int
    first_recorded_at: datetime
    last_recorded_at: datetime


class Stats(Struct, frozen=True):
    """How much the store holds. Times are UTC, `None` when it is empty; `bytes` is what it takes of the disk."""

    events: int
    streams: int
    types: Mapping[str, int]
    categories: Mapping[str, int]
    head: int
    first_recorded_at: datetime | None
    last_recorded_at: datetime | None
    bytes: int


class Damage(Struct, frozen=True):
    """One thing that is wrong with a store: where, what, in a sentence."""

    position: int | None
    problem: str


NO_TIME = "its valid_at is no time of the years 1 to 9999"
"""The problem of an event that cannot be read for it."""


class Own(Struct, frozen=True):
    """SQL on Refold's own tables about read models, the same for every SQL database.

    `{refold}` stands before a table's name, `{now}` for the database's time in microseconds; where it has none that can
    be relied on, that is the parameter `now`. With `must`, a statement that gives no row undoes the transaction.
    """

    text: str
    params: Mapping[str, SqlValue]
    must: bool = False


class Unclaimed(Exception):
    """A statement that had to give a row gave none: nothing of its transaction was done."""


Rows: TypeAlias = Sequence[tuple[SqlValue, ...]]


class Capabilities(Struct, frozen=True):
    """What a backend gives. Asking for what it cannot give is `Unsupported`, never a silent weakening.

    `inside`: handlers of projections run inside its transaction, always, since they use it through an ORM. `gapless`:
    positions of events follow each other without holes; where they do not, they still rise. `together`: events are appended
    in the transaction of the SQL beside them, so that read models can be kept inline.
    """

    name: str
    durability: Durability
    sql: bool
    inside: bool = False
    gapless: bool = True
    together: bool = True


Within: TypeAlias = "Callable[[Backend], Coroutine[Any, Any, T]]"


class Backend(Protocol):
    """A store of events. Raises only errors of the `StoreError` family, `OutcomeUnknown`, `IdReused` and `KeyReused`."""

    @property
    def capabilities(self) -> Capabilities:
        """What this backend gives."""
        ...

    async def append(self, append: Append) -> AppendResult:
        """Write everything or nothing.

        A repeated append (the same ids, the same content, in the same streams) gives the first positions. The order
        of judgement: request key, ids, then expectations and conditions, all of them.
        """
        ...

    async def read(self, selection: Selection) -> Sequence[Row]:
        """One page of events."""
        ...

    async def payloads(self, stream: str, after: int, until: int | None) -> Sequence[Payload]:
        """Up to `PAGE` events of a stream after a version, up to and with version `until`, oldest first."""
        ...

    async def find(self, ids: Sequence[bytes]) -> Sequence[Row]:
        """The events with these ids, by position; ids that are not there are left out."""
        ...

    async def head(self) -> int:
        """The last position; 0 if empty."""
        ...

    async def version(self, stream: str) -> int:
        """The version of a stream; 0 if it is empty."""
        ...

    async def request(self, key: str) -> Outcome | None:
        """What was remembered under an idempotency key."""
        ...

    async def streams(self, after: str, prefix: str, limit: int) -> Sequence[StreamInfo]:
        """Up to `limit` streams in the order of their names, after a name, whose names begin with `prefix`."""
        ...

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """Run statements in one transaction, and give the rows of each; ours may touch our tables, the others theirs.

        Neighbours with the same text may be run as one, and then give no rows.

        Raises:
            Unclaimed: a step gave no row, but had to.
            UsageError: a statement of the application's cannot be run.
        """
        ...

    async def within(self, flow: Within[T]) -> T:
        """Run a flow whole in one transaction, which is undone if it raises."""
        ...

    async def query(self, statement: Own | Statement) -> Rows:
        """Read from the database that the store lives in; writing is refused."""
        ...

    async def stats(self) -> Stats:
        """How much there is."""
        ...

    async def verify(self, after: int, limit: int) -> Sequence[Damage]:
        """What is wrong with the next `limit` positions after one; at 0 also with the file as a whole."""
        ...

    async def tenant(self, name: str) -> Backend:
        """The store of one tenant, made if it is new: streams, positions and read models of its own."""
        ...

    async def close(self) -> None:
        """Let go of files and sockets. Closing twice is fine."""
        ...


class Pace(Protocol):
    """Time that passes: what waiting needs, and nothing else may know of."""

    def now(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait so long."""
        ...


@runtime_checkable
class Target(Protocol):
    """A database that only read models live in, reached through what the application uses for it: an ORM.

    It raises what a `Backend` does.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it gives; `name` is that of the database."""
        ...

    @property
    def awaits(self) -> bool:
        """Whether its calls suspend, so that blocking code cannot use it."""
        ...

    async def work(self, steps: Sequence[Own | Statement]) -> Sequence[Rows]:
        """As `Backend.work`."""
        ...

    async def within(self, flow: Within[T]) -> T:
        """As `Backend.within`; the flow is given something that has only `capabilities`, `work`, `within` and `query`."""
        ...

    async def query(self, statement: Own | Statement) -> Rows:
        """As `Backend.query`."""
        ...


@runtime_checkable
class Performing(Protocol):
    """What the flow of `within` is given by a target that can do more than SQL."""

    async def perform(self, effect: ForTarget) -> object:
        """Do what a handler yielded that only the target knows how to do, and give what comes of it.

        Raises:
            Whatever it raises there: the handler is then said to have failed.
        """
        ...


@runtime_checkable
class Waking(Backend, Protocol):
    """A backend that knows by itself when something was appended, by whatever process."""

    async def wait(self, after: int, seconds: float) -> int:
        """The head, as soon as it is above `after`, or else when the seconds are over."""
        ...


@runtime_checkable
class Batching(Backend, Protocol):
    """A backend that has no transaction around several appends, but takes many at once, each recorded at its own `now`."""

    async def append_in_turn(self, appends: Sequence[Append], head: int) -> int | None:
        """Write them one after another, each whole, if `head` is the head and nothing comes between; the head after them.

        Their expectations, checks and requests are not looked at. `None`: the head is or has become another one, and
        what was written until then stays.

        Raises:
            IdReused: an event of one of them stands there already; those before it may have been written.
        """
        ...


@runtime_checkable
class Apart(Backend, Protocol):
    """A backend whose events stand elsewhere than what is SQL."""

    @property
    def events(self) -> Backend:
        """The one that they stand in."""
        ...


@runtime_checkable
class Joining(Backend, Protocol):
    """A backend that can work inside a transaction of the application's."""

    def joined(self, connection: object) -> Backend:
        """The same store on a connection of the application's, which commits or rolls back itself.

        Raises:
            UsageError: it is no connection of this backend's database driver.
        """
        ...


@runtime_checkable
class Grouping(Backend, Protocol):
    """A blocking backend that can run many flows in one transaction, one after another, each with a part of its own."""

    handed: dict[object, Any] | None
    """What flows of the open transaction hand on to those after them; gone with it, and whenever one of them is undone."""

    def begin(self) -> None:
        """Open the transaction and take the write lock, as `StoreBusy` says when it cannot be had."""
        ...

    def commit(self) -> None:
        """Make it durable. Raises `OutcomeUnknown`, or a `StoreError` if certainly nothing was written."""
        ...

    def roll_back(self) -> None:
        """Undo it all; nothing to undo is fine."""
        ...

    def mark(self) -> object:
        """Something that is another one after whatever the open transaction has changed."""
        ...

    def attempt(self) -> AbstractContextManager[None]:
        """A part of the group that is undone alone when it raises."""
        ...

    def reader(self) -> Backend | None:
        """Another connection that reads beside the writer, or `None` where there can be only one."""
        ...
