"""Laws of deciding again: the same rules say the same, and other rules differ exactly where they do by themselves."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from refold import Decider, Store
from refold.testing.contract.sample import (
    AccountCommand,
    AccountEvent,
    Deposit,
    Deposited,
    Overdrawn,
    Withdraw,
    accounts,
)

COMMANDS = st.one_of(st.builds(Deposit, st.integers(1, 30)), st.builds(Withdraw, st.integers(1, 30)))
ASKED = st.lists(st.tuples(st.sampled_from("ab"), COMMANDS), max_size=12)


def strict(command: AccountCommand, balance: int) -> Iterator[AccountEvent]:
    """A fee on what is paid in, and ten must stay."""
    if isinstance(command, Withdraw) and command.amount > balance - 10:
        raise Overdrawn(str(balance))
    if isinstance(command, Deposit) and command.amount > 5:
        yield Deposited(command.amount - 1)
    else:
        yield from accounts.decide(command, balance)


stricter = replace(accounts, decide=strict)


@contextmanager
def asked(
    commands: Sequence[tuple[str, AccountCommand]],
) -> Generator[tuple[Store, list[tuple[str, AccountCommand, int]]]]:
    """A store after all of these were handled, with what was not refused and the balance that each met."""
    met: list[tuple[str, AccountCommand, int]] = []
    with Store.open("memory://") as store:
        account = store.bind(accounts, keep_commands=True)
        for id, command in commands:
            balance = account.state(id)
            try:
                account.handle(id, command)
            except Overdrawn:
                continue
            met.append((id, command, balance))
        yield store, met


def outcome(decider: Decider[AccountCommand, int, AccountEvent], command: AccountCommand, balance: int) -> object:
    """What a decider says by itself."""
    try:
        return tuple(decider.decide(command, balance))
    except Overdrawn as refused:
        return type(refused)


@given(ASKED)
def test_the_same_rules_say_the_same_of_every_command(commands: Sequence[tuple[str, AccountCommand]]) -> None:
    with asked(commands) as (store, met):
        for id in "ab":
            found = list(store.bind(accounts).redecide(id))
            assert [each.command for each in found] == [command for its, command, _ in met if its == id]
            assert [each.verdict for each in found] == ["same"] * len(found)


@given(ASKED)
def test_other_rules_differ_exactly_where_they_do_by_themselves(commands: Sequence[tuple[str, AccountCommand]]) -> None:
    with asked(commands) as (store, met):
        for id in "ab":
            found = list(store.bind(stricter).redecide(id))
            said = [type(each.error) if each.error is not None else each.decided for each in found]
            assert said == [outcome(stricter, command, balance) for its, command, balance in met if its == id]


@given(ASKED)
def test_deciding_again_writes_nothing(commands: Sequence[tuple[str, AccountCommand]]) -> None:
    with asked(commands) as (store, _):
        before = list(store.read())
        for id in "ab":
            list(store.bind(stricter).redecide(id))
        assert list(store.read()) == before
