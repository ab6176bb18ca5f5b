"""Contract: commands are kept beside the events that they led to, and are decided again upon the state that they met."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from refold.aio import AsyncStore
from refold.errors import InvalidEvent, NoSuchVersion, TooLarge, UnknownEventType, UsageError
from refold.fold import Decider
from refold.limits import Limits
from refold.messages import NewEvent, OwnEvent, Position, RawEvent, command
from refold.patching import Operation
from refold.ports import PAGE
from refold.testing.contract.base import Contract, Stores, listed
from refold.testing.contract.closing import Close, Closed, Opened, Write, Written, books, closing
from refold.testing.contract.sample import (
    AccountCommand,
    AccountEvent,
    Deposit,
    Deposited,
    Noted,
    Overdrawn,
    Withdraw,
    Withdrawn,
    account,
    accounts,
    balance,
    notes,
)
from refold.testing.contract.upcasting import Order, OrderEvent, Paid, Place, Placed, Shipped, order_evolve, place


@command("account.split")
class Split:
    count: int


@command("account.rate")
class Rate:
    percent: float


def in_parts(command: Split | Rate, balance: int) -> Iterator[AccountEvent]:
    """As many deposits as are asked for, the first of which tells what was there."""
    if isinstance(command, Split):
        yield Deposited(balance)
        yield from [Deposited(1)] * (command.count - 1)


splitting: Final = Decider("account", initial=int, evolve=balance, decide=in_parts)


def stricter(command: AccountCommand, balance: int) -> Iterator[AccountEvent]:
    """Ten must stay in it, and of what is paid in one is kept."""
    match command:
        case Withdraw(amount) if amount > balance - 10:
            raise Overdrawn(f"{balance} is there")
        case Deposit(amount):
            yield Deposited(amount - 1)
        case _:
            yield from account(command, balance)


def unmarked(command: int, balance: int) -> Iterator[AccountEvent]:
    """A command without a wire name."""
    yield Deposited(command + balance)


def unannotated(command, balance):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 # pyright: ignore - what is tested
    """Nobody can tell what it takes."""
    yield Deposited(1)


@command("order.close")
class CloseOrder:
    to: str


def order(command: Place | CloseOrder, order: Order) -> Iterator[OrderEvent]:
    """Today's rules of an order."""
    if isinstance(command, Place):
        yield from place(command, order)
    else:
        yield Paid(order.owed)
        yield Shipped(command.to, "post")


ordering: Final = Decider("order", initial=Order, evolve=order_evolve, decide=order)


def deciding_by(decide: Callable[..., Any]) -> Decider[Any, int, AccountEvent]:
    """The accounts by other rules."""
    return Decider("account", initial=int, evolve=balance, decide=decide)


class Redeciding(Contract):
    """`bind(..., keep_commands=True)` and `redecide`."""

    async def test_a_kept_command_is_in_the_metadata_of_all_that_it_led_to(self, store: AsyncStore) -> None:
        await store.bind(splitting, keep_commands=True).handle("1", Split(2))
        await store.bind(splitting).handle("1", Split(1))
        assert [event.metadata.free for event in await listed(store.read())] == [
            {"$command": "account.split", "$asked": '{"count":2}'},
            {"$command": "account.split", "$asked": '{"count":2}'},
            {"$command": "account.split"},
        ]

    async def test_the_same_rules_decide_the_same_again(self, store: AsyncStore) -> None:
        bound = store.bind(accounts, keep_commands=True)
        commands: list[AccountCommand] = [Deposit(50), Withdraw(20), Deposit(0), Withdraw(30)]
        for asked in commands:
            await bound.handle("1", asked)
        events = await listed(store.read("account-1"))
        found = await listed(store.bind(accounts).redecide("1"))
        assert [(str(each.stream), each.version, each.name, each.command) for each in found] == [
            ("account-1", 1, "account.deposit", Deposit(50)),
            ("account-1", 2, "account.withdraw", Withdraw(20)),
            ("account-1", 3, "account.withdraw", Withdraw(30)),
        ]
        assert [each.happened for each in found] == [(event,) for event in events]
        assert [(each.verdict, each.differs, each.diff, each.error) for each in found] == [
            ("same", False, (), None)
        ] * 3

    async def test_other_rules_show_other_events_and_what_they_refuse(self, store: AsyncStore) -> None:
        bound = store.bind(accounts, keep_commands=True)
        for asked in (Deposit(50), Withdraw(20), Withdraw(25)):
            await bound.handle("1", asked)
        before = await listed(store.read()), await store.stats()
        paid, out, over = await listed(store.bind(deciding_by(stricter)).redecide("1"))
        assert (paid.verdict, paid.decided, paid.diff) == (
            "other events",
            (Deposited(49),),
            (Operation("replace", "/0/data/amount", 49, 50),),
        )
        assert (out.verdict, out.decided) == ("same", (Withdrawn(20),))
        assert (over.verdict, over.decided, type(over.error), str(over.error)) == (
            "fails",
            (),
            Overdrawn,
            "30 is there",
        )
        assert (await listed(store.read()), await store.stats()) == before

    async def test_it_meets_the_state_that_was_there_and_not_what_it_would_have_been(self, store: AsyncStore) -> None:
        bound = store.bind(splitting, keep_commands=True)
        await store.append("account-1", [Deposited(5)])
        await bound.handle("1", Split(3))
        await store.append("account-1", [Withdrawn(1)])
        await bound.handle("1", Split(1))
        found = await listed(store.bind(splitting).redecide("1"))
        assert [(each.version, len(each.happened), each.decided[0], each.verdict) for each in found] == [
            (2, 3, Deposited(5), "same"),
            (6, 1, Deposited(11), "same"),
        ]

    async def test_what_kept_no_command_is_folded_and_not_decided(self, store: AsyncStore) -> None:
        await store.bind(accounts).handle("1", Deposit(5))
        await store.append("account-1", [Deposited(1)])
        assert await listed(store.bind(accounts).redecide("1")) == []
        assert await listed(store.bind(accounts).redecide("nobody")) == []

    async def test_a_command_that_led_to_no_event_leaves_none(self, store: AsyncStore) -> None:
        bound = store.bind(accounts, keep_commands=True)
        await bound.handle("1", Deposit(0))
        with pytest.raises(Overdrawn):
            await bound.handle("1", Withdraw(1))
        assert await listed(bound.redecide("1")) == []

    async def test_a_command_whose_events_fill_pages_is_one(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(batch_events=3 * PAGE))
        bound = store.bind(splitting, keep_commands=True)
        for count in (PAGE - 1, PAGE + 1, PAGE):
            await bound.handle("1", Split(count))
        found = await listed(bound.redecide("1"))
        assert [(each.version, len(each.happened), each.verdict) for each in found] == [
            (1, PAGE - 1, "same"), (PAGE, PAGE + 1, "same"), (2 * PAGE + 1, PAGE, "same"),
        ]  # fmt: skip

    async def test_as_of_then_are_those_that_had_led_to_events(self, store: AsyncStore) -> None:
        bound = store.bind(splitting, keep_commands=True)
        first = await bound.handle("1", Split(2))
        await bound.handle("1", Split(2))

        async def versions(as_of: Any) -> list[int]:
            return [each.version for each in await listed(bound.redecide("1", as_of=as_of))]

        assert [await versions(version) for version in range(5)] == [[], [1], [1], [1, 3], [1, 3]]
        assert [await versions(position) for position in (Position(0), first.position)] == [[], [1]]
        assert [len(each.happened) for each in await listed(bound.redecide("1", as_of=1))] == [2]
        with pytest.raises(NoSuchVersion, match="has no version 5"):
            await versions(5)

    async def test_a_command_whose_class_changed_fails_and_the_others_are_decided(self, store: AsyncStore) -> None:
        await store.bind(splitting, keep_commands=True).handle("1", Split(2))
        await store.bind(accounts, keep_commands=True).handle("1", Deposit(2))
        unknown, same = await listed(store.bind(accounts).redecide("1"))
        assert (unknown.verdict, unknown.command, unknown.decided, same.verdict) == ("fails", None, (), "same")
        assert str(unknown.error) == (
            "no class is known for the command 'account.split'; known are: account.deposit, account.withdraw."
        )

    async def test_what_would_not_be_appended_fails(self, store: AsyncStore) -> None:
        def wrong(command: AccountCommand, balance: int) -> Iterator[Any]:
            half: Any = 0.5
            yield [Noted("no account"), Deposited(half), Deposited(balance)][command.amount - 1]

        bound = store.bind(accounts, keep_commands=True)
        for amount in (1, 2, 3):
            await bound.handle("1", Deposit(amount))
        found = await listed(store.bind(deciding_by(wrong)).redecide("1"))
        assert [(each.verdict, type(each.error)) for each in found] == [
            ("fails", AssertionError),  # the fold does not know the event
            ("fails", InvalidEvent),  # the fold takes it, the store would not
            ("same", type(None)),
        ]

    async def test_a_repeated_command_is_kept_once(self, store: AsyncStore) -> None:
        bound = store.bind(accounts, keep_commands=True)
        for _ in range(2):
            await bound.handle("1", Deposit(5), idempotency_key="k")
        assert [each.verdict for each in await listed(bound.redecide("1"))] == ["same"]

    async def test_what_cannot_be_kept_is_refused_and_nothing_is_written(self, stores: Stores) -> None:
        store = await stores.open(limits=Limits(metadata_bytes=40))
        with pytest.raises(UsageError, match=r"commands of 'account' cannot be kept: .*is no command.*@command"):
            store.bind(deciding_by(unmarked), keep_commands=True)
        with pytest.raises(UsageError, match=r"cannot be kept: .*has no annotation of its first parameter.*@command"):
            store.bind(deciding_by(unannotated), keep_commands=True)  # pyright: ignore[reportUnknownArgumentType]
        with pytest.raises(UsageError, match="fold 'note' has no commands to keep: what decides is a method"):
            store.bind(notes, keep_commands=True)  # type: ignore[call-overload] # pyright: ignore[reportArgumentType, reportCallIssue] - what is tested
        with pytest.raises(UsageError, match="commands upon it are not kept"):
            store.bind(accounts.tagged("to:Ada"), keep_commands=True)  # type: ignore[call-overload] # pyright: ignore[reportArgumentType, reportCallIssue] - what is tested
        with pytest.raises(UsageError, match="<lambda> cannot be kept: a method that decides"):
            await store.bind(accounts, keep_commands=True).do("1", lambda _: [Deposited(1)])
        bound = store.bind(splitting, keep_commands=True)
        with pytest.raises(InvalidEvent, match=r"command 'account\.rate' cannot be stored"):
            await bound.handle("1", Rate(float("nan")))
        with pytest.raises(TooLarge, match="the metadata of event"):
            await bound.handle("1", Split(2))
        with pytest.raises(UsageError, match="is not annotated with its class"):
            await bound.handle("1", Deposit(1))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - what is tested
        assert await store.head() == 0

    async def test_an_event_that_the_decider_cannot_read_ends_it(self, store: AsyncStore) -> None:
        bound = store.bind(accounts, keep_commands=True)
        await bound.handle("1", Deposit(5))
        await store.append("account-1", [Noted("no account")])
        with pytest.raises(UnknownEventType, match="version 2"):
            await listed(bound.redecide("1"))

    async def test_what_evolve_raises_says_where(self, store: AsyncStore) -> None:
        def failing(before: int, event: AccountEvent) -> int:
            return balance(before // event.amount if isinstance(event, Withdrawn) else before, event)

        bound = store.bind(accounts, keep_commands=True)
        await bound.handle("1", Deposit(5))
        await bound.handle("1", Withdraw(0))
        broken = replace(accounts, evolve=failing, events=(Deposited, Withdrawn))
        with pytest.raises(ArithmeticError) as raised:
            await listed(store.bind(broken).redecide("1"))
        assert raised.value.__notes__ == ["This was at version 2 of stream 'account-1'."]

    async def test_a_command_goes_along_when_its_events_are_appended_again(self, store: AsyncStore) -> None:
        await store.bind(accounts, keep_commands=True).handle("1", Deposit(5))
        (event,) = await listed(store.read())
        await store.append("account-2", [NewEvent(event.data, metadata=event.metadata)])
        (again,) = await listed(store.bind(accounts).redecide("2"))
        assert (str(again.stream), again.command, again.verdict) == ("account-2", Deposit(5), "same")

    async def test_events_in_an_older_shape_are_those_that_they_are_read_as(self, store: AsyncStore) -> None:
        placing = {"$command": "order.place", "$asked": '{"customer":"Ada","total":3}'}
        closing = {"$command": "order.close", "$asked": '{"to":"Oslo"}'}
        await store.append("order-1", [
            OwnEvent(RawEvent("order.placed", {"customer": "Ada", "total": 3}), metadata=placing),
            OwnEvent(RawEvent("order.closed", {"amount": 300, "to": "Oslo"}), metadata=closing),
        ])  # fmt: skip
        placed, closed = await listed(store.bind(ordering).redecide("1"))
        assert (placed.verdict, placed.decided) == ("same", (Placed("Ada", 300, "EUR"),))
        assert (closed.verdict, closed.decided) == ("same", (Paid(300), Shipped("Oslo", "post")))
        assert [(event.version, event.part) for event in closed.happened] == [(2, 1), (2, 2)]

    # Closed books -------------------------------------------------------------

    async def test_commands_upon_closed_books_are_decided_again_period_by_period(self, store: AsyncStore) -> None:
        ledger = store.bind(closing, keep_commands=True)
        for asked in (Write(5), Close(1), Write(0), Write(2), Close(2)):
            await ledger.handle("a", asked)
        found = await listed(store.bind(closing).redecide("a"))
        assert [(str(each.stream), each.version, each.command, each.decided, each.verdict) for each in found] == [
            ("book-a", 1, Write(5), (Written(5),), "same"),
            ("book-a", 2, Close(1), (Closed(1),), "same"),
            ("book-a@2", 2, Write(2), (Written(2),), "same"),
            ("book-a@2", 3, Close(2), (Closed(2),), "same"),
        ]
        opening = [e for e in await listed(ledger.read("a")) if isinstance(e.data, Opened)]
        assert [event.metadata.free for event in opening] == [{"$command": "book.close"}] * 2
        plain = await listed(store.bind(books).redecide("a@2"))
        assert plain == found[2:]
