"""G25: the death of a PostgreSQL backend or leader loses, doubles and skips nothing. G7: nor is anything read taken back.

Sessions are terminated, or die so that the server restarts all of them; the node that leads a cluster of three is killed, and
another takes over. Meanwhile writers append and readers follow, of a cluster one on the leader and one on a standby. What each
was told goes to two judges that have nothing in common.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random

import psycopg
import pytest
from tests.faults.load import Load, Report
from tests.faults.ordering import followed
from tests.guarantees.seeding import seeded
from tests.guarantees.telling import tell
from tests.postgres.failover import judged, killed
from tests.postgres.servers import until

from refold import MissingExtra, Store
from refold.testing.patroni import PatroniCluster, patroni_cluster
from refold.testing.postgres import postgres_server

pytestmark = [pytest.mark.guarantee("G25"), pytest.mark.guarantee("G7")]

RESUMES_IN = 30.0
"""Seconds within which appends are to be acknowledged again."""
LOSSY = {"synchronous_mode": False, "maximum_lag_on_failover": 1 << 30}
AT_WORK = (
    "select pid from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle' order by random() limit 1"
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # it tells of every connection that is lost


@pytest.fixture
def cluster() -> Iterator[PatroniCluster]:
    """Three nodes, quorum-synchronous."""
    try:
        with patroni_cluster() as cluster:
            yield cluster
    except MissingExtra as missing:
        pytest.skip(str(missing))


def fine(report: Report, seed: int, **what: int) -> None:
    tell("G25", "postgresql", **what, **report.figures(), seed=seed)
    assert report.wrong[:3] == [], f"seed {seed}"
    assert report.seen > report.events / 2, "nobody was looking"
    assert max(report.outages) < RESUMES_IN


@pytest.mark.guarantee("G3")
@pytest.mark.guarantee("G4")
def test_nothing_acknowledged_is_lost_when_the_node_that_leads_is_killed(cluster: PatroniCluster) -> None:
    with Store.open(cluster.url()) as store:
        assert store.durability == "quorum-disk"
    seed = seeded()
    fine(killed(cluster, cluster.url(), seed, kills=1, muted=[False]), seed, leaders_killed=1)


@pytest.mark.long
@pytest.mark.guarantee("G3")
@pytest.mark.guarantee("G4")
def test_nothing_acknowledged_is_lost_in_ten_kills_of_the_node_that_leads(cluster: PatroniCluster) -> None:
    seed = seeded()
    fine(killed(cluster, cluster.url(), seed, kills=10, muted=[False, True]), seed, leaders_killed=10)


@pytest.mark.long
def test_without_synchronous_replication_what_is_lost_is_found() -> None:
    with patroni_cluster(settings=LOSSY) as cluster:
        with Store.open(cluster.url()) as store:
            assert store.durability == "disk"
        seed = seeded()
        report = killed(cluster, cluster.url(), seed, kills=1, muted=[True])
    tell("G25", "postgresql-asynchronous", leaders_killed=1, **report.figures(), seed=seed)
    assert any(what.startswith("lost") for what in report.wrong)
    assert report.taken_back > 0


def backends_killed(count: int) -> None:
    """A server whose session dies by `kill -9` restarts all of them, since what they share may be damaged."""
    seed = seeded()
    random, outages = Random(seed), list[float]()  # noqa: S311 - the same each time for a seed
    with postgres_server(durable=True) as server:
        url = server.new_database()
        Store.open(url).close()
        with Load(url, seed, writers=4, readers=[""]) as load:
            for _ in range(count):
                load.answered(random.randrange(5, 20))
                at = time.monotonic_ns()
                until("somebody is at work", lambda: kill_one(url))
                load.answered(5)
                outages.append(load.outage(at))
        report = judged(url, load, outages)
    fine(report, seed, backends_killed=count)


def kill_one(url: str) -> bool:
    """Kill one of those who are at work, if there is one."""
    with suppress(psycopg.OperationalError, ProcessLookupError), psycopg.connect(url, autocommit=True) as connection:
        for (pid,) in connection.execute(AT_WORK):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


@pytest.mark.guarantee("G3")
def test_backends_that_are_killed_lose_nothing_and_double_nothing() -> None:
    backends_killed(4)


@pytest.mark.long
@pytest.mark.guarantee("G3")
def test_hundreds_of_backends_that_are_killed_lose_nothing_and_double_nothing() -> None:
    backends_killed(300)


def backends_terminated(url: str, seconds: float) -> int:
    """Fails if a reader missed anything, or somebody was told wrong."""
    seed = seeded()
    with terminator(url) as (terminate, terminated):
        found = followed(url, seconds, seed % 1_000, joining=2, disturb=terminate)
    tell(
        "G25", "postgresql", backends_terminated=len(terminated), events=found.events, refused=found.refused,
        unknown=found.unknown, missing=found.missing, wrong=len(found.wrong), seed=seed,
    )  # fmt: skip
    assert found.wrong == [], f"seed {seed}"
    return len(terminated)


@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
def test_terminated_backends_lose_nothing_and_double_nothing(url: str) -> None:
    assert backends_terminated(url, 3) > 20


@pytest.mark.long
@pytest.mark.guarantee("G6")
@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
def test_terminated_backends_lose_nothing_and_double_nothing_for_a_minute(url: str) -> None:
    assert backends_terminated(url, 60) > 400


@contextmanager
def terminator(url: str) -> Generator[tuple[Callable[[], None], Sequence[int]]]:
    """A call that terminates one of the backends that are at work, and the list of those that it has terminated."""
    terminated: list[int] = []
    with psycopg.connect(url, autocommit=True) as connection:
        chosen = f"select pid, pg_terminate_backend(pid) from ({AT_WORK}) busy".encode()  # noqa: S608 - ours
        yield lambda: terminated.extend(pid for pid, _ in connection.execute(chosen)), terminated
