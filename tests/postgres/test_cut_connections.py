"""Connections cut while an append is under way: done, refused or unknown, and repeating it always tells the truth."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
from tests.postgres.mutants import ids_that_nobody_looks_at
from tests.postgres.proxy import Proxy, proxied
from tests.postgres.servers import TcpServer
from tests.postgres.traffic import everything

from refold import AppendCondition, AsyncStore, NewEvent, OutcomeUnknown, Query, Store, StoreError
from refold.flows.append import Receipt
from refold.messages import RawEvent
from refold.testing.contract.sample import EVENTS, Deposit, accounts

pytestmark = [pytest.mark.guarantee("G3"), pytest.mark.guarantee("G4"), pytest.mark.guarantee("G25")]


@pytest.fixture
def place(tcp: TcpServer) -> Iterator[str]:
    """A database on the server that listens on TCP."""
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of every connection that is cut
    url = tcp.new_database()
    yield url
    tcp.drop(url)


def through(url: str, proxy: Proxy, busy_timeout: float) -> str:
    """The same database by way of a proxy."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    query = f"busy_timeout={busy_timeout}&pool_size=3"
    return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}", query=query))


class Client:
    """A writer behind the proxy, which repeats what it does not know the outcome of until it does."""

    def __init__(self, url: str, direct: Store, seed: int) -> None:
        self.told: Counter[str] = Counter()
        self.first: dict[str, int] = {}
        self.wrong: list[str] = []
        self._store, self._direct, self._random = Store.open(url, events=[RawEvent]), direct, Random(seed)  # noqa: S311 - the same each time for a seed
        self._seed, self._doubt = seed, False

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
        tag = f"{self._seed}:{turn}"
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
            return self._store.append(f"s-{self._seed}", events, condition=condition)
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


def figures(url: str, port: int, *, clients: int, turns: int, rate: float) -> tuple[str, Counter[str], int]:
    """Writers through a cutting proxy; fails if anything is lost, doubled, moved or told wrong."""
    seed = secrets.randbelow(1_000)
    with Store.open(url, events=[RawEvent]) as direct, proxied(port, seed) as proxy:
        told: Counter[str] = Counter()
        writers = [Client(through(url, proxy, (0.12, 30)[n % 2]), direct, n) for n in range(clients)]
        proxy.rate = rate
        threads = [threading.Thread(target=writer.run, args=(turns,)) for writer in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        proxy.rate = 0
        log = everything(url)
    first = {id: position for writer in writers for id, position in writer.first.items()}
    told = sum((writer.told for writer in writers), Counter())
    assert [what for writer in writers for what in writer.wrong] == [], f"seed {seed}"
    assert {id: position for position, id, *_ in log} == first, f"lost, doubled or moved, seed {seed}"
    assert len(log) == len(first)
    cuts = sum(proxy.cuts.values())
    return f"{cuts} connections cut {dict(proxy.cuts)}, {dict(told)}, {len(log)} events: lost 0, doubled 0", told, cuts


def test_hundreds_of_cut_connections_lose_nothing_double_nothing_and_are_told_right(place: str, tcp: TcpServer) -> None:
    line, told, cuts = figures(place, tcp.port, clients=8, turns=18, rate=0.4)
    print(f"\n{line}")
    assert cuts > 200
    assert told["unknown"] > 5
    assert told["unknown, and there"] > 0
    assert told["done, and it was a repeat"] > 20


@pytest.mark.parametrize("plant", ["ids that nobody looks at", "a cut that is told as a refusal"])
def test_a_fault_in_what_settles_the_outcome_is_found(
    place: str, tcp: TcpServer, plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(place).close()
    if plant == "ids that nobody looks at":
        ids_that_nobody_looks_at(place)
    else:
        monkeypatch.setattr("refold.backends.postgres.appending.lost", lambda error: False)
    with pytest.raises(AssertionError, match=r"doubled|Conflict|certainly not written"):
        figures(place, tcp.port, clients=4, turns=8, rate=0.5)


@pytest.mark.long
def test_thousands_of_appends_through_a_cutting_proxy(place: str, tcp: TcpServer) -> None:
    line, told, _ = figures(place, tcp.port, clients=16, turns=250, rate=0.5)
    print(f"\n{line}")
    assert told["unknown"] > 1_000


async def test_commands_with_a_key_through_a_cutting_proxy_count_once(place: str, tcp: TcpServer) -> None:
    """Tasks that share the connection's fate: a group of them is cut at once, and each settles its own."""
    with proxied(tcp.port, 1) as proxy:
        async with await AsyncStore.open(through(place, proxy, 0.15), events=EVENTS) as store:
            account = store.bind(accounts)
            proxy.rate = 0.3
            unknown: list[int] = []

            async def deposit(number: int) -> None:
                while True:
                    try:
                        await account.handle(str(number % 5), Deposit(1), idempotency_key=str(number))
                    except OutcomeUnknown:
                        unknown.append(number)
                    except StoreError:
                        await asyncio.sleep(0)
                    else:
                        return

            await asyncio.gather(*(deposit(number) for number in range(40)))
            proxy.rate = 0
            states = [await account.state(str(number)) for number in range(5)]
    print(
        f"\n40 commands, {sum(proxy.cuts.values())} connections cut, {len(unknown)} told as unknown: each counted once"
    )
    assert states == [8] * 5
    assert sum(proxy.cuts.values()) > 5


async def test_a_cancelled_append_is_whole_or_not_there_and_hurts_no_other(place: str) -> None:
    random = Random(1)  # noqa: S311 - the same each time
    cancelled: list[list[UUID]] = []
    done: dict[str, int] = {}

    async def append(store: AsyncStore, number: int) -> None:
        ids = [UUID(int=number * 10 + n) for n in range(3)]
        events = [NewEvent(RawEvent("X", {}), id=id) for id in ids]
        try:
            async with asyncio.timeout(random.choice([None, 0.001, 0.003, 0.01, 0.05])):
                receipt = await store.append(f"a-{number % 7}", events)
        except TimeoutError:
            cancelled.append(ids)
        else:
            done.update(zip(map(str, ids), map(int, receipt.positions), strict=True))

    async with await AsyncStore.open(place, events=[RawEvent]) as store:
        for first in range(0, 300, 20):
            await asyncio.gather(*(append(store, number) for number in range(first, first + 20)))
    log = {id: position for position, id, *_ in everything(place)}
    there = [sum(str(id) in log for id in ids) for ids in cancelled]
    assert {id: log.get(id) for id in done} == done
    assert set(there) <= {0, 3}
    print(f"\n300 appends, {len(cancelled)} cancelled, {there.count(3)} of them written: none torn, no other hurt")
    assert len(cancelled) > 10


def test_a_store_lives_through_a_restart_of_its_server(place: str, tcp: TcpServer) -> None:
    if tcp.given:
        pytest.skip("the server of REFOLD_TEST_POSTGRES is not ours to stop")
    with Store.open(place, events=[RawEvent]) as store:
        receipts = [store.append("a-1", [RawEvent("X", {"n": n})]) for n in range(10)]
        running = threading.Thread(
            target=lambda: receipts.extend(store.append("a-1", [RawEvent("X", {"n": n})]) for n in range(10, 2_000))
        )
        running.start()
        tcp.stop()
        time.sleep(0.3)
        tcp.start()
        back = time.monotonic()
        before = len(receipts)
        while len(receipts) == before:
            assert time.monotonic() - back < 5, "the pool has not healed within 5 s"
            time.sleep(0.01)
        healed = time.monotonic() - back
        running.join()
        assert [event.data.data["n"] for event in store.read("a-1")] == list(range(2_000))
        assert [receipt.position for receipt in receipts] == list(range(1, 2_001))
    print(
        f"\na restart under 2,000 appends: 0 lost, 0 doubled, appends went on {healed:.2f} s after the server was back"
    )
