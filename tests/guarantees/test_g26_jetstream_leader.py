"""G26: the death of a JetStream leader loses and doubles nothing. G7: nor is anything that was read taken back.

Servers of a cluster of three die, or are cut off from the others, while writers append and a reader follows. What each was
told goes to two judges that have nothing in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from tests.guarantees.seeding import seeded
from tests.guarantees.telling import tell
from tests.nats.blows import Blow, cutting, killing, url_of
from tests.nats.partitions import Partitioned, partitioned
from tests.nats.traffic import suffered

from refold.testing.nats import NatsNode, nats_cluster

pytestmark = [pytest.mark.guarantee("G26"), pytest.mark.guarantee("G7")]


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


def survived(nodes: Sequence[NatsNode], blows: Sequence[Blow], *, between: int = 60, **what: int) -> None:
    """How long nobody was answered is told: the servers elect in 4 to 9 seconds, or in twice that if votes are split."""
    seed = seeded()
    report = suffered(url_of(nodes), seed, blows, between=between)
    tell("G26", "jetstream", **what, **report.figures(), seed=seed)
    assert report.wrong[:3] == [], f"seed {seed}"
    assert report.seen > report.events / 2, "nobody was looking"


def test_servers_are_killed_and_cut_off_under_load(parted: Partitioned) -> None:
    blows = [killing(parted.nodes, leads=True), killing(parted.nodes, leads=False), cutting(parted)]
    survived(parted.nodes, blows, between=20, leaders_killed=1, followers_killed=1, leaders_cut_off=1)


@pytest.mark.long
def test_the_leader_is_killed_twenty_times_under_load(nodes: Sequence[NatsNode]) -> None:
    survived(nodes, [killing(nodes, leads=True)] * 20, leaders_killed=20)


@pytest.mark.long
def test_a_follower_is_killed_twenty_times_under_load(nodes: Sequence[NatsNode]) -> None:
    survived(nodes, [killing(nodes, leads=False)] * 20, followers_killed=20)


@pytest.mark.long
def test_the_leader_is_cut_off_ten_times_under_load(parted: Partitioned) -> None:
    survived(parted.nodes, [cutting(parted)] * 10, leaders_cut_off=10)
