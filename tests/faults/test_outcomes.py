"""A commit that fails half-way: the outcome is unknown, is told as such, and repeating the request settles it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import pytest

from refold import AsyncStore, NewEvent, OutcomeUnknown, Store
from refold.testing.contract.base import outcomes
from refold.testing.contract.sample import EVENTS, Deposit, Deposited, Noted, accounts

pytestmark = [pytest.mark.guarantee("G3"), pytest.mark.guarantee("G4")]


class FailingCommits:
    """A connection whose next commits end with an I/O error: after the file has it, or before."""

    def __init__(self, db: apsw.Connection, *, written: list[bool]) -> None:
        self._db, self._written = db, written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, statement: str, *args: Any, **options: Any) -> Any:
        if statement != "commit" or not self._written:
            return self._db.execute(statement, *args, **options)
        self._db.execute("commit" if self._written.pop(0) else "rollback")
        raise apsw.IOError("disk I/O error")


def fail(store: Store | AsyncStore, *written: bool) -> None:
    """Let the store's next commits fail."""
    engine: Any = store._engine
    backend: Any = engine._writer.backend
    backend._db = FailingCommits(backend._db, written=list(written))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        yield store


@pytest.mark.parametrize("written", [True, False])
def test_an_append_with_an_unknown_outcome_is_settled_by_repeating_it(store: Store, *, written: bool) -> None:
    events = [NewEvent(Noted("a"), id=UUID(int=1)), NewEvent(Noted("b"), id=UUID(int=2))]
    fail(store, written)
    with pytest.raises(OutcomeUnknown, match="Repeat the append with the same event ids"):
        store.append("note-1", events, expected=0)
    assert len(list(store.read())) == 2 * written

    receipt = store.append("note-1", events, expected=0)

    assert (receipt.version, receipt.positions, receipt.repeated) == (2, (1, 2), written)
    assert [event.data for event in store.read()] == [Noted("a"), Noted("b")]


@pytest.mark.parametrize("written", [True, False])
def test_a_command_with_an_unknown_outcome_is_settled_by_its_key(store: Store, *, written: bool) -> None:
    account = store.bind(accounts)
    fail(store, written)
    with pytest.raises(OutcomeUnknown):
        account.handle("1", Deposit(5), idempotency_key="k")

    handled = account.handle("1", Deposit(5), idempotency_key="k")

    assert (handled.state, handled.version, handled.events, handled.repeated) == (5, 1, (Deposited(5),), written)
    assert account.state("1") == 5


@pytest.mark.parametrize("written", [True, False])
def test_after_a_restart_the_repeat_settles_it_too(tmp_path: Path, *, written: bool) -> None:
    url, events = f"sqlite:///{tmp_path}/store.db", [NewEvent(Noted("a"), id=UUID(int=1))]
    with Store.open(url, events=EVENTS) as store:
        fail(store, written)
        with pytest.raises(OutcomeUnknown):
            store.append("note-1", events)
    with Store.open(url, events=EVENTS) as store:
        assert store.append("note-1", events).repeated == written
        assert store.head() == 1


@pytest.mark.parametrize("written", [True, False])
async def test_every_caller_of_the_group_is_told_and_each_can_settle_its_own(tmp_path: Path, *, written: bool) -> None:
    async with await AsyncStore.open(f"sqlite:///{tmp_path}/store.db", events=EVENTS) as store:
        account = store.bind(accounts)
        fail(store, written, written, written)

        first = await outcomes(*(account.handle(str(i), Deposit(i + 1), idempotency_key=str(i)) for i in range(32)))
        again = await outcomes(*(account.handle(str(i), Deposit(i + 1), idempotency_key=str(i)) for i in range(32)))
        while any(isinstance(told, OutcomeUnknown) for told in again):
            again = await outcomes(*(account.handle(str(i), Deposit(i + 1), idempotency_key=str(i)) for i in range(32)))

        assert any(isinstance(told, OutcomeUnknown) for told in first)
        assert [told.state for told in again] == [i + 1 for i in range(32)]
        assert await store.head() == 32


def test_an_error_before_the_commit_is_certain(store: Store) -> None:
    engine: Any = store._engine
    backend: Any = engine._writer.backend

    class Failing(FailingCommits):
        def executemany(self, statement: str, rows: Any) -> Any:
            self._db.executemany(statement, rows)
            raise apsw.IOError("disk I/O error")

    whole = backend._db
    backend._db = Failing(whole, written=[])
    with pytest.raises(Exception, match="SQLite says IOError") as caught:
        store.append("note-1", [Noted("a")])
    assert not isinstance(caught.value, OutcomeUnknown)
    backend._db = whole
    assert store.append("note-1", [Noted("a")], expected=0).version == 1
