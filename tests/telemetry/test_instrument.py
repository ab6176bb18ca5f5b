"""What `instrument` takes and refuses, what it leaves alone, and what a store costs that is not instrumented."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.telemetry.watchers import WatchedStores, Watcher

from refold import AsyncStore, NewEvent, Receipt, Store, UsageError
from refold.clock import SystemClock
from refold.errors import MissingExtra, StoreUnreachable
from refold.flows.projections.builds import active_build
from refold.flows.projections.work import Stepped, step, take_up
from refold.ports import Backend
from refold.telemetry import instrument
from refold.testing.contract import Place
from refold.testing.contract.appending import Appending
from refold.testing.contract.base import Face
from refold.testing.contract.conditions import Conditions
from refold.testing.contract.deciding import Deciding
from refold.testing.contract.inlining import Inlining
from refold.testing.contract.keys import Keys
from refold.testing.contract.projecting import seen
from refold.testing.contract.racing import Racing
from refold.testing.contract.repeating import Repeating
from refold.testing.contract.running import RunningProjections
from refold.testing.contract.sample import EVENTS, Deposited, accounts
from refold.testing.contract.subscribing import Subscribing
from refold.testing.contract.together import Together
from refold.testing.contract.traveling import Traveling
from refold.testing.contract.waiting import Waiting
from refold.testing.postgres import PostgresServer


class TestWhatAStoreDoes(
    Appending, Conditions, Deciding, Inlining, Keys, Racing, Repeating, RunningProjections, Subscribing, Together,
    Traveling, Waiting,
):  # fmt: skip
    """It does under watch, too. Left out are the rooms that have no say in it, or compare the metadata whole."""

    @pytest.fixture
    def place(self) -> Place:
        return Place(url="sqlite:///:memory:", durable=False, sql=True)

    @pytest_asyncio.fixture
    async def stores(self, place: Place, face: Face) -> AsyncIterator[WatchedStores]:
        stores = WatchedStores(place, face)
        yield stores
        await stores.close()


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def test_a_store_that_is_not_instrumented_loads_nothing_of_opentelemetry() -> None:
    program = """
import sys
from refold import RawEvent, Store
with Store.open("sqlite:///:memory:", events=[RawEvent]) as store:
    store.append("thing-1", [RawEvent("thing.happened", {})])
print([name for name in sys.modules if name.startswith(("opentelemetry", "refold.telemetry"))])
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("refold.telemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    with pytest.raises(MissingExtra, match=r"'opentelemetry-api': pip install 'refold\[telemetry\]'"):
        import_module("refold.telemetry")


def test_without_an_sdk_nothing_is_told_and_nothing_is_written() -> None:
    with instrument(Store.open("memory://", events=EVENTS)) as store:
        assert store.append("account-1", [Deposited(1)]).version == 1
        assert [event.metadata.free for event in store.read()] == [{}]


def test_a_span_that_is_not_sampled_leaves_no_trace_in_the_metadata() -> None:
    with instrument(Store.open("memory://", events=EVENTS), tracer_provider=TracerProvider(ALWAYS_OFF)) as store:
        store.append("account-1", [Deposited(1)])
        assert [event.metadata.free for event in store.read()] == [{}]


def test_twice_is_refused() -> None:
    with instrument(Store.open("memory://")) as store, pytest.raises(UsageError, match="instrumented already"):
        instrument(store.context(actor="ada"))


def test_attributes_tell_stores_apart() -> None:
    watcher = Watcher()
    for name in ("orders", "billing"):
        with watcher.instrument(Store.open("sqlite:///:memory:", events=EVENTS), shop=name) as store:
            store.append("account-1", [Deposited(1)])
    assert [span.attributes["shop"] for span in watcher.told()] == ["orders", "billing"]
    assert [attributes["shop"] for attributes, _ in watcher.figures()["messaging.client.sent.messages"]] == [
        "orders", "billing",
    ]  # fmt: skip


async def test_figures_that_are_collected_in_the_stores_own_loop_do_not_wait_for_it() -> None:
    watcher = Watcher()
    async with watcher.instrument(await AsyncStore.open("sqlite:///:memory:", events=EVENTS)) as store:
        await store.append("account-1", [Deposited(1)])
        await store.catch_up(seen())
        assert "refold.projection.lag" not in watcher.figures()
        assert "refold.projection.lag" in await asyncio.to_thread(watcher.figures)


def test_figures_after_the_stores_loop_has_ended_are_none() -> None:
    watcher = Watcher()

    async def short() -> None:
        async with watcher.instrument(await AsyncStore.open("sqlite:///:memory:", events=EVENTS)) as store:
            await store.catch_up(seen())

    asyncio.run(short())
    assert watcher.figures() == {}


def test_figures_of_a_store_that_is_away_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watcher, path = Watcher(), tmp_path / "store.db"
    with watcher.instrument(Store.open(f"sqlite:///{path}", events=EVENTS)) as store:
        store.catch_up(seen())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("refold.store.statuses", _away)
            assert watcher.figures() == {}
    assert caplog.messages == ["no figures of the projections: the store is away"]


async def _away(*_: object) -> None:
    raise StoreUnreachable("the store is away")


def test_a_decision_that_is_taken_again_is_one_span_and_says_so(url: str) -> None:
    watcher = Watcher()
    other = Store.open(url, events=EVENTS)
    tries: list[int] = []

    def decision(balance: int) -> list[Deposited]:
        tries.append(balance)
        if len(tries) == 1:
            other.append("account-1", [Deposited(7)])
        return [Deposited(1)]

    with other, watcher.instrument(Store.open(url, events=EVENTS)) as store:
        store.bind(accounts).do("1", decision)
    assert tries == [0, 7]
    (span,) = watcher.told()
    assert (span.attributes["refold.conflicts"], span.attributes["refold.version"], span.error) == (1, 2, "")
    assert [value for _, value in watcher.figures()["refold.append.conflicts"]] == [1]


def test_an_append_in_the_applications_own_transaction_is_told(url: str) -> None:
    watcher = Watcher()
    with watcher.instrument(Store.open(url, events=EVENTS)) as store, psycopg.connect(url) as connection:
        receipt: Receipt = store.join(connection).append("account-1", [Deposited(1)])
        assert receipt.version == 1
    assert [span.name for span in watcher.told()] == ["append account"]


@pytest.mark.parametrize("observed", [False, True])
def test_traces_are_gathered_only_for_whoever_observes(observed: bool) -> None:
    async def one(backend: Backend) -> Stepped | None:
        work = await take_up(backend, seen(), await active_build(backend, SystemClock(), seen()), 0)
        assert work is not None
        work.observed = observed
        return await step(backend, backend, store._runtime, work)

    with Store.open("sqlite:///:memory:", events=EVENTS) as store:
        store.append("account-1", [NewEvent(Deposited(i), metadata={"traceparent": "t"}) for i in range(3)])
        assert store._engine.outside(one) == Stepped(3, 3, 0, ("t",) if observed else ())
