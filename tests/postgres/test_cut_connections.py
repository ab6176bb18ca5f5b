"""Connections cut while an append is under way: done, refused or unknown, and repeating it always tells the truth."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import threading
import time
from collections.abc import Iterator

import pytest
from tests.postgres.cutting import cut_appends, through
from tests.postgres.mutants import ids_that_nobody_looks_at
from tests.postgres.proxy import proxied
from tests.postgres.servers import TcpServer

from refold import AsyncStore, OutcomeUnknown, Store, StoreError
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


@pytest.mark.parametrize("plant", ["ids that nobody looks at", "a cut that is told as a refusal"])
def test_a_fault_in_what_settles_the_outcome_is_found(
    place: str, tcp: TcpServer, plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(place).close()
    if plant == "ids that nobody looks at":
        ids_that_nobody_looks_at(place)
    else:
        monkeypatch.setattr("refold.backends.postgres.appending.lost", lambda error: False)
    came = cut_appends(place, tcp.port, secrets.randbelow(1 << 32), clients=4, turns=8, rate=0.5)
    assert any(re.search(r"doubled|Conflict|certainly not written", wrong) for wrong in came.wrong)


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
