"""What is stored and decided in every benchmark: small events of about fifty bytes of JSON."""

from __future__ import annotations

from collections.abc import Iterator

from refold import Decider, command, event


@event("deposited")
class Deposited:
    amount: int
    note: str


@command("deposit")
class Deposit:
    amount: int


NOTE = "hello world, some text"
DEPOSITED = Deposited(1, NOTE)
DATA = b'{"amount":1,"note":"hello world, some text"}'


def decide(command: Deposit, balance: int) -> Iterator[Deposited]:
    """Every deposit is accepted."""
    yield Deposited(command.amount, NOTE)


def evolve(balance: int, event: Deposited) -> int:
    """The balance after a deposit."""
    return balance + event.amount


accounts = Decider("account", initial=int, evolve=evolve, decide=decide)
