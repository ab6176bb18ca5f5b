"""Servers die and are cut off under projections and processes: what these come to is the fold of the log, each step once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.nats.blows import cutting, killing, url_of
from tests.nats.partitions import Partitioned, partitioned
from tests.postgres.servers import until

from refold import NewEvent, Projection, Store, sql
from refold.errors import OutcomeUnknown, StoreError
from refold.messages import Recorded
from refold.process import Effect
from refold.projection import Statement
from refold.testing.contract.ordering import ORDERS, Paid, State, payment
from refold.testing.contract.sample import EVENTS, Deposit, accounts

pytestmark = [pytest.mark.guarantee("G26")]

SHARE = 4
"""How many orders go to one account."""
CATCHES_UP_IN = 120.0


@pytest.fixture
def parted() -> Iterator[Partitioned]:
    """Servers of their own, since they are not spared."""
    with partitioned() as found:
        yield found


def pays(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """Puts what is paid into an account."""
    if isinstance(recorded.data, Paid):
        yield accounts.send(f"shop-{recorded.data.cents % SHARE}", Deposit(recorded.data.cents))


def taken() -> Projection:
    """What was paid. Doing it twice would be an error, and park the order."""
    projection = Projection(
        "taken", schema="create table taken (cents integer primary key, at integer)", key=lambda e: str(e.stream)
    )

    @projection.on(Paid)
    def take(event: Recorded[Paid]) -> Iterator[Statement]:
        yield sql("insert into taken values (:cents, :at)", cents=event.data.cents, at=event.position)

    return projection


class Shop:
    """Two programs that run a projection and a process over the same database, and one that takes orders."""

    def __init__(self, url: str, models: Path, stack: ExitStack) -> None:
        self._url, self._stack = f"{url}?models=sqlite:///{models}", stack
        self.paid = 0
        self.store = self._opened()
        self._running = [stack.enter_context(self._opened().run(payment(pays), accounts, taken())) for _ in range(2)]

    def _opened(self) -> Store:
        return self._stack.enter_context(Store.open(self._url, events=[*EVENTS, *ORDERS]))

    def pay(self, orders: int) -> None:
        """Each is acknowledged, however often it has to be asked for."""
        for _ in range(orders):
            self.paid += 1
            new, stream = [NewEvent(Paid(self.paid), id=uuid4())], f"order-{self.paid}"
            until("an order is acknowledged", lambda stream=stream, new=new: self._took(stream, new), 60)

    def _took(self, stream: str, new: Sequence[NewEvent[Paid]]) -> bool:
        try:
            self.store.append(stream, new)
        except (StoreError, OutcomeUnknown):
            return False
        return True

    def is_done(self) -> bool:
        """Whether everything was applied and delivered."""
        try:
            status = self.store.projections()
            instances = self.store.process(payment(pays))
            behind = [each for each in status if each.position < self.store.head()]
            waiting = instances.outgoing()
            started = self.store.query("select count(*) from taken") == [(self.paid,)]
        except (StoreError, OutcomeUnknown):
            return False
        return started and not behind and not waiting and len(self.deposits()) >= self.paid

    def deposits(self) -> list[int]:
        """What was put into the accounts."""
        return [event.data.amount for n in range(SHARE) for event in self.store.read(f"account-shop-{n}")]


def gone_through(parted: Partitioned, models: Path, blows: Sequence[Callable[[], Callable[[], None]]]) -> None:
    """Strike so often while orders come in, and see what it has come to."""
    with ExitStack() as stack:
        shop = Shop(url_of(parted.nodes), models, stack)
        shop.pay(5)
        for blow in blows:
            mend = blow()
            shop.pay(5)
            mend()
            shop.pay(5)
        until("everything was applied and delivered", shop.is_done, CATCHES_UP_IN)
        store, orders = shop.store, list(range(1, shop.paid + 1))
        log = {event.data.cents: int(event.position) for event in store.read() if isinstance(event.data, Paid)}
        assert [*log] == orders
        assert store.query("select cents, at from taken order by cents") == list(log.items())
        assert sorted(shop.deposits()) == orders
        assert store.model(taken()).dead_letters() == ()
        assert [str(each) for _, found in store.verify() for each in found] == []


def test_what_runs_while_a_server_dies_comes_to_the_fold_of_the_log(parted: Partitioned, tmp_path: Path) -> None:
    gone_through(parted, tmp_path / "models.db", [killing(parted.nodes, leads=True)])


@pytest.mark.long
def test_and_so_it_does_when_they_die_and_are_cut_off_again_and_again(parted: Partitioned, tmp_path: Path) -> None:
    each = [killing(parted.nodes, leads=True), killing(parted.nodes, leads=False), cutting(parted)]
    gone_through(parted, tmp_path / "models.db", each * 7)
