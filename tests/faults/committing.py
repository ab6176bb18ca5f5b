"""A store in which transactions take time, simulated: writers, commits and every look of a subscriber are in an order by seed.

What subscribers run is Refold's own: `refold.flows.follow`. The store is its reference, whose appends become visible when
their transaction commits. It makes writers queue from the taking of positions to the commit, as PostgreSQL does by its lock
and SQLite by its one writer; without that queue it is the store of one who trusts positions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from hashlib import blake2b
from random import Random
from types import coroutine
from typing import Any, Final, TypeVar

from msgspec import Struct

from refold.backends.memory import MemoryBackend
from refold.clock import SystemClock
from refold.codec import Codec
from refold.flows.follow import Follower
from refold.flows.prepare import Runtime
from refold.messages import RawEvent
from refold.ports import EVERYTHING, Backend, InCategory, Matching, Selection, Source
from refold.query import Query
from refold.rows import Row

T = TypeVar("T")

TYPES: Final = "XYZ"
SLOW: Final = 0.9
"""Of ten turns, so many pass without a writer's doing anything: transactions take longer than looks."""
SOURCES: Final[Sequence[Source]] = (
    EVERYTHING,
    EVERYTHING,
    InCategory("a"),
    Matching(Query.of(types=["X"]) | Query.of(types=["Y"])),
    Matching(Query.of(types=["X"]) | Query.of(types=["Y"])),
)
"""What the subscribers of a world follow."""
_RUNTIME: Final = Runtime(Codec([RawEvent]), SystemClock())


@coroutine
def _pause() -> Generator[None]:
    """Let others go on."""
    yield


class Committing(MemoryBackend):
    """The reference, with transactions. `queues`: who takes positions waits until the one before has ended."""

    def __init__(self, *, queues: bool) -> None:
        super().__init__()
        self._queues = queues
        self._open: dict[int, list[Row]] = {}
        self._taken = 0

    def begin_append(self, writer: int, types: str, stream: str) -> bool:
        """Take the next positions, if that need not wait."""
        if self._queues and self._open:
            return False
        if self._queues:
            self._taken = self._last  # what was rolled back is given again; a sequence would not do that
        self._open[writer] = [_row(self._taken + n, stream, type) for n, type in enumerate(types, 1)]
        self._taken += len(types)
        return True

    @property
    def _last(self) -> int:
        return self._all[-1].position if self._all else 0

    def end_append(self, writer: int, *, commits: bool) -> None:
        """From now on it is there, or it has never been."""
        rows = self._open.pop(writer)
        if commits:
            self._rows = sorted([*self._all, *rows])

    def is_writing(self, writer: int) -> bool:
        """Whether its transaction is open."""
        return writer in self._open

    async def head(self) -> int:
        return self._last


def _row(position: int, stream: str, type: str) -> Row:
    return Row(position, stream, 1, position.to_bytes(16), type, 1, b"{}", "[]", 0, None, "s", None, None, b"{}")


class Subscriber:
    """Follows the store, and is now and then replaced by another that goes on behind the cursor it was given."""

    def __init__(self, world: World, source: Source, random: Random) -> None:
        self.source, self.seen = source, list[int]()
        self._world, self._random = world, random

    async def run(self) -> None:
        """To the end of the world."""
        cursor = 0
        while not (self._world.is_over and cursor >= await self._world.backend.head()):
            cursor = await self._follow(cursor)

    async def _follow(self, cursor: int) -> int:
        follower = Follower(_RUNTIME, Selection(self.source, after=cursor), from_end=False, idle=0.0)
        engine = _Engine(self._world)
        while self._random.random() > 0.02:
            if (event := follower.taken()) is not None:
                self.seen.append(int(event.position))
            elif not await follower.more(engine):
                break
        return follower.position

    @property
    def digest(self) -> str:
        """Of all that it saw, in its order."""
        return digest(self.seen)


class _Engine:
    """Runs flows, and lets others go on before and after each."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return 0.0

    async def wait(self, after: int, seconds: float, /) -> int:
        await _pause()
        head = await self._world.backend.head()
        await _pause()
        return head

    async def outside(self, flow: Callable[[Backend], Coroutine[Any, Any, T]], /) -> T:
        await _pause()
        found = await flow(self._world.backend)
        await _pause()
        return found


class Seen(Struct, frozen=True):
    """What came of a world. `digests`: by what was followed, of each subscriber, and last of the log itself."""

    events: int
    skipped: int
    doubled: int
    digests: Sequence[tuple[str, ...]]

    @property
    def is_one_order(self) -> bool:
        """Whether all who followed the same saw the same, which is what the log holds."""
        return (self.skipped, self.doubled) == (0, 0) and all(len(set(each)) == 1 for each in self.digests)


class World:
    """Three writers, so many transactions, and subscribers."""

    def __init__(self, seed: int, *, queues: bool, transactions: int = 24) -> None:
        self.backend = Committing(queues=queues)
        self.random = Random(seed)  # noqa: S311 - the same for a seed
        self._left = transactions

    @property
    def is_over(self) -> bool:
        """Whether nothing is written any more."""
        return not self._left and not any(map(self.backend.is_writing, range(3)))

    def run(self) -> Seen:
        """Until all subscribers have seen the end."""
        subscribers = [Subscriber(self, source, Random(self.random.random())) for source in SOURCES]  # noqa: S311 - as above
        running = [subscriber.run() for subscriber in subscribers]
        while running:
            self._write(self.random.randrange(3))
            chosen = self.random.choice(running)
            try:
                chosen.send(None)
            except StopIteration:
                running.remove(chosen)
        return self._judged(subscribers)

    def _write(self, writer: int) -> None:
        random, backend = self.random, self.backend
        if random.random() < SLOW:
            return
        if backend.is_writing(writer):
            backend.end_append(writer, commits=random.random() < 0.85)
        elif self._left:
            types = "".join(random.choices(TYPES, k=random.choice([1, 1, 2, 5])))
            self._left -= backend.begin_append(writer, types, random.choice(["a-1", "b-1"]))

    def _judged(self, subscribers: Sequence[Subscriber]) -> Seen:
        there: dict[Source, list[int]] = {
            source: [row.position for row in _of(self.backend, source)] for source in SOURCES
        }
        skipped = sum(len(set(there[one.source]) - set(one.seen)) for one in subscribers)
        doubled = sum(len(one.seen) - len(set(one.seen)) for one in subscribers)
        digests = [
            (*(one.digest for one in subscribers if one.source == source), digest(found))
            for source, found in there.items()
        ]
        return Seen(len(there[EVERYTHING]), skipped, doubled, digests)


def _of(backend: Committing, source: Source) -> Sequence[Row]:
    """By another way than that of the subscribers: each row is looked at."""
    rows = backend._all
    if isinstance(source, InCategory):
        return [row for row in rows if row.stream.startswith(f"{source.category}-")]
    assert isinstance(source, Matching)
    return [row for row in rows if source.query.matches(row.type, ())]


def digest(positions: Sequence[int]) -> str:
    """A text that is another one for any other positions, or another order."""
    return blake2b(repr([*positions]).encode(), digest_size=8).hexdigest()
