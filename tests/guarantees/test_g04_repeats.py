"""G4: a repeated request gives the first answer; the same id or key with another body is an error.

Pairs of clients ask for the same at the same time, and again and again, by ids or by an idempotency key, while connections
are cut in the middle of requests, commits fail, and clients are killed: whoever does not know the outcome asks again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from tests.faults.storms import EVENTS, Storm, killed, uncertain
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell
from tests.nats.proxy import NatsProxy
from tests.postgres.cutting import through
from tests.postgres.proxy import Proxy
from tests.postgres.servers import tcp_server

from refold import Store, StoreError
from refold.backends.nats import wire

pytestmark = pytest.mark.guarantee("G4")

Trouble: TypeAlias = tuple[list[Store], Store, Callable[[], AbstractContextManager[object]]]
"""Two stores, one that has no trouble, and the trouble of the two, which lasts as long as the block."""


def opened(url: str) -> Store:
    """A store that soon gives up, on a machine that may have much else to do: opening it may take longer than that."""
    for _ in range(200):
        with suppress(StoreError):
            return Store.open(url, events=EVENTS)
    return Store.open(url, events=EVENTS)


@contextmanager
def failing_commits(request: pytest.FixtureRequest, seed: int) -> Generator[Trouble]:
    """Two stores on one SQLite file, of whose commits two of five fail."""
    place: Path = request.getfixturevalue("tmp_path")
    url = f"sqlite:///{place}/{uuid4().hex}.db?durability=best-effort"
    with ExitStack() as left:
        one, other, direct = [left.enter_context(Store.open(url, events=EVENTS)) for _ in range(3)]

        @contextmanager
        def trouble() -> Generator[None]:
            with ExitStack() as ended:
                for n, store in enumerate((one, other)):
                    ended.callback(uncertain(store, seed + n, 0.4))
                yield

        yield [one, other], direct, trouble


@contextmanager
def cut_connections_to_postgresql(request: pytest.FixtureRequest, seed: int) -> Generator[Trouble]:
    """Two stores behind a proxy that cuts one of four requests."""
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of every connection that is cut
    with tcp_server() as server, ExitStack() as left:
        url, proxy = server.new_database(), Proxy(server.port, seed)
        left.callback(server.drop, url)
        left.callback(proxy.end)
        direct = left.enter_context(Store.open(url, events=EVENTS))
        stores = [left.enter_context(opened(through(url, proxy, 0.05))) for _ in range(2)]
        yield stores, direct, lambda: cutting(proxy, 0.25)


@contextmanager
def cutting(proxy: Proxy | NatsProxy, rate: float) -> Generator[None]:
    """So many of what goes through it are cut."""
    proxy.rate = rate
    yield
    proxy.rate = 0


@contextmanager
def cut_connections_to_jetstream(request: pytest.FixtureRequest, seed: int) -> Generator[Trouble]:
    """Two stores behind a proxy that cuts two of three publications. They wait for an answer a tenth of a second, not two."""
    url, name = str(request.getfixturevalue("nats")), f"g4{uuid4().hex}"
    with ExitStack() as left:
        proxy = NatsProxy(urlsplit(url).port or 4222, seed)
        left.callback(proxy.end)
        direct = left.enter_context(Store.open(f"{url}/{name}", events=EVENTS))
        behind = f"nats://127.0.0.1:{proxy.port}/{name}?busy_timeout=0.05"
        stores = [left.enter_context(opened(behind)) for _ in range(2)]

        @contextmanager
        def trouble() -> Generator[None]:
            with pytest.MonkeyPatch.context() as hasty, cutting(proxy, 0.67):
                hasty.setattr(wire, "ATTEMPT", 0.1)  # who judges afterwards takes its time
                yield

        yield stores, direct, trouble


TROUBLES = {
    "sqlite": failing_commits, "postgresql": cut_connections_to_postgresql, "jetstream": cut_connections_to_jetstream,
}  # fmt: skip


def stormed(
    backend: str, request: pytest.FixtureRequest, seed: int, requests: int, *, pairs: int = 4, again: int = 4
) -> tuple[Storm, list[str]]:
    """So many requests, each asked for by both of a pair, and by both again; and all that is wrong then."""
    with TROUBLES[backend](request, seed) as (stores, direct, trouble):
        storm = Storm(stores, seed, requests, again=again)
        with trouble():
            storm.run(pairs)
        return storm, storm.judged(direct)


def weathered(backend: str, request: pytest.FixtureRequest, requests: int) -> Storm:
    """Fails if anything was done twice, or told wrong."""
    seed = seeded()
    storm, wrong = stormed(backend, request, seed, requests)
    tell("G4", backend, **storm.figures(), doubled=doubled(wrong), wrong=len(wrong), seed=seed)
    assert wrong[:3] == [], f"seed {seed}"
    assert min(storm.told["unknown"], storm.told["reused"]) > requests / 20, "there was nothing to look at"
    return storm


def doubled(wrong: Sequence[str]) -> int:
    """How many requests were not done once."""
    return sum("stands there" in what for what in wrong)


@pytest.mark.parametrize(("backend", "requests"), [("sqlite", 60), ("postgresql", 16), ("jetstream", 16)])
def test_whoever_asks_again_is_given_the_first_answer(
    backend: str, requests: int, request: pytest.FixtureRequest
) -> None:
    weathered(backend, request, requests)


@pytest.mark.long
@pytest.mark.parametrize(("backend", "requests"), [("sqlite", 1_000), ("postgresql", 1_000), ("jetstream", 3_200)])
def test_of_ten_thousand_repeats_none_is_done_twice(
    backend: str, requests: int, request: pytest.FixtureRequest
) -> None:
    storm = weathered(backend, request, requests)
    assert storm.figures()["repeats"] >= 10_000
    assert storm.told["unknown"] >= 2_000


def killed_clients(url: str, kills: int) -> None:
    """So many times two clients are killed that ask for the same. Fails if anything was done twice, or told wrong."""
    seed = seeded()
    storm = killed(url, seed, kills)
    tell("G4", f"{named(url)}-kills", kills=2 * kills, **storm.figures(), doubled=doubled(storm.wrong), seed=seed)
    assert storm.wrong[:3] == [], f"seed {seed}"


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
def test_those_who_come_after_killed_clients_are_given_their_answers(url: str) -> None:
    killed_clients(url, 8)


@pytest.mark.long
@pytest.mark.parametrize("new_url", ["sqlite", "postgresql"], indirect=True)
def test_those_who_come_after_many_killed_clients_are_given_their_answers(url: str) -> None:
    killed_clients(url, 500)
