"""Writers whose clocks jump, each its own, while one follows them: what each was told, and what is there in the end."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any, Final

from msgspec import Struct
from tests.faults.ordering import Subscriber

from refold import NewEvent, Recorded, Store
from refold.clock import SystemClock, as_uuid, uuid7
from refold.flows.append import Receipt
from refold.messages import RawEvent

JUMPS: Final = timedelta(hours=-2), timedelta(hours=36), timedelta(days=400), timedelta(0)


class JumpingClock:
    """That of the system, moved by all that was jumped so far. Its ids tell the time that it shows."""

    def __init__(self) -> None:
        self._system, self._off = SystemClock(), timedelta(0)

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._system.now() + self._off // timedelta(microseconds=1)

    def new_id(self) -> bytes:
        """The next id."""
        return uuid7(self.now() * 4_096 // 1_000, secrets.token_bytes(8))

    def jump(self, by: timedelta) -> None:
        """Show another time from now on."""
        self._off += by


class Writer:
    """Appends to a stream of its own and to one of all, under the version that it knows, and repeats now and then."""

    def __init__(self, url: str, name: str, seed: int) -> None:
        self.name, self.told = name, list[tuple[NewEvent[RawEvent], str, Receipt]]()
        self.wrong, self.repeats = list[str](), 0
        self._clock, self._random = JumpingClock(), Random(f"{seed} {name}")  # noqa: S311 - the same for a seed
        self._store, self._version = Store.open(url, events=[RawEvent], clock=self._clock), 0

    def run(self, jumps: int) -> None:
        """So many jumps, and an append after each."""
        try:
            for n in range(jumps):
                self._clock.jump(self._random.choice(JUMPS))
                self._append(n)
                if self._random.random() < 0.2:
                    self._repeat()
        except BaseException as error:
            self.wrong.append(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            self._store.close()

    def _append(self, n: int) -> None:
        new = NewEvent(RawEvent(self.name, {"n": n}), id=as_uuid(self._clock.new_id()))
        if self._random.random() < 0.3:
            self.told.append((new, "all-1", self._store.append("all-1", [new])))
            return
        stream = f"own-{self.name}"
        receipt = self._store.append(stream, [new], expected=self._version)
        self._version = receipt.version
        self.told.append((new, stream, receipt))

    def _repeat(self) -> None:
        new, stream, first = self._random.choice(self.told)
        again = self._store.append(stream, [new])
        self.repeats += 1
        if (again.positions, again.version, again.repeated) != (first.positions, first.version, True):
            self.wrong.append(f"{new.id} was answered with {first}, and again with {again}")


class Jumped(Struct, frozen=True):
    """What came of it."""

    events: int
    repeats: int
    years: int
    wrong: Sequence[str]


def jumped(url: str, seed: int, jumps: int) -> Jumped:
    """Three writers, so many jumps of their clocks altogether, and a subscriber."""
    Store.open(url).close()
    writers = [Writer(url, name, seed) for name in "XYZ"]
    subscriber = Subscriber(url, {})
    threads = [threading.Thread(target=writer.run, args=(jumps // 3,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ExitStack() as left:
        store = left.enter_context(Store.open(url, events=[RawEvent]))
        left.callback(subscriber.stop, int(store.head()))
    with Store.open(url, events=[RawEvent]) as store:
        log = [*store.read()]
        wrong = [*(what for one in writers for what in one.wrong), *_wrong_in(store, log, writers, subscriber.seen)]
    years = (log[-1].recorded_at - log[0].recorded_at) // timedelta(days=365)
    return Jumped(len(log), sum(one.repeats for one in writers), years, wrong)


def _wrong_in(
    store: Store, log: Sequence[Recorded[Any]], writers: Sequence[Writer], seen: Sequence[int]
) -> Iterator[str]:
    yield from (str(damage) for _, damages in store.verify() for damage in damages)
    if [*seen] != [int(event.position) for event in log]:
        yield "the subscriber saw another order than the log has"
    if any(later.recorded_at < earlier.recorded_at for earlier, later in pairwise(log)):
        yield "recorded_at goes back"
    versions: dict[str, list[int]] = defaultdict(list)
    for event in log:
        versions[str(event.stream)].append(event.version)
    yield from (f"versions of {name}: {each}" for name, each in versions.items() if each != [*range(1, len(each) + 1)])
    for writer in writers:
        told = [(new.id, int(receipt.position), receipt.version) for new, _, receipt in writer.told]
        there = [(event.id, int(event.position), event.version) for event in log if event.type == writer.name]
        if told != there:
            yield f"{writer.name} was told {told}, and there is {there}"
    yield from _wrong_times(store, log)


def _wrong_times(store: Store, log: Sequence[Recorded[Any]]) -> Iterator[str]:
    """Whoever asks for what was recorded until a time is given a beginning of the log, and since then the rest of it."""
    for event in log[:: max(1, len(log) // 20)]:
        until = [each.position for each in store.read(until=event.recorded_at)]
        since = [each.position for each in store.read(since=event.recorded_at)]
        places = [each.position for each in log]
        if until != places[: len(until)] or since != places[len(places) - len(since) :]:
            yield f"by {event.recorded_at} there are {until}, and since then {since}"
