"""Load on a store whose servers die: what writers were told and readers saw, how long nobody was answered, and the report."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from math import inf
from random import Random
from statistics import median
from typing import Self

import msgspec
from tests.faults.linearizability import contradiction
from tests.postgres.checking import Logged, violations
from tests.postgres.histories import Body, Tried, attempt, body
from tests.postgres.servers import until

from refold import Store
from refold.errors import StoreError
from refold.messages import RawEvent

HISTORY = 40
"""So many appends go to the same few streams and tags, before others take their place."""
PATIENCE = 30.0


def as_drawn(_: Random, wanted: Body) -> Body:
    """Every id is a random one."""
    return wanted


class Load:
    """Writers on two stores, for the time of a block. `changed`: what they ask for, made of what was drawn.

    `patience`: seconds that those who are told to stop go on to ask for what they were not told. `readers`: for each that
    follows the log on a store of its own, what the URL of that says besides.
    """

    def __init__(
        self,
        url: str,
        seed: int,
        writers: int,
        changed: Callable[[Random, Body], Body] = as_drawn,
        patience: float = PATIENCE,
        readers: Sequence[str] = (),
    ) -> None:
        self._url, self._seed, self._writers, self._patience, self._readers = url, seed, writers, patience, readers
        self.tried: list[Tried] = []
        self.failed: set[str] = set()
        self.seen: list[list[tuple[int, str]]] = []
        """Of each reader, the positions and ids of the events that it saw, in its order."""
        self.belied: set[str] = set()
        """The ids of what was said not to be written, and was there when it was asked for again."""
        self._doubtful: set[str] = set()
        self._changed = changed
        self._stop = threading.Event()
        self._gives_up_at = inf
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._stop_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let everything that is under way come to its end."""
        self._stop_all()
        if self._errors:
            raise self._errors[0]

    def start(self) -> None:
        """Begin to write and to follow."""
        stores = [self.opened() for _ in range(2)]
        for n in range(self._writers):
            self.begin(self._write, stores[n % 2], Random(f"{self._seed} {n}"))  # noqa: S311 - the same for a seed
        for query in self._readers:
            self.seen.append([])
            self.begin(self._follow, self.opened(query), self.seen[-1])

    def opened(self, query: str = "") -> Store:
        """A store that is closed in the end."""
        return self._open.enter_context(Store.open(self._url + query, events=[RawEvent]))

    def begin(self, work: Callable[..., None], *args: object) -> None:
        """Have a thread do it; what it raises, the end of the block raises."""
        self._threads.append(threading.Thread(target=self._safely, args=(work, *args)))
        self._threads[-1].start()

    def _stop_all(self) -> None:
        self._gives_up_at = time.monotonic() + self._patience
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._open.close()

    def is_hopeless(self) -> bool:
        """Whether it was told to stop so long ago that nobody will answer any more."""
        return time.monotonic() > self._gives_up_at

    def answered(self, count: int) -> None:
        """Wait until so many further appends are acknowledged."""
        since = time.monotonic_ns()

        def are() -> bool:
            return sum(one.told == "done" and one.began > since for one in self.tried) >= count

        until(f"{count} appends are acknowledged", are, 60)

    def outage(self, at: int) -> float:
        """The longest time since then that nothing was acknowledged, in seconds."""
        ends = sorted(one.ended for one in self.tried if one.told == "done" and one.ended > at)
        return max(after - before for before, after in pairwise([at, *ends])) / 1e9

    def misled(self, there: Sequence[tuple[int, str]]) -> list[str]:
        """Where a reader saw something else than what is there, the positions and ids of the log."""
        return ["who followed saw something else" for each in self.seen if each != there[: len(each)]]

    def _safely(self, work: Callable[..., None], *args: object) -> None:
        try:
            work(*args)
        except BaseException as error:
            self._errors.append(error)

    def _write(self, store: Store, random: Random) -> None:
        while not self._stop.is_set():
            try:
                wanted = body(random, len(self.tried) // HISTORY, lambda: int(store.head()))
            except StoreError:
                continue
            wanted = self._changed(random, wanted)
            while self._one(store, wanted) in {"unknown", "failed"} and not self.is_hopeless():
                pass  # a client in doubt asks for the same again

    def _follow(self, reader: Store, seen: list[tuple[int, str]]) -> None:
        after = 0
        while True:
            ending = self._stop.is_set()
            try:
                page = list(reader.read(after=after, limit=500))
            except StoreError:
                if not self.is_hopeless():
                    continue
                if self._patience:
                    raise
                return  # nobody was to answer any more
            seen += [(int(event.position), str(event.id)) for event in page]
            after = page[-1].position if page else after
            if ending and not page:
                return
            self._stop.wait(0.01)

    def _one(self, store: Store, wanted: Body) -> str:
        try:
            told = attempt(store, wanted)
        except StoreError:
            self.failed.update(set(wanted.ids) - self._doubtful)
            return "failed"
        self.belied |= self.failed.intersection(wanted.ids if told.repeated else ())
        self.failed.difference_update(wanted.ids)
        if told.told == "unknown":
            self._doubtful.update(wanted.ids)
        self.tried.append(told)
        return told.told


class Report(msgspec.Struct):
    """What came of it. `seen`, `taken_back`: how many events readers saw while it lasted, and those of them that are gone."""

    acknowledged: int
    events: int
    told: dict[str, int]
    seen: int
    taken_back: int
    wrong: list[str]
    outages: list[float]

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.figures().items())

    def figures(self) -> dict[str, object]:
        """To be told. The outages are in seconds."""
        figures: dict[str, object] = {
            "acknowledged": self.acknowledged, "unknown": 0, "repeated": 0, **self.told, "events": self.events,
            "seen": self.seen, "taken_back": self.taken_back, "wrong": len(self.wrong),
        }  # fmt: skip
        if self.outages:
            figures |= {"outage_p50": round(median(self.outages), 1), "outage_max": round(max(self.outages), 1)}
        return figures


def reported(load: Load, log: list[Logged], tried: list[Tried], wrong: Iterable[str], outages: list[float]) -> Report:
    """Both judges' view of a log, `tried` being what the load was told of its positions, and what else was found wrong."""
    there, seen = {event.id for event in log}, {id for each in load.seen for _, id in each}
    found = [*wrong, *violations(log, tried), *filter(None, [contradiction(log, tried)])]
    found += [f"it was said not to be written, and is there: {id}" for id in load.belied | load.failed & there]
    found += [f"it was read, and is gone: {id}" for id in seen - there]
    told = Counter("repeated" if one.repeated else one.told for one in tried)
    done = sum(one.told == "done" for one in tried)
    return Report(done, len(log), dict(told), len(seen), len(seen - there), found, outages)
