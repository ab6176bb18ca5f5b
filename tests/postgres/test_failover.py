"""Three nodes, and the one that leads is killed under load: nothing acknowledged is lost or doubled, and it goes on."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator

import pytest
from tests.postgres.failover import killed

from refold import MissingExtra, Store
from refold.testing.patroni import PatroniCluster, patroni_cluster

pytestmark = [pytest.mark.guarantee("G3"), pytest.mark.guarantee("G4")]

RESUMES_IN = 30.0
"""Seconds within which appends are to be acknowledged again."""
LOSSY = {"synchronous_mode": False, "maximum_lag_on_failover": 1 << 30}


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


def test_nothing_acknowledged_is_lost_when_the_node_that_leads_is_killed(cluster: PatroniCluster) -> None:
    with Store.open(cluster.url()) as store:
        assert store.durability == "quorum-disk"
    report = killed(cluster, cluster.url(), secrets.randbelow(10_000), kills=1, muted=[False])
    print(f"\nthe leader's node killed once: {report}")
    assert report.wrong[:3] == []
    assert max(report.outages) < RESUMES_IN


@pytest.mark.long
def test_nothing_acknowledged_is_lost_in_ten_kills_of_the_node_that_leads(cluster: PatroniCluster) -> None:
    report = killed(cluster, cluster.url(), secrets.randbelow(10_000), kills=10, muted=[False, True])
    print(f"\nthe leader's node killed ten times: {report}")
    assert report.wrong[:3] == []
    assert max(report.outages) < RESUMES_IN


@pytest.mark.long
def test_without_synchronous_replication_what_is_lost_is_found() -> None:
    with patroni_cluster(settings=LOSSY) as cluster:
        with Store.open(cluster.url()) as store:
            assert store.durability == "disk"
        report = killed(cluster, cluster.url(), 1, kills=1, muted=[True])
    print(f"\nasynchronous, the leader's node killed once: {report}; {len(report.wrong)} found, {report.wrong[:1]}")
    assert any(what.startswith("lost") for what in report.wrong)
