"""Events in one place and SQL in another: whatever breaks between the commit and the append, a step happens once."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest

from refold import Store
from refold._bridge.blocking import blocking_engine
from refold.backends.memory import MemoryBackend
from refold.backends.paired import Paired
from refold.backends.sqlite import Location, SqliteBackend
from refold.clock import SystemClock
from refold.codec import Codec
from refold.errors import OutcomeUnknown, StoreUnreachable, UsageError
from refold.flows.prepare import Runtime
from refold.messages import Context, Recorded
from refold.ports import Append, AppendResult
from refold.process import Effect, after
from refold.testing.contract.ordering import Overdue, Paid, Placed, State, payment
from refold.testing.contract.sample import EVENTS, Deposit, Deposited, accounts

Trouble = Literal["none", "before", "after"]


class Elsewhere(MemoryBackend):
    """Events that fail where a journal is appended to: before anything is written, or after, so that nobody is told.

    `meanwhile`: what happens once, after such an append, before anybody is told.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Trouble = "none"
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def append(self, append: Append) -> AppendResult:
        is_journal = append.writes[0].stream.startswith("$process.")
        if is_journal and self.trouble == "before":
            raise StoreUnreachable("nobody answers")
        result = await super().append(append)
        if is_journal and self.trouble == "after":
            raise OutcomeUnknown(ConnectionError("the answer was lost"))
        if is_journal and (meanwhile := self.meanwhile):
            self.meanwhile = None
            await meanwhile()
        return result

    async def wait(self, after: int, seconds: float) -> int:
        return await self.head()

    async def close(self) -> None:
        """Others go on with them."""


def opened(events: Elsewhere, models: Path, place: str = "here") -> Store:
    database = SqliteBackend(Location.parse(f"sqlite:///{models}"))
    engine = blocking_engine(Paired(events, database, events, place))
    return Store(engine, Runtime(Codec(EVENTS), SystemClock()), Context())


def pays(recorded: Recorded[Any], state: State) -> Iterable[Effect]:
    """Puts what is paid into an account, and sets a timer."""
    if isinstance(recorded.data, Paid):
        yield accounts.send("shop", Deposit(recorded.data.cents))
        yield after(timedelta(0), Overdue(recorded.data.cents))


def types(store: Store, stream: str) -> list[str]:
    return [event.type for event in store.read(stream)]


STEPS = [
    "$process.started", "$process.reacted", "$process.reacted", "$process.sent", "$process.timer-set", "order.overdue",
    "$process.delivered", "$process.reacted",
]  # fmt: skip


@pytest.mark.guarantee("G13")
@pytest.mark.parametrize("trouble", ["before", "after"])
def test_what_a_step_wanted_appended_is_sent_by_whoever_comes_next(tmp_path: Path, trouble: Trouble) -> None:
    events = Elsewhere()
    with opened(events, tmp_path / "models.db") as store:
        store.append("order-1", [Placed(), Paid(7)])
        events.trouble = trouble
        for _ in range(5):
            try:
                store.process(payment(pays)).catch_up(accounts)
            except (StoreUnreachable, OutcomeUnknown):
                continue
    events.trouble = "none"
    with opened(events, tmp_path / "models.db") as store:  # as after a crash: nobody knows of it but the database
        for _ in range(3):
            store.process(payment(pays)).catch_up(accounts)
        assert sorted(types(store, "$process.payment-1")) == sorted(STEPS)
        assert [event.data for event in store.read("account-shop")] == [Deposited(7)]
        assert not store.process(payment(pays)).outgoing()


def test_who_is_late_to_say_that_it_was_sent_does_not_say_so_of_what_came_after(tmp_path: Path) -> None:
    events = Elsewhere()
    with opened(events, tmp_path / "models.db") as late, opened(events, tmp_path / "models.db") as other:

        async def broken() -> None:
            events.trouble = "before"  # what the next step wants appended stays where it is written down

        async def meanwhile() -> None:
            late.append("order-1", [Paid(7)])
            events.meanwhile = broken
            with suppress(StoreUnreachable):
                other.process(payment(pays)).catch_up(accounts)
            events.trouble = "none"

        events.meanwhile = meanwhile
        late.append("order-1", [Placed()])
        for _ in range(3):
            late.process(payment(pays)).catch_up(accounts)
        assert sorted(types(late, "$process.payment-1")) == sorted(STEPS)


def test_a_database_of_other_events_is_refused(tmp_path: Path) -> None:
    opened(Elsewhere(), tmp_path / "models.db").close()
    with pytest.raises(UsageError, match="keeps the read models of 'here', not of 'there'"):
        opened(Elsewhere(), tmp_path / "models.db", "there")


def test_a_database_that_holds_events_is_refused(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/models.db", events=EVENTS) as store:
        store.append("account-1", [Deposited(1)])
    with pytest.raises(UsageError, match="holds events itself"):
        opened(Elsewhere(), tmp_path / "models.db")


def test_where_the_database_cannot_be_opened_the_events_are_let_go(nats: str, tmp_path: Path) -> None:
    def bridges() -> int:
        return sum(thread.name == "refold-nats" for thread in threading.enumerate())

    before = bridges()
    with pytest.raises(StoreUnreachable, match="no directory"):
        Store.open(f"{nats}/{uuid4().hex}?models=sqlite:///{tmp_path}/nowhere/models.db")
    assert bridges() == before
