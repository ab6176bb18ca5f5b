"""Servers die or are cut off under load: nothing acknowledged is lost or doubled, and no condition is broken."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.faults.load import Report
from tests.nats.partitions import Partitioned, partitioned
from tests.nats.traffic import leader_of, suffered

from refold.testing.nats import NatsNode, nats_cluster

pytestmark = [pytest.mark.guarantee("G26")]

NAME = "orders"


@pytest.fixture
def nodes() -> Iterator[Sequence[NatsNode]]:
    """A cluster of their own, since they are not spared."""
    with nats_cluster() as nodes:
        yield nodes


@pytest.fixture
def parted() -> Iterator[Partitioned]:
    """One whose servers can be cut off."""
    with partitioned() as found:
        yield found


def url_of(nodes: Sequence[NatsNode]) -> str:
    """Where their store is."""
    return f"nats://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}/{NAME}"


def killing(nodes: Sequence[NatsNode], *, leads: bool) -> Callable[[], Callable[[], None]]:
    """A blow that kills the server which leads, or one that does not, and starts it again."""

    def blow() -> Callable[[], None]:
        leader = leader_of(nodes, NAME)
        victim = next(node for node in nodes if (node.name == leader) is leads)
        victim.kill()

        def mend() -> None:
            victim.start()
            victim.ready()

        return mend

    return blow


def cutting(parted: Partitioned) -> Callable[[], Callable[[], None]]:
    """A blow that cuts off the server which leads from the others; clients still reach it."""

    def blow() -> Callable[[], None]:
        parted.cut_off(leader_of(parted.nodes, NAME))
        return parted.heal

    return blow


def fine(report: Report, what: str) -> None:
    """Nothing is wrong. How long it took is told: the servers elect in 4 to 9 seconds, or in twice that if votes are split."""
    print(f"\n{what}: {report}; lost, doubled, broken: {len(report.wrong)}")
    assert report.wrong[:3] == []


def test_servers_are_killed_and_cut_off_under_load(parted: Partitioned) -> None:
    blows = [killing(parted.nodes, leads=True), killing(parted.nodes, leads=False), cutting(parted)]
    report = suffered(url_of(parted.nodes), secrets.randbelow(10_000), blows, between=20)
    fine(report, "the leader killed, a follower killed, the leader cut off")


@pytest.mark.long
@pytest.mark.parametrize("leads", [True, False])
def test_twenty_servers_are_killed_under_load(nodes: Sequence[NatsNode], *, leads: bool) -> None:
    report = suffered(url_of(nodes), secrets.randbelow(10_000), [killing(nodes, leads=leads)] * 20)
    fine(report, f"20 kills of {'the leader' if leads else 'a follower'}")


@pytest.mark.long
def test_the_leader_is_cut_off_ten_times_under_load(parted: Partitioned) -> None:
    report = suffered(url_of(parted.nodes), secrets.randbelow(10_000), [cutting(parted)] * 10)
    fine(report, "the leader cut off 10 times")
