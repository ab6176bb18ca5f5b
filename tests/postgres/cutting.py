"""Writers behind a proxy that cuts their connections: each repeats what it does not know the outcome of, until it is done."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from tests.postgres.proxy import Cut, Proxy, proxied
from tests.postgres.traffic import everything

from refold import AppendCondition, NewEvent, OutcomeUnknown, Query, Store, StoreError
from refold.flows.append import Receipt
from refold.messages import RawEvent


def through(url: str, proxy: Proxy, busy_timeout: float) -> str:
    """The same database by way of a proxy."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    query = f"busy_timeout={busy_timeout}&pool_size=3"
    return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}", query=query))


class Client:
    """A writer behind the proxy, which repeats what it does not know the outcome of until it does."""

    def __init__(self, url: str, direct: Store, name: str) -> None:
        self.told: Counter[str] = Counter()
        self.first: dict[str, int] = {}
        self.wrong: list[str] = []
        self._store, self._direct, self._random = Store.open(url, events=[RawEvent]), direct, Random(name)  # noqa: S311 - the same each time for a seed
        self._name, self._doubt = name, False

    def run(self, turns: int) -> None:
        """So many appends, each until it is done."""
        for turn in range(turns):
            try:
                self._one(turn)
            except BaseException as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                break
        self._store.close()

    def _one(self, turn: int) -> None:
        random = self._random
        ids = [UUID(int=random.getrandbits(128)) for _ in range(random.randrange(1, 4))]
        tag = f"{self._name}:{turn}"
        condition = random.choice(
            [None, None, AppendCondition(Query.of(tags=[tag]))]
        )  # its own events must not refuse it
        events = [NewEvent(RawEvent("X", {"turn": turn}), id=id, tags=frozenset({tag})) for id in ids]
        self._doubt = False
        while (receipt := self._attempt(events, condition)) is None:
            pass
        self.told["done"] += 1
        self.told["done, and it was a repeat"] += receipt.repeated
        self.first.update(zip(map(str, ids), map(int, receipt.positions), strict=True))

    def _attempt(self, events: list[NewEvent[RawEvent]], condition: AppendCondition | None) -> Receipt | None:
        try:
            return self._store.append(f"s-{self._name}", events, condition=condition)
        except OutcomeUnknown:
            self._doubt = True
            self.told["unknown"] += 1
            self.told["unknown, and there"] += self._there(events)
        except StoreError as error:
            self.told["refused"] += 1
            time.sleep(0.02)  # until all that may still be under way has ended
            if not self._doubt and self._there(events):  # in doubt, an earlier attempt may have written them
                self.wrong.append(f"certainly not written, it said, and it was: {error}")
        return None

    def _there(self, events: list[NewEvent[RawEvent]]) -> bool:
        return bool(self._direct.find(*(event.id for event in events if event.id)))


@dataclass(frozen=True)
class Came:
    """What came of it. `told`: how often an append was told what."""

    told: Counter[str]
    cuts: Counter[Cut]
    wrong: Sequence[str]


def cut_appends(url: str, port: int, seed: int, *, clients: int, turns: int, rate: float) -> Came:
    """Writers through a cutting proxy, and all that was lost, doubled, moved or told wrong."""
    with Store.open(url, events=[RawEvent]) as direct, proxied(port, seed) as proxy:
        writers = [Client(through(url, proxy, (0.12, 30)[n % 2]), direct, f"{seed}.{n}") for n in range(clients)]
        proxy.rate = rate
        threads = [threading.Thread(target=writer.run, args=(turns,)) for writer in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        proxy.rate = 0
        log = everything(url)
    told = sum((writer.told for writer in writers), Counter[str]())
    first = {(position, id) for writer in writers for id, position in writer.first.items()}
    wrong = [what for writer in writers for what in writer.wrong]
    wrong += [f"lost, doubled or moved: {event}" for event in first ^ {(at, id) for at, id, *_ in log}]
    return Came(told, proxy.cuts, wrong)
