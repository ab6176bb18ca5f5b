"""Writers of all kinds at once, and those who follow them in two ways: by pages, and by subscriptions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from tests.faults.committing import digest
from tests.postgres.servers import until
from tests.postgres.traffic import NONE, QUERY, Elsewhere, Ledger, Tail, Writers, everything, faults

from refold import Store
from refold.messages import RawEvent

SOURCES: tuple[dict[str, Any], ...] = ({}, {}, {"query": QUERY}, {"query": QUERY}, {"category": "a"})
"""What the subscribers ask for."""


class Subscriber:
    """Follows a store from its beginning, in a thread."""

    def __init__(self, url: str, source: dict[str, Any]) -> None:
        self.seen = list[int]()
        self.source = source
        self._store = Store.open(url, events=[RawEvent])
        self._subscription = self._store.subscribe(**source)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.seen.extend(int(event.position) for event in self._subscription)

    def stop(self, head: int) -> None:
        """Let it come so far, and end it."""
        try:
            until(f"{self.source} is followed up to {head}", lambda: self._subscription.position >= head)
        finally:
            self._subscription.close()
            self._thread.join()
            self._store.close()


class Followed(Struct, frozen=True):
    """What came of it. `digests`: by what was followed, of each subscriber, and last of the log itself."""

    events: int
    refused: int
    unknown: int
    missing: int
    digests: Sequence[tuple[str, ...]]
    wrong: Sequence[str]


def followed(
    url: str, seconds: float, seed: int, *, joining: int = 0, disturb: Callable[[], None] = lambda: None
) -> Followed:
    """For so long, writers here and in another process, followed by readers and subscribers.

    `joining`: so many append in transactions of their own on PostgreSQL, which commit late or roll back.
    """
    Store.open(url).close()
    tails = [Tail(url), Tail(url, QUERY)]
    subscribers = [Subscriber(url, source) for source in SOURCES]
    writers, elsewhere = Writers(url, seed), Elsewhere(url, seed + 1_000, seconds)
    try:
        writers.blocking(2)
        writers.awaiting(2)
        writers.joining(joining)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            disturb()
            time.sleep(0.02)
    finally:
        ledger = writers.stop()
        ledger.add(elsewhere.stop())
        seen = [tail.stop() for tail in tails]
        with Store.open(url) as store:
            head = int(store.head())
        for subscriber in subscribers:
            subscriber.stop(head)
    return judged(url, ledger, seen, subscribers)


def judged(url: str, ledger: Ledger, tails: Sequence[Sequence[int]], subscribers: Sequence[Subscriber]) -> Followed:
    """What was told and what was seen, held against the log."""
    log = whole_log(url)
    there = {
        str(source): [at for at, _, stream, type, tags in log if is_of(source, stream, type, tags)]
        for source in SOURCES
    }
    everyone = [
        *zip(tails, ("{}", str(SOURCES[2])), strict=True),
        *((one.seen, str(one.source)) for one in subscribers),
    ]
    found = [faults(seen, there[source]) for seen, source in everyone]
    digests = [
        (*(digest(seen) for seen, source in everyone if source == wanted), digest(positions))
        for wanted, positions in there.items()
    ]
    wrong = [f"{source}: {each}" for each, (_, source) in zip(found, everyone, strict=True) if each != NONE]
    wrong += _wrong_in(url, [position for position, *_ in log])
    wrong += ledger.contradictions({id: position for position, id, *_ in log})
    missing = sum(each["missing"] for each in found)
    return Followed(len(log), len(ledger.refused), len(ledger.unknown), missing, digests, wrong)


def _wrong_in(url: str, positions: Sequence[int]) -> Iterator[str]:
    with Store.open(url) as store:
        yield from (str(damage) for _, damages in store.verify() for damage in damages)
    if not url.startswith("nats") and positions != [*range(1, len(positions) + 1)]:
        yield "positions have holes"


def whole_log(url: str) -> list[tuple[int, str, str, str, list[str]]]:
    """Position, id, stream, type and tags of every event; on PostgreSQL by SQL of our own."""
    with Store.open(url, events=[RawEvent]) as store:
        log = [(int(e.position), str(e.id), str(e.stream), e.type, sorted(e.tags)) for e in store.read()]
    if url.startswith("postgres"):
        assert [(at, id, type, tags) for at, id, _, type, tags in log] == everything(url)
    return log


def is_of(source: dict[str, Any], stream: str, type: str, tags: Sequence[str]) -> bool:
    """Whether a subscriber who asks for that is to see the event."""
    if "query" in source:
        return bool(source["query"].matches(type, tags))
    return stream.startswith(f"{source.get('category', '')}")
