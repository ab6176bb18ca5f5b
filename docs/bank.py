"""A bank account: the program that the pages of this documentation use."""

# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from refold import App, Decider, Projection, Recorded, Statement, command, event, sql


@event("account.opened")
class Opened:
    owner: str


@event("account.paid-in")
class PaidIn:
    amount: int


@event("account.withdrawn")
class Withdrawn:
    amount: int


AccountEvent: TypeAlias = Opened | PaidIn | Withdrawn


@command("account.pay-in")
class PayIn:
    amount: int


@command("account.withdraw")
class Withdraw:
    amount: int


AccountCommand: TypeAlias = PayIn | Withdraw


@dataclass(frozen=True)
class Account:
    owner: str = ""
    balance: int = 0


class NotEnough(Exception): ...


def decide(command: AccountCommand, account: Account) -> Iterator[AccountEvent]:
    match command:
        case PayIn(amount):
            yield PaidIn(amount)
        case Withdraw(amount):
            if amount > account.balance:
                raise NotEnough(f"{amount} asked, {account.balance} there")
            yield Withdrawn(amount)
        case _:
            assert_never(command)


def evolve(account: Account, event: AccountEvent) -> Account:
    match event:
        case Opened(owner):
            return replace(account, owner=owner)
        case PaidIn(amount):
            return replace(account, balance=account.balance + amount)
        case Withdrawn(amount):
            return replace(account, balance=account.balance - amount)
        case _:
            assert_never(event)


accounts = Decider("account", initial=Account, evolve=evolve, decide=decide)

totals = Projection("totals", schema="create table totals (account text primary key, paid_in integer)")


@totals.on(PaidIn)
def paid_in(e: Recorded[PaidIn]) -> Iterator[Statement]:
    yield sql(
        "insert into totals values (:account, :amount) on conflict (account) do update set paid_in = paid_in + :amount",
        account=e.stream.id,
        amount=e.data.amount,
    )


app = App(accounts, totals)
