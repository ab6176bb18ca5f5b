"""G3: an append ends as done, as refused and certainly not written, or as `OutcomeUnknown`.

Calls of SQLite fail at random, those of a commit among them; connections to PostgreSQL are cut at every request; tasks are
cancelled at every await. What each append was told is held against what is there, and repeating it settles what is unknown.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from errno import EIO, ENOSPC
from random import Random
from uuid import uuid4

import pytest
from tests.faults.cancelling import cancel_appends
from tests.faults.failing import NthFails, Way
from tests.faults.filecalls import Kind
from tests.faults.folders import quick_folder
from tests.faults.troubled import Troubled
from tests.guarantees.seeding import named, seeded
from tests.guarantees.telling import tell
from tests.postgres.cutting import cut_appends
from tests.postgres.servers import tcp_server

from refold.testing.postgres import PostgresServer

pytestmark = [pytest.mark.guarantee("G3")]

ROUND = 20
"""So many appends are made to one store."""


# Calls of SQLite fail -------------------------------------------------------------------------------------------------


def troubled(count: int) -> None:
    seed = seeded()
    random, told, there, wrong = Random(seed), Counter[str](), 0, list[str]()  # noqa: S311 - the same for a seed
    for _ in range(count // ROUND):
        with quick_folder() as folder:
            trouble, found = one_round(f"sqlite:///{folder}/store.db", random)
        told.update(trouble.counts)
        there += found
        wrong += trouble.wrong
    tell("G3", "sqlite", operations=sum(told.values()), **told, unknown_and_there=there, wrong=len(wrong), seed=seed)
    assert wrong == [], f"seed {seed}"
    assert set(told) == {"done", "refused", "unknown"}
    assert there > 0


def one_round(url: str, random: Random) -> tuple[Troubled, int]:
    """Again and again one of the next calls fails; at last none succeeds any more, as for a program that is killed."""
    fails = NthFails("write", 0)
    with Troubled(url, fails, random.randrange(1 << 32)) as trouble:
        assert trouble.open()
        for _ in range(ROUND - 1):
            _next(fails, random, random.choice(("whole", "short")))
            trouble.append(1)
        _next(fails, random, "torn")
        trouble.append(1)
    return trouble, trouble.settle()


def _next(fails: NthFails, random: Random, way: Way) -> None:
    kinds: tuple[Kind, ...] = ("write", "sync", "sync", "truncate")
    fails.kind, fails.errno, fails.way = random.choice(kinds), random.choice((EIO, ENOSPC)), way
    fails.from_now(1 if fails.kind == "sync" else random.choice((0, 1, 2, 5, 10)))


def test_an_append_to_sqlite_ends_as_it_was_told_whatever_its_disk_says() -> None:
    troubled(400)


@pytest.mark.long
def test_ten_thousand_appends_to_sqlite_end_as_they_were_told() -> None:
    troubled(10_000)


# Connections to PostgreSQL are cut ------------------------------------------------------------------------------------


def cut(*, clients: int, turns: int, rate: float) -> Counter[str]:
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of every connection that is cut
    seed = seeded()
    with tcp_server() as server:
        url = server.new_database()
        came = cut_appends(url, server.port, seed, clients=clients, turns=turns, rate=rate)
        server.drop(url)
    tell(
        "G3", "postgresql", operations=clients * turns, connections_cut=sum(came.cuts.values()),
        **{what.replace(", ", "_").replace(" ", "_"): times for what, times in came.told.items()},
        wrong=len(came.wrong), seed=seed,
    )  # fmt: skip
    assert came.wrong == [], f"seed {seed}"
    return came.told


@pytest.mark.guarantee("G4")
@pytest.mark.guarantee("G25")
def test_appends_through_cut_connections_to_postgresql_are_told_right() -> None:
    told = cut(clients=8, turns=18, rate=0.4)
    assert told["unknown"] > 5
    assert told["unknown, and there"] > 0
    assert told["done, and it was a repeat"] > 20


@pytest.mark.long
@pytest.mark.guarantee("G4")
@pytest.mark.guarantee("G25")
def test_ten_thousand_appends_through_cut_connections_to_postgresql_are_told_right() -> None:
    told = cut(clients=16, turns=625, rate=0.5)
    assert told["unknown"] > 1_000


# Tasks are cancelled --------------------------------------------------------------------------------------------------


def cancelled(url: str, count: int) -> None:
    seed = seeded()
    came = asyncio.run(cancel_appends(url, count, seed))
    tell(
        "G3", named(url), operations=count, done=came.done, cancelled=came.at.total(), at_awaits=len(came.at),
        cancelled_and_there=came.there, wrong=len(came.wrong), seed=seed,
    )  # fmt: skip
    assert came.wrong == [], f"seed {seed}"
    assert set(came.at) == set(range(1, max(came.at) + 1))  # at each of them
    assert 0 < came.there < came.at.total()


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.long)])
def test_an_append_to_sqlite_that_is_cancelled_at_any_await_is_whole_or_not_there(count: int) -> None:
    with quick_folder() as folder:
        cancelled(f"sqlite:///{folder}/store.db", count)


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_an_append_to_postgresql_that_is_cancelled_at_any_await_is_whole_or_not_there(
    postgres: PostgresServer, count: int
) -> None:
    url = postgres.new_database()
    cancelled(url, count)
    postgres.drop(url)


@pytest.mark.parametrize("count", [160, pytest.param(10_000, marks=pytest.mark.long)])
def test_an_append_to_jetstream_that_is_cancelled_at_any_await_is_whole_or_not_there(nats: str, count: int) -> None:
    cancelled(f"{nats}/c{uuid4().hex}", count)
