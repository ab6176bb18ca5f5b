"""A SQLite store of which single bits are flipped, and what is told of it then, by `verify` and by every way to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from refold import NewEvent, Query, RefoldError, Store
from refold.messages import RawEvent
from refold.testing import ManualClock

STREAMS, TYPES, TAGS = ("cart-1", "cart-2", "note-1"), ("added", "removed", "noted"), ("red", "green", "blue")


def build(path: Path) -> None:
    """A store with sixty events of all sorts, in one file."""
    build_at(f"sqlite:///{path}")


def build_at(url: str) -> None:
    """The same, wherever."""
    with Store.open(url, events=[RawEvent], clock=ManualClock()) as store:
        for n in range(60):
            data = {"text": f"number {n}" * (1 + n % 40), "n": n, "inner": {"flag": n % 2 == 0, "none": None}}
            tags = frozenset(tag for tag in TAGS if n % (2 + TAGS.index(tag)) == 0)
            told = store.context(actor=f"actor {n % 3}", channel="web")
            event = NewEvent(RawEvent(TYPES[n % 3], data), UUID(int=(7 << 76) + n), tags=tags)
            told.append(STREAMS[n % 3], [event])


def views(store: Store) -> Iterator[object]:
    """What can be read of its events, in every way."""
    events = list(store.read())
    yield events
    yield list(store.read(direction="backward"))
    yield [list(store.read(name)) for name in STREAMS]
    yield [list(store.read(category=name)) for name in ("cart", "note")]
    yield [list(store.read(query=query)) for name in TYPES for query in [Query.of(types=[name])]]
    yield [list(store.read(query=Query.of(tags=[tag]))) for tag in TAGS]
    yield [store.find(UUID(int=(7 << 76) + n)) for n in range(len(events))]
    yield [list(store.read(correlation_id=event.metadata.correlation_id)) for event in events[:5]]
    yield [(each.stream, each.version, each.last_position) for each in store.streams()]
    yield store.head()


def seen(url: str) -> list[object]:
    """All of that."""
    with Store.open(url, events=[RawEvent]) as store:
        return list(views(store))


class Flips:
    """A store, bits of it, and what came of flipping each: `found` by verify or by an error, or `unseen`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random, self.seed = Random(seed), seed  # noqa: S311 - the same each time for a seed
        self._file, self._hurt = folder / "whole.db", folder / "hurt.db"
        build(self._file)
        self.whole = self._file.read_bytes()
        self._seen = seen(f"sqlite:///{self._file}")
        self.told, self.wrong = Counter[str](), list[str]()

    def flip(self, count: int) -> None:
        """Flip so many bits, each in a file that is whole otherwise."""
        for _ in range(count):
            self.judge(self._random.randrange(8 * len(self.whole)))

    def judge(self, bit: int) -> None:
        """Flip this one, and note what came of it."""
        try:
            self.told[self._judged(bit)] += 1
        except Exception as error:
            self.wrong.append(f"seed {self.seed}, bit {bit}: {type(error).__name__}: {error}")

    def _judged(self, bit: int) -> str:
        hurt = bytearray(self.whole)
        hurt[bit // 8] ^= 1 << bit % 8
        for left in ("-wal", "-shm"):
            Path(f"{self._hurt}{left}").unlink(missing_ok=True)
        self._hurt.write_bytes(hurt)
        url = f"sqlite:///{self._hurt}"
        found, read = self._verified(url), self._read(url)
        if found or read is None:
            return "found"
        if read == self._seen:
            return "unseen"
        raise AssertionError("what is read is something else, and nothing tells it")

    def _verified(self, url: str) -> Sequence[Any]:
        try:
            with Store.open(url, events=[RawEvent]) as store:
                return [damage for _, damages in store.verify() for damage in damages]
        except RefoldError as error:
            return [error]

    def _read(self, url: str) -> list[object] | None:
        try:
            return seen(url)
        except RefoldError:
            return None
